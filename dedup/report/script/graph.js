// Nodes repel each other, links pull; from a circle, in whole steps, so that the same story looks the same each time.
const graph = (found) => {
  const n = found.members.length;
  if (n < 2 || !found.links.length) return el("div", {});
  const x = [],
    y = [];
  for (let i = 0; i < n; i += 1) {
    x.push(Math.cos((2 * Math.PI * i) / n));
    y.push(Math.sin((2 * Math.PI * i) / n));
  }
  const wish = 1.6 / Math.sqrt(n);
  for (let step = 0; step < 240; step += 1) {
    const dx = new Array(n).fill(0),
      dy = new Array(n).fill(0);
    const move = (i, j, force) => {
      const [a, b] = [x[i] - x[j], y[i] - y[j]];
      const far = Math.max(Math.hypot(a, b), 0.01);
      const push = force(far) / far;
      dx[i] += a * push;
      dy[i] += b * push;
      dx[j] -= a * push;
      dy[j] -= b * push;
    };
    for (let i = 0; i < n; i += 1) for (let j = 0; j < i; j += 1) move(i, j, (far) => (wish * wish) / far);
    for (const [i, j, copy, score] of found.links)
      move(i, j, (far) => -((far * far) / wish) * (copy ? 1.4 : 0.25 + score));
    const heat = 0.12 * (1 - step / 240);
    for (let i = 0; i < n; i += 1) {
      dx[i] -= 0.4 * x[i];
      dy[i] -= 0.4 * y[i];
      const far = Math.max(Math.hypot(dx[i], dy[i]), 1e-9);
      x[i] += (dx[i] / far) * Math.min(far, heat);
      y[i] += (dy[i] / far) * Math.min(far, heat);
    }
  }
  const width = 288,
    height = 250,
    edge = 16;
  const scale = (values, size) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return values.map((value) => edge + (high - low < 1e-6 ? 0.5 : (value - low) / (high - low)) * (size - 2 * edge));
  };
  const [px, py] = [scale(x, width), scale(y, height)];
  const picture = svg("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `${n} articles and the ${found.links.length} links that hold them together`,
  });
  for (const [i, j, copy, score] of [...found.links].reverse()) {
    picture.append(
      svg(
        "line",
        {
          class: copy ? "edge copy" : "edge",
          x1: px[i].toFixed(1),
          y1: py[i].toFixed(1),
          x2: px[j].toFixed(1),
          y2: py[j].toFixed(1),
          "stroke-width": copy ? 2.5 : 1.2,
          "stroke-opacity": copy ? 0.85 : (0.15 + 0.7 * Math.min(score, 1)).toFixed(2),
        },
        svg("title", {}, `${i + 1} and ${j + 1}: ${copy ? "copies" : "same story"}, ${score.toFixed(2)}`),
      ),
    );
  }
  found.members.forEach((member, i) =>
    picture.append(
      svg(
        "g",
        { class: member.relation === "canonical" ? "node chosen" : "node" },
        svg("circle", { cx: px[i].toFixed(1), cy: py[i].toFixed(1), r: 10 }),
        svg("text", { x: px[i].toFixed(1), y: py[i].toFixed(1) }, String(i + 1)),
        svg("title", {}, [member.source, member.title].filter(Boolean).join(": ") || member.id),
      ),
    ),
  );
  const kinds = [
    found.links.some((one) => one[2]) ? "thick lines join copies" : null,
    found.links.some((one) => !one[2]) ? "thin lines join texts of one story, the stronger the more alike" : null,
  ];
  return el(
    "div",
    { class: "graph" },
    picture,
    el("p", {}, `Numbers are those of the articles; ${kinds.filter(Boolean).join(", ")}.`),
  );
};
