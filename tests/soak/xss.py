"""Payloads in every place that a page shows: titles, outlets, addresses, ids, texts, file names, names of columns."""

import json
import random
import shutil
import tempfile
from pathlib import Path

import browser
import payloads

from dedup import pipeline, report
from dedup.params import Params, ReadingParams, StoryParams
from dedup.run import open_run

NAME = "<svg onload=alert(1)>"  # of the run and of the column of the texts
WORDS = ["harbour", "ferry", "lantern", "orchard", "granite", "meadow", "copper", "violin", "glacier", "saffron"]

TOUCH = """document.querySelectorAll('#list a, #list summary').forEach((one) => {
  one.focus();
  one.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
})"""
FOUND = """() => {
  const all = [...document.querySelectorAll('*')];
  const strange = 'iframe, object, embed, img, form:not(.vega-bindings), base, video, audio, template, math, marquee';
  const fine = (link) => ['http:', 'https:'].includes(new URL(link.href).protocol) && link.relList.contains('noopener');
  return {
    marked: window.marked ?? null,
    handlers: all.flatMap((one) => [...one.attributes]).filter((one) => one.name.startsWith('on')).length,
    elements: document.querySelectorAll(strange).length,
    scripts: document.scripts.length,
    links: [...document.querySelectorAll('main a')].filter((link) => !fine(link)).length,
    title: document.title,
  };
}"""


def run_of(folder, attacks, seed):
    """Cluster two near copies about each payload, and write the report; return its file."""
    chance = random.Random(seed)
    sources = folder / "in"
    for number, attack in enumerate(attacks):
        place = sources / f"{number:03}" / file_name(attack)
        place.parent.mkdir(parents=True, exist_ok=True)
        words = [f"{chance.choice(WORDS)}{number}x{chance.randrange(1000)}" for _ in range(70)]
        lines = []
        for copy in range(2):
            body = [*words[:30], attack, *words[30:], *(["changed", attack, "here"] if copy else [])]
            lines.append(
                json.dumps(
                    {
                        "id": f"{attack}{copy}",
                        "title": f"{attack} {words[0]}",
                        "source": attack if copy else f"{attack}.",
                        "url": f"http://news.example/{attack}" if number % 2 else attack,
                        "published_at": f"2025-03-{1 + number % 28:02}T0{copy}:00:00Z",
                        "lang": attack,
                        NAME: " ".join(body),
                    }
                )
            )
        if number % 10 == 0:
            lines.append(attack)  # refused, and shown among what was
        place.write_text("".join(line.replace("\n", " ") + "\n" for line in lines), "utf-8")
    params = Params(
        reading=ReadingParams(text_col=NAME, max_rejects=10.0**6),
        stories=StoryParams(granularity=10),  # payloads are all that most of these have in common
        canonical="match:url~<script>alert.1.</script>,earliest",
    )
    pipeline.cluster([str(sources)], params).write(folder / NAME)
    page = folder / "report.html"
    report.write_report(open_run(folder / NAME), page)
    return page


def file_name(attack):
    """Return a path that spells a payload as far as a file system can."""
    parts = [part.replace("\0", "")[:60] for part in attack.split("/")]
    return "a" + "/".join(part for part in parts if part.strip(". ")) + ".jsonl"  # a name in _ or . is passed by


def look(page, started, attacks):
    """Open a page and everything on it, and see that nothing of the payloads is more than text."""
    with browser.tab(started, page) as tab:
        tab.open_all()
        shown = tab.evaluate("document.querySelector('main').textContent")
        for attack in attacks:
            kept = "".join(char for char in attack if char.isprintable() or char == "\u2028")
            assert kept in shown, f"not shown: {attack!r}"
        assert tab.count("ins") >= len(attacks) // 2 or len(attacks) > 240  # differences are among what was looked at
        for order in ("last", "cohesion", "outlets", "size"):
            if not tab.locator(f"#sort option[value={order}]").is_disabled():
                tab.select_option("#sort", order)
        for attack in attacks[:: max(1, len(attacks) // 20)]:
            tab.fill("#search", attack.replace("\0", ""))
        tab.fill("#search", "")
        tab.open_all()
        tab.evaluate(TOUCH)
        found = tab.evaluate(FOUND)
        wanted = {
            "marked": None,
            "handlers": 0,
            "elements": 0,
            "scripts": 5,
            "links": 0,
            "title": f"dedup report: {NAME}",
        }
        assert found == wanted, found


def run(count, seed):
    """Look at the report of a run with so many payloads in each place."""
    attacks = payloads.payloads(count)
    assert len(set(attacks)) == count, f"there are {len(set(attacks))} payloads, wanted {count}"
    folder = Path(tempfile.mkdtemp(prefix="dedup-xss-"))
    try:
        page = run_of(folder, attacks, seed)
        with browser.browser() as started:
            look(page, started, attacks)
    finally:
        shutil.rmtree(folder)
    return f"{count} payloads in 8 places each: 0 dialogs, 0 requests, 0 scripts run"
