"""Make docs/report.png, the picture of a report, from the articles in seeds/: `python docs/scripts/report.py`.

Needs `pip install -e '.[test]'` and a chromium of the system.
"""

import base64
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import browser  # noqa: E402

import dedup  # noqa: E402
from dedup.report import write_report  # noqa: E402

WIDTH, HEIGHT = 800, 720  # pixels of each half
STORY = "Central Bank of Tamsara"
SIDE_BY_SIDE = "<body style='margin:0;display:flex'><img src='{}'><img src='{}'></body>"


def main():
    """Cluster the seeds and take a picture: the top of the report, and a story of it in the dark."""
    with tempfile.TemporaryDirectory() as folder, browser.browser() as started:
        out, page = Path(folder) / "news", Path(folder) / "report.html"
        dedup.cluster(str(ROOT / "seeds" / "articles.jsonl")).write(out)
        write_report(dedup.open_run(out), page)
        halves = [half(started, page, scheme, story) for scheme, story in (("light", None), ("dark", STORY))]
        whole = started.new_page(viewport={"width": 2 * WIDTH, "height": HEIGHT})
        whole.set_content(SIDE_BY_SIDE.format(*halves))
        whole.screenshot(path=ROOT / "docs" / "report.png")
    print(f"docs/report.png: {(ROOT / 'docs' / 'report.png').stat().st_size:,} bytes")


def half(started, page, scheme, story):
    """Return a picture of the page as a data URL, from its top or from an opened story on."""
    with browser.tab(started, page, width=WIDTH, scheme=scheme) as tab:
        tab.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        if story:
            tab.locator(".story", has_text=story).locator(".arrow").click()
            tab.wait_for_selector(".graph svg")
            tab.evaluate("document.activeElement.blur()")
            tab.mouse.move(0, 0)
            tab.evaluate("document.querySelector('.story[open]').scrollIntoView()")
        return "data:image/png;base64," + base64.b64encode(tab.screenshot()).decode()


if __name__ == "__main__":
    main()
