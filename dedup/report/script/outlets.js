// Who reprints whom, and the table of outlets.
const outlets = () => {
  const found = data.sources;
  if (!found.total) {
    hide("outlets");
    return;
  }
  byId("outlets").hidden = false;
  const unknown = found.unknown
    ? ` In ${number(found.unknown)} of these groups nobody knows who was first, since dates are missing or equal; they are not counted.`
    : "";
  byId("outlets-lead").textContent = found.groups
    ? `${plural(found.groups, "text was", "texts were")} printed by more than one outlet; ${plural(found.reprints, "article reprints", "articles reprint")} what another outlet had first.${unknown}`
    : "No text was printed by more than one outlet.";
  if (found.matrix) matrix(found.matrix);
  else byId("matrix").hidden = byId("matrix-says").hidden = true;
  outletTable(found);
};
const matrix = ({ names, counts, rest }) => {
  const named = names.length - (rest ? 1 : 0); // those together would outshine every single one
  const most = Math.max(...counts.slice(0, named).flatMap((row) => row.slice(0, named)), 1);
  const head = el(
    "tr",
    {},
    el("td", { class: "self" }),
    names.map((name, place) => el("th", { scope: "col", title: name }, place < named ? String(place + 1) : "others")),
  );
  const body = names.map((name, row) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", title: name }, el("span", {}, row < named ? String(row + 1) : ""), foreign(name)),
      counts[row].map((count, column) => {
        const cell = el(
          "td",
          count ? { title: `${name}: ${plural(count, "reprint")} of ${names[column]}` } : {},
          count ? number(count) : row === column ? "–" : "",
        );
        if (row >= named || column >= named) cell.classList.add("rest");
        else if (count) {
          cell.style.setProperty("--share", `${8 + (42 * count) / most}%`); // letters stay legible up to a half
        } else if (row === column) cell.classList.add("self");
        return cell;
      }),
    ),
  );
  byId("matrix").append(el("table", { class: "cells" }, el("thead", {}, head), el("tbody", {}, body)));
};
const later = (hours) => (hours < 48 ? `${hours.toFixed(1)} h` : plural(Math.round(hours / 24), "day"));
const outletTable = (found) => {
  const columns = [
    ["source", "Outlet"],
    ["articles", "Articles"],
    ["reprinted", "Reprinted by others"],
    ["reprints", "Reprints others"],
    ["hours", "Later by (median)"],
  ];
  if (stories) columns.push(["first", "First with a story"]);
  let by = null,
    down = true,
    all = false;
  const draw = () => {
    const sorted = [...found.outlets];
    if (by)
      sorted.sort(
        (a, b) =>
          (down ? -1 : 1) * (by === "source" ? a.source.localeCompare(b.source) : (a[by] ?? -1) - (b[by] ?? -1)),
      );
    const head = columns.map(([key, name]) => {
      const button = el("button", { type: "button" }, name + (key === by ? (down ? " ↓" : " ↑") : ""));
      button.addEventListener("click", () => {
        [by, down] = [key, key === by ? !down : key !== "source"];
        draw();
        byId("outlet-table").querySelectorAll("th button")[columns.findIndex((one) => one[0] === key)].focus();
      });
      return el(
        "th",
        {
          scope: "col",
          class: key === "source" ? null : "number",
          "aria-sort": key === by ? (down ? "descending" : "ascending") : null,
        },
        button,
      );
    });
    const body = sorted.slice(0, all ? sorted.length : 12).map((row) =>
      el(
        "tr",
        {},
        columns.map(([key]) =>
          el(
            "td",
            { class: key === "source" ? null : "number" },
            key === "source"
              ? foreign(row.source)
              : row[key] === null
                ? ""
                : key === "hours"
                  ? later(row[key])
                  : row[key]
                    ? number(row[key])
                    : el("span", { class: "quiet" }, "0"),
          ),
        ),
      ),
    );
    byId("outlet-table").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
    byId("all-outlets").hidden = all || sorted.length <= 12;
  };
  byId("all-outlets").textContent =
    found.total > found.outlets.length
      ? `Show ${found.outlets.length} of ${number(found.total)}`
      : `Show all ${found.total}`;
  byId("all-outlets").addEventListener("click", () => {
    all = true;
    draw();
  });
  draw();
};
