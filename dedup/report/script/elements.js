"use strict";
// What all parts of the page are made with. What comes from articles enters as text nodes, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const totals = data.totals;
const stories = data.run.level === "story";
const things = stories ? "stories" : "groups of copies";
const number = (value) => value.toLocaleString("en");
const plural = (count, word, words = word + "s") => `${number(count)} ${count === 1 ? word : words}`;
const percent = (part, all) => {
  const share = all ? (100 * part) / all : 0;
  return share === 0 || share >= 99.95
    ? `${Math.round(share)} %`
    : share < 0.1
      ? "< 0.1 %"
      : `${share.toFixed(share < 10 ? 1 : 0)} %`;
};

// Elements: fixed names, fixed attributes, children as nodes or text.
const make =
  (namespace) =>
  (name, attributes = {}, ...children) => {
    const made = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes))
      if (value !== null && value !== undefined) made.setAttribute(key, value);
    made.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== ""));
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
  try {
    safe = new URL(url);
  } catch {
    /* not an address */
  }
  if (!safe || !["http:", "https:"].includes(safe.protocol)) return foreign(text);
  return el("a", { href: safe.href, target: "_blank", rel: "noopener noreferrer", dir: "auto" }, text);
};

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const minute = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZone: "UTC",
});
const date = (text) => (text ? day.format(new Date(text.slice(0, 10) + "T00:00Z")) : "no date");
const moment = (text) =>
  !text ? "no date" : text.endsWith("T00:00") ? date(text) : minute.format(new Date(text + "Z"));
const span = (first, last) =>
  !first
    ? "no date"
    : date(first) === date(last)
      ? date(first)
      : day.formatRange(new Date(first + "Z"), new Date(last + "Z")).replace(/\s*[–-]\s*/, " – ");
