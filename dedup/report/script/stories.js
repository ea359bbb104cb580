// The list of stories, and what is inside one.
// What an article is to the one that stands for its group, or to the one chosen for the story.
const relation = (members, member) => {
  const alike = member.likeness === undefined ? "" : `, ${member.likeness.toFixed(2)}`;
  const own = members.findIndex((one) => one.group === member.group && one.stands);
  const of = own < 0 ? "another" : String(own + 1);
  if (member.relation === "canonical")
    return `chosen${stories ? " for the story" : ""}${member.why && member.why !== "only" ? `: ${member.why}` : ""}`;
  if (member.relation === "same_story") return `same story${alike}`;
  if (member.relation === "contained")
    return `${own >= 0 && members[own].chars < member.chars ? "holds" : "part of"} ${of}${alike}`;
  if (member.relation === "exact" || member.relation === "near")
    return `${member.relation === "exact" ? "exact" : "near"} copy of ${of}${alike}`;
  return "alone";
};
const rows = data.stories.rows;
const opened = data.stories.opened;
const STEP = 25;
let shown = STEP;
const texts = new Map(); // what is searched, lower case
const searched = (row) => {
  if (!texts.has(row.id)) {
    const members = (opened[row.id] || { members: [] }).members;
    const parts = [
      row.id,
      row.title,
      row.terms,
      ...members.flatMap((member) => [member.title, member.source, member.id]),
    ];
    texts.set(row.id, parts.filter(Boolean).join("\n").toLocaleLowerCase());
  }
  return texts.get(row.id);
};
const ORDER = {
  size: (a, b) => b.size - a.size,
  last: (a, b) => (b.last || "").localeCompare(a.last || ""),
  cohesion: (a, b) => (a.cohesion ?? 2) - (b.cohesion ?? 2),
  outlets: (a, b) => (b.outlets || 0) - (a.outlets || 0),
};
const chosen = () => {
  const words = byId("search").value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const order = ORDER[byId("sort").value];
  return rows
    .filter((row) => words.every((word) => searched(row).includes(word)))
    .sort((a, b) => order(a, b) || b.size - a.size || (a.id < b.id ? -1 : 1));
};
const list = () => {
  const found = chosen();
  byId("list").replaceChildren(...found.slice(0, shown).map(story));
  byId("found").textContent =
    found.length === rows.length
      ? `${plural(found.length, things.replace(/ies\b/, "y").replace("groups", "group"), things)} listed`
      : `${number(found.length)} of ${number(rows.length)} listed`;
  byId("more").hidden = found.length <= shown;
  byId("more").textContent = `Show ${Math.max(0, Math.min(STEP * 2, found.length - shown))} more`;
  if (!found.length)
    byId("list").append(
      el(
        "p",
        { class: "quiet" },
        rows.length
          ? "Nothing matches. Search for fewer or other words."
          : `There are no ${things}: every article stands alone.`,
      ),
    );
};
const story = (row) => {
  const has = Object.hasOwn(opened, row.id);
  const facts = [
    stories && row.texts > 1 ? plural(row.texts, "text") : null,
    row.outlets ? plural(row.outlets, "outlet") : null,
  ];
  const top = el(
    "summary",
    has ? {} : { tabindex: "-1" },
    el("span", { class: "size number" }, number(row.size), el("small", {}, "articles")),
    el(
      "span",
      {},
      el("span", { class: row.untitled ? "title quiet" : "title", dir: "auto" }, row.title || "(no text)"),
      row.terms ? el("span", { class: "terms", dir: "auto" }, row.terms) : null,
    ),
    el("span", { class: "when" }, el("b", {}, span(row.first, row.last)), facts.filter(Boolean).join(" · ")),
    row.cohesion === undefined
      ? el("span", { class: "cohesion" })
      : el(
          "span",
          { class: "cohesion", title: "How well its texts hold together: mean score over all their pairs" },
          `cohesion ${row.cohesion.toFixed(2)}`,
          bar(Math.min(row.cohesion, 1)),
        ),
    el("span", { class: "arrow", "aria-hidden": "true" }, "›"),
  );
  const made = el("details", { class: has ? "story" : "story brief", "data-id": row.id }, top);
  if (has)
    made.addEventListener("toggle", () => {
      if (made.open && made.children.length === 1) made.append(inside(row, opened[row.id]));
    });
  else top.addEventListener("click", (event) => event.preventDefault());
  return made;
};
const inside = (row, found) => {
  const groups = new Map();
  found.members.forEach((member, place) => groups.set(member.group, [...(groups.get(member.group) || []), place]));
  const left = el("div", {});
  for (const places of groups.values()) {
    const many = places.length > 1;
    left.append(
      el(
        "div",
        { class: many ? "group many" : "group" },
        many ? el("h4", {}, `One text, ${places.length} articles`) : null,
        places.map((place) => article(found, place)),
      ),
    );
  }
  const command = `dedup show RUN ${row.id}`;
  const more =
    found.hidden > 0 ? `${plural(found.hidden, "more article is", "more articles are")} not on this page. ` : "";
  return el(
    "div",
    { class: "inside" },
    left,
    graph(found),
    el("p", { class: "foot" }, more, "All of it in the terminal: ", el("code", {}, command)),
  );
};
const article = (found, place) => {
  const member = found.members[place];
  const about = [
    foreign(member.source || "unknown outlet", "b"),
    `  ·  ${moment(member.date)}  ·  ${relation(found.members, member)}`,
  ];
  const changes = (found.differences || []).filter((one) => one.new === place);
  return el(
    "div",
    { class: "member" },
    el("span", { class: member.relation === "canonical" ? "badge chosen" : "badge" }, String(place + 1)),
    el(
      "div",
      {},
      el(
        "div",
        { class: "head" },
        member.url
          ? link(member.title || member.url, member.url)
          : member.title
            ? foreign(member.title)
            : el("span", { class: "quiet" }, "(no title)"),
      ),
      el("div", { class: "about" }, about),
      member.excerpt ? el("p", { class: "excerpt", dir: "auto" }, member.excerpt) : null,
      changes.map((change) => difference(change)),
    ),
  );
};
const difference = (change) => {
  const signs = {
    "=": (text) => text,
    "-": (text) => el("del", {}, text),
    "+": (text) => el("ins", {}, text),
    "…": (text) => el("span", { class: "gap" }, `[… ${text} characters alike …]`),
  };
  const same = change.whole && change.pieces.every(([sign]) => sign === "=" || sign === "…");
  const made = el("details", { class: "change" }, el("summary", {}, `What differs from ${change.old + 1}`));
  made.append(
    el(
      "p",
      { dir: "auto" },
      same
        ? "No word: only letters’ case, punctuation or spacing."
        : [
            el(
              "span",
              { class: "key" },
              `Struck out: only in ${change.old + 1}. Underlined: only in ${change.new + 1}.`,
            ),
            change.pieces.map(([sign, text]) => signs[sign](text)),
          ],
      change.whole ? null : el("span", { class: "gap" }, " [the rest is not shown]"),
    ),
  );
  return made;
};

