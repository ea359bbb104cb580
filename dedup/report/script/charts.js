// The charts: Vega-Lite over the data of the page, drawn as SVG in the colours of the style sheet.
const hide = (part) => {
  byId(part).hidden = true;
  for (const one of document.querySelectorAll(`[data-part="${part}"]`)) one.hidden = true;
};
const config = {
  background: null,
  font: "system-ui, sans-serif",
  padding: { left: 0, right: 8, top: 4, bottom: 6 },
  view: { stroke: null },
  axis: {
    labelColor: "var(--muted)",
    titleColor: "var(--muted)",
    gridColor: "var(--line)",
    domainColor: "var(--faint)",
    tickColor: "var(--faint)",
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 400,
    labelFont: "system-ui, sans-serif",
    titlePadding: 8,
  },
  axisX: { grid: false },
  axisY: { domain: false, ticks: false },
  legend: {
    orient: "top",
    direction: "horizontal",
    offset: 10,
    labelColor: "var(--ink)",
    labelFontSize: 12,
    symbolType: "square",
    symbolSize: 90,
    symbolStrokeWidth: 0,
    columnPadding: 14,
    labelLimit: 220,
  },
};
const draw = (name, needs = name) => {
  const place = byId(`chart-${name}`);
  const spec = data.charts[name];
  if (!spec || !data.datasets[needs].length) {
    place.closest("figure").hidden = true;
    return;
  }
  const narrow = place.clientWidth < 480;
  const full = {
    ...spec,
    datasets: { ...spec.datasets, ...data.datasets },
    config: { ...config, axisY: { ...config.axisY, labelLimit: narrow ? 120 : 300 } },
  };
  const parsed = vega.parse(vegaLite.compile(full).spec, {}, { ast: true });
  new vega.View(parsed, {
    expr: vegaInterpreter.expressionInterpreter,
    renderer: "svg",
    container: place,
    hover: false,
    loader: {
      load() {
        throw new Error("the page loads nothing");
      },
    },
  }).runAsync();
};
const charts = () => {
  if (data.datasets.timeline.length) {
    byId("time").hidden = false;
    draw("timeline");
    draw("spans");
    if (data.gaps) byId("timeline-says").append(" Periods without articles are left out.");
  } else hide("time");
  const at = data.thresholds;
  byId("scores-lead").textContent =
    "Every pair that was measured: those that hold the groups and stories together, and those that were refused. Much refused close to a line, or much accepted, says that another threshold may fit better.";
  byId("jaccard-says").textContent =
    `Copies share ${percent(at.jaccard, 1)} of their wording or more; those below the line are parts of a longer text. Pairs of equal texts are left out.`;
  byId("containment-says").textContent =
    `Or the longer text holds ${percent(at.containment, 1)} of the shorter one; those below the line share enough of all their wording.`;
  byId("story-says").textContent =
    `No threshold decides alone: a story is a branch of a tree of average scores (granularity ${at.granularity}). Two texts with nothing near them need ${at.two_alone.toFixed(2)}; more texts hold together with less.`;
  byId("sizes-title").textContent = stories ? "Size of stories" : "Size of groups of copies";
  byId("sizes-says").textContent = "Only those of two or more articles.";
  for (const name of ["jaccard", "containment", "story", "sizes"]) draw(name);
  if (!data.datasets.jaccard.length && !data.datasets.containment.length) byId("copy-scores").hidden = true;
  if (![...document.querySelectorAll("#scores figure")].some((figure) => !figure.hidden && !figure.closest("[hidden]")))
    byId("scores-lead").textContent = "No pair of articles was close enough to be measured.";
};
