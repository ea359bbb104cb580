// The top of the page: sentences, the funnel, and what each article is.
// A story is told by two articles or more, as everywhere else; the others stand alone.
const summary = () => {
  const alone = totals.stories - totals.told_often;
  const about = [`Run “${data.run.name}”`];
  if (totals.first) about.push(span(totals.first + "T00:00", totals.last + "T00:00"));
  if (totals.sources) about.push(plural(totals.sources, "outlet"));
  if (totals.languages) about.push(plural(totals.languages, "language"));
  byId("run-line").append(about.join("  ·  "));
  const last = stories ? plural(totals.told_often, "story", "stories") : plural(totals.texts, "distinct text");
  byId("headline").append(`${plural(totals.articles, "article")}, ${last}`);
  const said = [
    totals.copies
      ? `${plural(totals.copies, "article")} (${percent(totals.copies, totals.articles)}) ${totals.copies === 1 ? "is a copy" : "are copies"} of another: the same text, lightly edited, or part of it.`
      : "No article is a copy of another.",
  ];
  if (stories) {
    said.push(
      totals.told_often
        ? `${plural(totals.told_often, "story is", "stories are")} told by two articles or more, ${number(totals.in_stories)} in all; ${plural(alone, "article stands", "articles stand")} alone.`
        : "No two texts report the same story.",
    );
    said.push(
      `Keep one article of each story and those that stand alone: ${percent(totals.stories, totals.articles)} of all articles remain.`,
    );
  } else {
    said.push(
      `The run went as far as ${data.run.level === "exact" ? "exact copies" : "copies"}; stories were not looked for.`,
    );
  }
  byId("lead").append(said.join(" "));
  const steps = [
    ["articles", totals.articles, "as they were read"],
    [
      "distinct texts",
      totals.texts,
      totals.copies ? `without ${plural(totals.copies, "copy", "copies")}` : "no copies",
    ],
  ];
  if (stories)
    steps.push([
      "kept",
      totals.stories,
      `one article of each of ${plural(totals.told_often, "story", "stories")}, and ${number(alone)} that ${alone === 1 ? "stands" : "stand"} alone`,
    ]);
  for (const [name, value, says] of steps) {
    byId("funnel").append(
      el(
        "div",
        { class: "step", role: "row" },
        el("div", { class: "name", role: "rowheader" }, el("b", {}, number(value)), el("span", {}, name)),
        bar(totals.articles ? value / totals.articles : 0),
        el("div", { class: "says", role: "cell" }, `${percent(value, totals.articles)} · ${says}`),
      ),
    );
  }
  const kinds = {
    unique: ["alone", "no other article tells this story"],
    canonical: ["chosen", "stands for its story"],
    same_story: ["same story", "tells a story in other words than the chosen one"],
    exact: ["exact copy", "word for word what the group’s own article says"],
    near: ["near copy", "the same text with changes"],
    contained: ["part of another", "one of the two texts holds the other"],
  };
  for (const { relation, articles } of data.relations) {
    const [name, meaning] = kinds[relation];
    byId("relations").append(
      el(
        "div",
        { class: "relation", role: "row" },
        el("span", { role: "rowheader" }, name),
        el("span", { class: "number", role: "cell" }, number(articles)),
        el("span", { class: "number quiet", role: "cell" }, percent(articles, totals.articles)),
        bar(totals.articles ? articles / totals.articles : 0),
        el("span", { class: "quiet", role: "cell" }, meaning),
      ),
    );
  }
};
