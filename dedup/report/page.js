"use strict";
// Draws the page from the data in #data. All that comes from articles enters as text nodes, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const totals = data.totals;
  const stories = data.run.level === "story";
  const things = stories ? "stories" : "groups of copies";
  const number = (value) => value.toLocaleString("en");
  const plural = (count, word, words = word + "s") => `${number(count)} ${count === 1 ? word : words}`;
  const percent = (part, all) => {
    const share = all ? (100 * part) / all : 0;
    return share === 0 || share >= 99.95 ? `${Math.round(share)} %` : share < 0.1 ? "< 0.1 %" : `${share.toFixed(share < 10 ? 1 : 0)} %`;
  };

  // Elements: fixed names, fixed attributes, children as nodes or text.
  const make = (namespace) => (name, attributes = {}, ...children) => {
    const made = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(key, value);
    made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
    return made;
  };
  const el = make(null);
  const svg = make("http://www.w3.org/2000/svg");
  const foreign = (text, name = "bdi") => el(name, { dir: "auto" }, text); // of any script and direction
  const bar = (share) => {
    const fill = el("div", { class: "fill" });
    fill.style.setProperty("--share", `${100 * share}%`);
    return el("div", { class: "track", "aria-hidden": "true" }, fill);
  };
  const link = (text, url) => {
    let safe = null;
    try { safe = new URL(url); } catch { /* not an address */ }
    if (!safe || !["http:", "https:"].includes(safe.protocol)) return foreign(text);
    return el("a", { href: safe.href, target: "_blank", rel: "noopener noreferrer", dir: "auto" }, text);
  };

  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  const minute = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
  const date = (text) => (text ? day.format(new Date(text.slice(0, 10) + "T00:00Z")) : "no date");
  const moment = (text) => (!text ? "no date" : text.endsWith("T00:00") ? date(text) : minute.format(new Date(text + "Z")));
  const span = (first, last) => (!first ? "no date" : date(first) === date(last) ? date(first) : day.formatRange(new Date(first + "Z"), new Date(last + "Z")).replace(/\s*[–-]\s*/, " – "));

  // ---- Summary
  const summary = () => {
    const about = [`Run “${data.run.name}”`];
    if (totals.first) about.push(span(totals.first + "T00:00", totals.last + "T00:00"));
    if (totals.sources) about.push(plural(totals.sources, "outlet"));
    if (totals.languages) about.push(plural(totals.languages, "language"));
    byId("run-line").append(about.join("  ·  "));
    const last = stories ? plural(totals.stories, "story", "stories") : plural(totals.texts, "distinct text");
    byId("headline").append(`${plural(totals.articles, "article")}, ${last}`);
    const said = [
      totals.copies
        ? `${plural(totals.copies, "article")} (${percent(totals.copies, totals.articles)}) ${totals.copies === 1 ? "is a copy" : "are copies"} of another: the same text, lightly edited, or part of it.`
        : "No article is a copy of another.",
    ];
    if (stories) {
      said.push(totals.told_often
        ? `${plural(totals.told_often, "story is", "stories are")} told by two articles or more, ${number(totals.in_stories)} articles in all; the other ${number(totals.stories - totals.told_often)} ${totals.stories - totals.told_often === 1 ? "article stands" : "articles stand"} alone.`
        : "No two texts report the same story.");
      said.push(`Keep one article of each story, and ${percent(totals.stories, totals.articles)} of all articles remain.`);
    } else {
      said.push(`The run went as far as ${data.run.level === "exact" ? "exact copies" : "copies"}; stories were not looked for.`);
    }
    byId("lead").append(said.join(" "));
    const steps = [["articles", totals.articles, "as they were read"], ["distinct texts", totals.texts, totals.copies ? `without ${plural(totals.copies, "copy", "copies")}` : "no copies"]];
    if (stories) steps.push(["stories", totals.stories, `${number(totals.told_often)} told more than once, ${number(totals.stories - totals.told_often)} told once`]);
    for (const [name, value, says] of steps) {
      byId("funnel").append(
        el("div", { class: "step", role: "row" },
          el("div", { class: "name", role: "rowheader" }, el("b", {}, number(value)), el("span", {}, name)),
          bar(totals.articles ? value / totals.articles : 0),
          el("div", { class: "says", role: "cell" }, `${percent(value, totals.articles)} · ${says}`)));
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
        el("div", { class: "relation", role: "row" },
          el("span", { role: "rowheader" }, name),
          el("span", { class: "number", role: "cell" }, number(articles)),
          el("span", { class: "number quiet", role: "cell" }, percent(articles, totals.articles)),
          bar(totals.articles ? articles / totals.articles : 0),
          el("span", { class: "quiet", role: "cell" }, meaning)));
    }
  };

  // ---- Stories
  // What an article is to the one that stands for its group, or to the one chosen for the story.
  const relation = (members, member) => {
    const alike = member.likeness === undefined ? "" : `, ${member.likeness.toFixed(2)}`;
    const own = members.findIndex((one) => one.group === member.group && one.stands);
    const of = own < 0 ? "another" : String(own + 1);
    if (member.relation === "canonical") return `chosen${stories ? " for the story" : ""}${member.why && member.why !== "only" ? `: ${member.why}` : ""}`;
    if (member.relation === "same_story") return `same story${alike}`;
    if (member.relation === "contained") return `${own >= 0 && members[own].chars < member.chars ? "holds" : "part of"} ${of}${alike}`;
    if (member.relation === "exact" || member.relation === "near") return `${member.relation === "exact" ? "exact" : "near"} copy of ${of}${alike}`;
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
      const parts = [row.id, row.title, row.terms, ...members.flatMap((member) => [member.title, member.source, member.id])];
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
    return rows.filter((row) => words.every((word) => searched(row).includes(word)))
      .sort((a, b) => order(a, b) || b.size - a.size || (a.id < b.id ? -1 : 1));
  };
  const list = () => {
    const found = chosen();
    byId("list").replaceChildren(...found.slice(0, shown).map(story));
    byId("found").textContent = found.length === rows.length ? `${plural(found.length, things.replace(/ies\b/, "y").replace("groups", "group"), things)} listed` : `${number(found.length)} of ${number(rows.length)} listed`;
    byId("more").hidden = found.length <= shown;
    byId("more").textContent = `Show ${Math.min(STEP * 2, found.length - shown)} more`;
    if (!found.length) byId("list").append(el("p", { class: "quiet" }, rows.length ? "Nothing matches. Search for fewer or other words." : `There are no ${things}: every article stands alone.`));
  };
  const story = (row) => {
    const has = Object.hasOwn(opened, row.id);
    const facts = [stories && row.texts > 1 ? plural(row.texts, "text") : null, row.outlets ? plural(row.outlets, "outlet") : null];
    const top = el("summary", has ? {} : { tabindex: "-1" },
      el("span", { class: "size number" }, number(row.size), el("small", {}, "articles")),
      el("span", {}, el("span", { class: row.untitled ? "title quiet" : "title", dir: "auto" }, row.title || "(no text)"), row.terms ? el("span", { class: "terms", dir: "auto" }, row.terms) : null),
      el("span", { class: "when" }, el("b", {}, span(row.first, row.last)), facts.filter(Boolean).join(" · ")),
      row.cohesion === undefined ? el("span", { class: "cohesion" }) : el("span", { class: "cohesion", title: "How well its texts hold together: mean score over all their pairs" }, `cohesion ${row.cohesion.toFixed(2)}`, bar(Math.min(row.cohesion, 1))),
      el("span", { class: "arrow", "aria-hidden": "true" }, "›"));
    const made = el("details", { class: has ? "story" : "story brief", "data-id": row.id }, top);
    if (has) made.addEventListener("toggle", () => { if (made.open && made.children.length === 1) made.append(inside(row, opened[row.id])); });
    else top.addEventListener("click", (event) => event.preventDefault());
    return made;
  };
  const inside = (row, found) => {
    const groups = new Map();
    found.members.forEach((member, place) => groups.set(member.group, [...(groups.get(member.group) || []), place]));
    const left = el("div", {});
    for (const places of groups.values()) {
      const many = places.length > 1;
      left.append(el("div", { class: many ? "group many" : "group" },
        many ? el("h4", {}, `One text, ${places.length} articles`) : null, places.map((place) => article(found, place))));
    }
    const command = `dedup show RUN ${row.id}`;
    const more = found.hidden > 0 ? `${plural(found.hidden, "more article is", "more articles are")} not on this page. ` : "";
    return el("div", { class: "inside" }, left, graph(found),
      el("p", { class: "foot" }, more, "All of it in the terminal: ", el("code", {}, command)));
  };
  const article = (found, place) => {
    const member = found.members[place];
    const about = [foreign(member.source || "unknown outlet", "b"), `  ·  ${moment(member.date)}  ·  ${relation(found.members, member)}`];
    const changes = (found.differences || []).filter((one) => one.new === place);
    return el("div", { class: "member" },
      el("span", { class: member.relation === "canonical" ? "badge chosen" : "badge" }, String(place + 1)),
      el("div", {},
        el("div", { class: "head" }, member.url ? link(member.title || member.url, member.url) : member.title ? foreign(member.title) : el("span", { class: "quiet" }, "(no title)")),
        el("div", { class: "about" }, about),
        member.excerpt ? el("p", { class: "excerpt", dir: "auto" }, member.excerpt) : null,
        changes.map((change) => difference(change))));
  };
  const difference = (change) => {
    const signs = { "=": (text) => text, "-": (text) => el("del", {}, text), "+": (text) => el("ins", {}, text), "…": (text) => el("span", { class: "gap" }, `[… ${text} characters alike …]`) };
    const same = change.whole && change.pieces.every(([sign]) => sign === "=" || sign === "…");
    const made = el("details", { class: "change" }, el("summary", {}, `What differs from ${change.old + 1}`));
    made.append(el("p", { dir: "auto" }, same ? "No word: only letters’ case, punctuation or spacing." : change.pieces.map(([sign, text]) => signs[sign](text)), change.whole ? null : el("span", { class: "gap" }, " [the rest is not shown]")));
    return made;
  };

  // Nodes repel each other, links pull; from a circle, in whole steps, so that the same story looks the same each time.
  const graph = (found) => {
    const n = found.members.length;
    if (n < 2 || !found.links.length) return el("div", {});
    const x = [], y = [];
    for (let i = 0; i < n; i += 1) { x.push(Math.cos((2 * Math.PI * i) / n)); y.push(Math.sin((2 * Math.PI * i) / n)); }
    const wish = 1.6 / Math.sqrt(n);
    for (let step = 0; step < 240; step += 1) {
      const dx = new Array(n).fill(0), dy = new Array(n).fill(0);
      const move = (i, j, force) => {
        const [a, b] = [x[i] - x[j], y[i] - y[j]];
        const far = Math.max(Math.hypot(a, b), 0.01);
        const push = force(far) / far;
        dx[i] += a * push; dy[i] += b * push; dx[j] -= a * push; dy[j] -= b * push;
      };
      for (let i = 0; i < n; i += 1) for (let j = 0; j < i; j += 1) move(i, j, (far) => (wish * wish) / far);
      for (const [i, j, copy, score] of found.links) move(i, j, (far) => -((far * far) / wish) * (copy ? 1.4 : 0.25 + score));
      const heat = 0.12 * (1 - step / 240);
      for (let i = 0; i < n; i += 1) {
        dx[i] -= 0.4 * x[i]; dy[i] -= 0.4 * y[i];
        const far = Math.max(Math.hypot(dx[i], dy[i]), 1e-9);
        x[i] += (dx[i] / far) * Math.min(far, heat); y[i] += (dy[i] / far) * Math.min(far, heat);
      }
    }
    const width = 288, height = 250, edge = 16;
    const scale = (values, size) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return values.map((value) => edge + (high - low < 1e-6 ? 0.5 : (value - low) / (high - low)) * (size - 2 * edge));
    };
    const [px, py] = [scale(x, width), scale(y, height)];
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${n} articles and the ${found.links.length} links that hold them together` });
    for (const [i, j, copy, score] of [...found.links].reverse()) {
      picture.append(svg("line", { class: copy ? "edge copy" : "edge", x1: px[i].toFixed(1), y1: py[i].toFixed(1), x2: px[j].toFixed(1), y2: py[j].toFixed(1), "stroke-width": copy ? 2.5 : 1.2, "stroke-opacity": copy ? 0.85 : (0.15 + 0.7 * Math.min(score, 1)).toFixed(2) },
        svg("title", {}, `${i + 1} and ${j + 1}: ${copy ? "copies" : "same story"}, ${score.toFixed(2)}`)));
    }
    found.members.forEach((member, i) => picture.append(
      svg("g", { class: member.relation === "canonical" ? "node chosen" : "node" },
        svg("circle", { cx: px[i].toFixed(1), cy: py[i].toFixed(1), r: 10 }),
        svg("text", { x: px[i].toFixed(1), y: py[i].toFixed(1) }, String(i + 1)),
        svg("title", {}, [member.source, member.title].filter(Boolean).join(": ") || member.id))));
    const kinds = [found.links.some((one) => one[2]) ? "thick lines join copies" : null, found.links.some((one) => !one[2]) ? "thin lines join texts of one story, the stronger the more alike" : null];
    return el("div", { class: "graph" }, picture, el("p", {}, `Numbers are those of the articles; ${kinds.filter(Boolean).join(", ")}.`));
  };

  const storyList = () => {
    byId("stories-title").textContent = stories ? "Stories" : "Groups of copies";
    const all = data.stories.total, some = rows.length, full = Object.keys(opened).length;
    const said = [all > some
      ? `Listed are ${number(some)} of ${number(all)} ${things}: the largest, the newest, the least cohesive and those of most outlets.`
      : `All ${number(all)} ${things} of two or more articles.`];
    if (full < some) said.push(`${number(full)} of them open, those with an arrow; the articles of the others are in the run.`);
    else if (some) said.push("Open one to see its articles.");
    if (rows.some((row) => row.cohesion !== undefined)) said.push("Where cohesion is low, look first for what should not be together.");
    byId("stories-lead").textContent = said.join(" ");
    for (const option of byId("sort").options) {
      const needs = option.dataset.needs;
      option.hidden = option.disabled = Boolean(needs) && !rows.some((row) => row[needs]);
    }
    const again = () => { shown = STEP; list(); };
    byId("search").addEventListener("input", again);
    byId("sort").addEventListener("change", again);
    byId("more").addEventListener("click", () => {
      const before = shown;
      shown += STEP * 2;
      list();
      byId("list").children[before]?.querySelector("summary").focus();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) { event.preventDefault(); byId("search").focus(); }
      if (event.key === "Escape" && event.target === byId("search")) { byId("search").value = ""; again(); }
    });
    list();
  };

  // ---- Outlets
  const outlets = () => {
    const found = data.sources;
    if (!found.total) { hide("outlets"); return; }
    byId("outlets").hidden = false;
    const unknown = found.unknown ? ` In ${number(found.unknown)} of these groups nobody knows who was first, since dates are missing or equal; they are not counted.` : "";
    byId("outlets-lead").textContent = found.groups
      ? `${plural(found.groups, "text was", "texts were")} printed by more than one outlet; ${plural(found.reprints, "article reprints", "articles reprint")} what another outlet had first.${unknown}`
      : "No text was printed by more than one outlet.";
    if (found.matrix) matrix(found.matrix);
    else byId("matrix").hidden = byId("matrix-says").hidden = true;
    outletTable(found);
  };
  const matrix = ({ names, counts }) => {
    const most = Math.max(...counts.flat(), 1);
    const head = el("tr", {}, el("td", { class: "self" }), names.map((name, place) => el("th", { scope: "col", title: name }, String(place + 1))));
    const body = names.map((name, row) => el("tr", {},
      el("th", { scope: "row", title: name }, el("span", {}, String(row + 1)), foreign(name)),
      counts[row].map((count, column) => {
        const cell = el("td", count ? { title: `${name}: ${plural(count, "reprint")} of ${names[column]}` } : {}, count ? number(count) : row === column ? "–" : "");
        if (count) {
          const share = 15 + (85 * count) / most;
          cell.style.setProperty("--share", `${share}%`);
          if (share > 55) cell.classList.add("dark");
        } else if (row === column) cell.classList.add("self");
        return cell;
      })));
    byId("matrix").append(el("table", { class: "cells" }, el("thead", {}, head), el("tbody", {}, body)));
  };
  const later = (hours) => (hours < 48 ? `${hours.toFixed(1)} h` : plural(Math.round(hours / 24), "day"));
  const outletTable = (found) => {
    const columns = [["source", "Outlet"], ["articles", "Articles"], ["reprinted", "Reprinted by others"], ["reprints", "Reprints others"], ["hours", "Later by (median)"]];
    if (stories) columns.push(["first", "First with a story"]);
    let by = null, down = true, all = false;
    const draw = () => {
      const sorted = [...found.outlets];
      if (by) sorted.sort((a, b) => (down ? -1 : 1) * (by === "source" ? a.source.localeCompare(b.source) : (a[by] ?? -1) - (b[by] ?? -1)));
      const head = columns.map(([key, name]) => {
        const button = el("button", { type: "button" }, name + (key === by ? (down ? " ↓" : " ↑") : ""));
        button.addEventListener("click", () => {
          [by, down] = [key, key === by ? !down : key !== "source"];
          draw();
          byId("outlet-table").querySelectorAll("th button")[columns.findIndex((one) => one[0] === key)].focus();
        });
        return el("th", { scope: "col", class: key === "source" ? null : "number", "aria-sort": key === by ? (down ? "descending" : "ascending") : null }, button);
      });
      const body = sorted.slice(0, all ? sorted.length : 12).map((row) => el("tr", {}, columns.map(([key]) => el("td", { class: key === "source" ? null : "number" },
        key === "source" ? foreign(row.source) : row[key] === null ? "" : key === "hours" ? later(row[key]) : row[key] ? number(row[key]) : el("span", { class: "quiet" }, "0")))));
      byId("outlet-table").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
      byId("all-outlets").hidden = all || sorted.length <= 12;
    };
    byId("all-outlets").textContent = found.total > found.outlets.length ? `Show ${found.outlets.length} of ${number(found.total)}` : `Show all ${found.total}`;
    byId("all-outlets").addEventListener("click", () => { all = true; draw(); });
    draw();
  };

  // ---- Charts
  const hide = (part) => { byId(part).hidden = true; for (const one of document.querySelectorAll(`[data-part="${part}"]`)) one.hidden = true; };
  const config = {
    background: null, font: "system-ui, sans-serif", padding: { left: 0, right: 8, top: 4, bottom: 6 },
    view: { stroke: null },
    axis: { labelColor: "var(--muted)", titleColor: "var(--muted)", gridColor: "var(--line)", domainColor: "var(--faint)", tickColor: "var(--faint)", labelFontSize: 11, titleFontSize: 12, titleFontWeight: 400, labelFont: "system-ui, sans-serif", titlePadding: 8 },
    axisX: { grid: false }, axisY: { domain: false, ticks: false },
    legend: { orient: "top", direction: "horizontal", offset: 10, labelColor: "var(--ink)", labelFontSize: 12, symbolType: "square", symbolSize: 90, symbolStrokeWidth: 0, columnPadding: 14, labelLimit: 220 },
  };
  const draw = (name, needs = name) => {
    const place = byId(`chart-${name}`);
    const spec = data.charts[name];
    if (!spec || !data.datasets[needs].length) { place.closest("figure").hidden = true; return; }
    const narrow = place.clientWidth < 480;
    const full = { ...spec, datasets: { ...spec.datasets, ...data.datasets }, config: { ...config, axisY: { ...config.axisY, labelLimit: narrow ? 120 : 300 } } };
    const parsed = vega.parse(vegaLite.compile(full).spec, {}, { ast: true });
    new vega.View(parsed, { expr: vegaInterpreter.expressionInterpreter, renderer: "svg", container: place, hover: false, loader: { load() { throw new Error("the page loads nothing"); } } }).runAsync();
  };
  const charts = () => {
    if (data.datasets.timeline.length) {
      byId("time").hidden = false;
      draw("timeline");
      draw("spans");
      if (data.gaps) byId("timeline-says").append(" Periods without articles are left out.");
    } else hide("time");
    const at = data.thresholds;
    byId("scores-lead").textContent = "Every pair that was measured: those that hold the groups and stories together, and those that were refused. Much refused close to a line, or much accepted, says that another threshold may fit better.";
    byId("jaccard-says").textContent = `Copies share ${percent(at.jaccard, 1)} of their wording or more; those below the line are parts of a longer text. Pairs of equal texts are left out.`;
    byId("containment-says").textContent = `Or the longer text holds ${percent(at.containment, 1)} of the shorter one; those below the line share enough of all their wording.`;
    byId("story-says").textContent = `No threshold decides alone: a story is a branch of a tree of average scores (granularity ${at.granularity}). Two texts with nothing near them need ${at.two_alone.toFixed(2)}; more texts hold together with less.`;
    byId("sizes-title").textContent = stories ? "Size of stories" : "Size of groups of copies";
    byId("sizes-says").textContent = "Only those of two or more articles.";
    for (const name of ["jaccard", "containment", "story", "sizes"]) draw(name);
    if (!data.datasets.jaccard.length && !data.datasets.containment.length) byId("copy-scores").hidden = true;
    if (![...document.querySelectorAll("#scores figure")].some((figure) => !figure.hidden && !figure.closest("[hidden]"))) byId("scores-lead").textContent = "No pair of articles was close enough to be measured.";
  };

  // ---- How it was made
  const table = (head, body) => el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": head[0] },
    el("table", {}, el("thead", {}, el("tr", {}, head.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, body.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell)))))));
  const part = (title, about, ...content) => byId("manifest").append(el("details", {}, el("summary", {}, title, el("span", {}, about)), ...content));
  const flat = (settings, before = "") => Object.entries(settings).flatMap(([name, value]) =>
    value && typeof value === "object" && !Array.isArray(value) ? flat(value, `${before}${name}.`) : [[before + name, value === null ? "not set" : Array.isArray(value) ? value.join(", ") || "none" : String(value)]]);
  const made = () => {
    const found = data.manifest;
    part("Left out of this page", "what is in the run but not here", el("ul", {}, omissions().map((line) => el("li", {}, line))));
    if (found.skipped.length) part("Skipped by the run", "to stay within its budgets", table(["number", "what"], found.skipped.map((one) => [number(one.number), one.what])));
    part("Inputs", plural(found.files, "file"), table(["file", "format", "records", "rejected", "columns read"], found.inputs.map((file) => [foreign(file.file), file.format || "unknown", number(file.records), number(file.rejected), foreign(file.columns.join(", "))])),
      found.files > found.inputs.length ? el("p", { class: "quiet" }, `and ${number(found.files - found.inputs.length)} more`) : null);
    if (found.rejected) part("Rejected records", number(found.rejected), table(["where", "code", "why"], found.rejects.map((one) => [foreign(one.where), one.code, foreign(one.message)])),
      found.rejected > found.rejects.length ? el("p", { class: "quiet" }, `and ${number(found.rejected - found.rejects.length)} more in rejects.jsonl`) : null);
    part("Counts", "as in the manifest", table(["count", "number"], Object.entries(found.counts).map(([name, value]) => [name.replaceAll("_", " "), number(value)])));
    part("Settings", `dedup ${found.version}, run ${found.run_id}`, table(["setting", "value"], flat(found.settings).map(([name, value]) => [el("code", {}, name), value])));
  };
  const omissions = () => {
    const lines = [];
    const all = data.stories.total, full = Object.keys(opened).length;
    if (rows.length < all) lines.push(`${number(all - rows.length)} of ${number(all)} ${things} are not listed.`);
    if (full < rows.length) lines.push(`${number(rows.length - full)} of those listed do not open here; see them with dedup show RUN ID.`);
    lines.push(`Of one story at most ${data.stories.most} articles are shown, a few of each text.`);
    if (stories && totals.stories > totals.told_often) lines.push(`Stories of one article, ${number(totals.stories - totals.told_often)} of them, are counted only.`);
    const { wanted, shown: drawn, missing } = data.differences;
    if (missing) lines.push(`Texts of ${plural(wanted - drawn, "near copy", "near copies")} could not be read again (${missing}): what ${wanted - drawn === 1 ? "it" : "they"} changed is not shown. Put the input back as it was, or run dedup cluster --with-text.`);
    else if (wanted > drawn) lines.push(`What ${plural(wanted - drawn, "more near copy", "more near copies")} changed is not shown, to keep the page small.`);
    if (data.sources.total > data.sources.outlets.length) lines.push(`${number(data.sources.total - data.sources.outlets.length)} of ${number(data.sources.total)} outlets have no row of their own.`);
    return lines;
  };

  // ---- Light and dark
  const theme = () => {
    const root = document.documentElement;
    const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const name = () => { byId("theme").textContent = dark() ? "Light" : "Dark"; };
    byId("theme").addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
    name();
  };

  theme();
  summary();
  storyList();
  outlets();
  charts();
  made();
  document.documentElement.dataset.drawn = "yes";
})();