const storyList = () => {
  byId("stories-title").textContent = stories ? "Stories" : "Groups of copies";
  const all = data.stories.total,
    some = rows.length,
    full = Object.keys(opened).length;
  const said = [
    all > some
      ? `Listed are ${number(some)} of ${number(all)} ${things}: the largest, the newest, the least cohesive and those of most outlets.`
      : `All ${number(all)} ${things} of two or more articles.`,
  ];
  if (full < some)
    said.push(`${number(full)} of them open, those with an arrow; the articles of the others are in the run.`);
  else if (some) said.push("Open one to see its articles.");
  if (rows.some((row) => row.cohesion !== undefined))
    said.push("Where cohesion is low, look first for what should not be together.");
  byId("stories-lead").textContent = said.join(" ");
  for (const option of byId("sort").options) {
    const needs = option.dataset.needs;
    option.hidden = option.disabled = Boolean(needs) && !rows.some((row) => row[needs]);
  }
  const again = () => {
    shown = STEP;
    list();
  };
  byId("search").addEventListener("input", again);
  byId("sort").addEventListener("change", again);
  byId("more").addEventListener("click", () => {
    const before = shown;
    shown += STEP * 2;
    list();
    byId("list").children[before]?.querySelector("summary").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
      event.preventDefault();
      byId("search").focus();
    }
    if (event.key === "Escape" && event.target === byId("search")) {
      byId("search").value = "";
      again();
    }
  });
  list();
};
