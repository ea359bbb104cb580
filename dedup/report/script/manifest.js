// How the run was made, and what the page leaves out.
const counts = new Set(["number", "records", "rejected"]); // columns of numbers
const table = (head, body) => {
  const kind = (place) => ({ class: counts.has(head[place]) ? "number" : null });
  const titles = head.map((name, place) => el("th", { scope: "col", ...kind(place) }, name));
  const rows = body.map((row) =>
    el(
      "tr",
      {},
      row.map((cell, place) => el("td", kind(place), cell)),
    ),
  );
  return el(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": head[0] },
    el("table", {}, el("thead", {}, el("tr", {}, titles)), el("tbody", {}, rows)),
  );
};
const part = (title, about, ...content) =>
  byId("manifest").append(el("details", {}, el("summary", {}, title, el("span", {}, about)), ...content));
const flat = (settings, before = "") =>
  Object.entries(settings).flatMap(([name, value]) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? flat(value, `${before}${name}.`)
      : [
          [
            before + name,
            value === null ? "not set" : Array.isArray(value) ? value.join(", ") || "none" : String(value),
          ],
        ],
  );
const made = () => {
  const found = data.manifest;
  part(
    "Left out of this page",
    "what is in the run but not here",
    el(
      "ul",
      {},
      omissions().map((line) => el("li", {}, line)),
    ),
  );
  if (found.skipped.length)
    part(
      "Skipped by the run",
      "to stay within its budgets",
      table(
        ["number", "what"],
        found.skipped.map((one) => [number(one.number), one.what]),
      ),
    );
  part(
    "Inputs",
    plural(found.files, "file"),
    table(
      ["file", "format", "records", "rejected", "columns read"],
      found.inputs.map((file) => [
        foreign(file.file),
        file.format || "unknown",
        number(file.records),
        number(file.rejected),
        foreign(file.columns.join(", ")),
      ]),
    ),
    found.files > found.inputs.length
      ? el("p", { class: "quiet" }, `and ${number(found.files - found.inputs.length)} more`)
      : null,
  );
  if (found.rejected)
    part(
      "Rejected records",
      number(found.rejected),
      table(
        ["where", "code", "why"],
        found.rejects.map((one) => [foreign(one.where), one.code, foreign(one.message)]),
      ),
      found.rejected > found.rejects.length
        ? el("p", { class: "quiet" }, `and ${number(found.rejected - found.rejects.length)} more in rejects.jsonl`)
        : null,
    );
  part(
    "Counts",
    "as in the manifest",
    table(
      ["count", "number"],
      Object.entries(found.counts).map(([name, value]) => [name.replaceAll("_", " "), number(value)]),
    ),
  );
  part(
    "Settings",
    `dedup ${found.version}, run ${found.run_id}`,
    table(
      ["setting", "value"],
      flat(found.settings).map(([name, value]) => [el("code", {}, name), value]),
    ),
  );
};
const omissions = () => {
  const lines = [];
  const all = data.stories.total,
    full = Object.keys(opened).length;
  if (rows.length < all) lines.push(`${number(all - rows.length)} of ${number(all)} ${things} are not listed.`);
  if (full < rows.length)
    lines.push(`${number(rows.length - full)} of those listed do not open here; see them with dedup show RUN ID.`);
  lines.push(`Of one story at most ${data.stories.most} articles are shown, a few of each text.`);
  if (stories && totals.stories > totals.told_often)
    lines.push(`Articles that stand alone, ${number(totals.stories - totals.told_often)} of them, are counted only.`);
  const { wanted, shown: drawn, missing } = data.differences;
  if (missing)
    lines.push(
      `Texts of ${plural(wanted - drawn, "near copy", "near copies")} could not be read again (${missing}): what ${wanted - drawn === 1 ? "it" : "they"} changed is not shown. Put the input back as it was, or run dedup cluster --with-text.`,
    );
  else if (wanted > drawn)
    lines.push(
      `What ${plural(wanted - drawn, "more near copy", "more near copies")} changed is not shown, to keep the page small.`,
    );
  if (data.sources.total > data.sources.outlets.length)
    lines.push(
      `${number(data.sources.total - data.sources.outlets.length)} of ${number(data.sources.total)} outlets have no row of their own.`,
    );
  return lines;
};
