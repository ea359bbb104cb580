"""The report in a real browser: what is drawn, what can be done with it, and that it asks for nothing."""

import json
import re

import browser
import payloads
import pytest
from conftest import ARTICLES, run
from soak import xss

pytestmark = pytest.mark.skipif(browser.why_not() is not None, reason=str(browser.why_not()))

CHARTS = ("timeline", "spans", "jaccard", "containment", "story", "sizes")


@pytest.fixture(scope="module")
def started():
    with browser.browser() as it:
        yield it


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of the seeds."""
    folder = tmp_path_factory.mktemp("seeds")
    return report_of(folder, ARTICLES)


def report_of(folder, source, *options):
    assert run("cluster", source, "-o", folder / "OUT", "-q", *options).exit_code == 0
    done = run("report", folder / "OUT", "-o", folder / "report.html")
    assert done.exit_code == 0, done.output
    return folder / "report.html"


def write(folder, records):
    folder.mkdir(exist_ok=True)
    source = folder / "in.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    return source


def test_every_chart_draws_and_nothing_is_asked_for(started, page):
    with browser.tab(started, page) as tab:
        for name in CHARTS:
            chart = tab.locator(f"#chart-{name} svg")
            assert chart.bounding_box()["height"] > 60, name
            drawn = tab.evaluate(
                f"[...document.querySelectorAll('#chart-{name} path')].filter((one) => one.getBBox().height > 3).length"
            )
            assert drawn > 2, name
        words = " ".join(tab.texts(".chart"))
        assert "copies from 0.60" in words and "copies from 0.85" in words and "two alone need 0.18" in words
        assert "65 articles, 12 stories" in tab.locator("h1").inner_text()
        assert tab.count(".story") == 12 and tab.count(".cells td") > 50


def test_stories_are_searched_and_sorted(started, page):
    with browser.tab(started, page) as tab:
        titles = ".story .title"
        sizes = [
            int(text)
            for text in tab.locator(".story .size").evaluate_all("all => all.map((one) => one.firstChild.data)")
        ]
        assert sizes == sorted(sizes, reverse=True)
        tab.fill("#search", "HEXTON walk")
        assert tab.texts(titles) == ["Hexton tram drivers to walk out for three days over rosters"]
        assert tab.locator("#found").inner_text() == "1 of 12 listed"
        tab.fill("#search", "no such words")
        assert "Nothing matches" in tab.locator("#list").inner_text() and not tab.locator("#more").is_visible()
        tab.fill("#search", "青渡早报")  # an outlet
        assert tab.count(titles) == 1
        tab.fill("#search", "")
        tab.select_option("#sort", "cohesion")
        found = [float(re.search(r"[\d.]+", text)[0]) for text in tab.texts(".cohesion")]
        assert len(found) == 12 and found == sorted(found)
        tab.select_option("#sort", "last")
        assert "Takaichi" in tab.texts(titles)[0]  # the newest


def test_all_of_it_works_with_keys(started, page):
    with browser.tab(started, page) as tab:
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.className") == "skip"
        tab.keyboard.press("/")
        assert tab.evaluate("document.activeElement.id") == "search"
        tab.keyboard.type("ferry kestrel")
        assert tab.count(".story") == 1
        tab.keyboard.press("Escape")
        assert tab.count(".story") == 12
        tab.keyboard.press("Tab")
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.tagName") == "SUMMARY"
        outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        tab.keyboard.press("Enter")
        tab.wait_for_selector(".member")
        assert tab.count(".story[open] .graph .node") == tab.count(".story[open] .member") == 6
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.tagName") == "A"
        tab.focus("#theme")
        before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        tab.keyboard.press("Enter")
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before
        assert tab.locator("#theme").inner_text() == "Light"


def test_what_differs_between_near_copies(started, tmp_path):
    body = [f"word{number:03}" for number in range(120)]
    records = [
        {"id": "first", "title": "A ferry runs late", "source": "Wire", "date": "2025-03-01", "text": " ".join(body)},
        {"id": "again", "title": "A ferry runs late", "source": "Post", "date": "2025-03-02",
         "text": " ".join([*body[:60], "quite", "another", *body[61:]])},
    ]  # fmt: skip
    with browser.tab(started, report_of(tmp_path, write(tmp_path, records))) as tab:
        tab.open_all()
        assert [text.strip() for text in tab.texts("ins")] == ["quite another"]
        assert [text.strip() for text in tab.texts("del")] == ["word060"]
        assert "characters alike" in tab.locator(".change").inner_text()
        assert tab.texts(".cells tbody th") == ["1\nWire", "2\nPost"] or tab.count(".cells tbody th") == 2
        assert tab.locator(".cells td[title]").get_attribute("title") == "Post: 1 reprint of Wire"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_sideways(started, page, scheme):
    with browser.tab(started, page, width=390, scheme=scheme) as tab:
        tab.open_all()
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
        beyond = tab.evaluate(
            """[...document.querySelectorAll('main *')].filter((one) => !one.closest('.wide, svg, .hidden')
              && one.getBoundingClientRect().right > 391).map((one) => one.className)"""
        )
        assert beyond == []


LUMINANCE = """([front, back]) => {
  const light = (name) => {
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.color = `var(${name})`;
    const color = getComputedStyle(probe).color;
    const parts = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / (color.startsWith('rgb') ? 255 : 1));
    probe.remove();
    const [r, g, b] = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out_from_what_is_behind_them(started, page, scheme):
    """The contrast of WCAG 2.2, level AA: 4.5 for text, 3 for what is not."""
    with browser.tab(started, page, scheme=scheme) as tab:
        for front in ("--ink", "--muted", "--accent"):
            for back in ("--paper", "--raised"):
                assert tab.evaluate(LUMINANCE, [front, back]) >= 4.5, (front, back)
        assert tab.evaluate(LUMINANCE, ["--on-accent", "--accent"]) >= 4.5
        tab.evaluate(
            "document.body.style.setProperty('--half', 'color-mix(in srgb, var(--accent) 50%, var(--raised))')"
        )
        assert tab.evaluate(LUMINANCE, ["--ink", "--half"]) >= 4.5  # the strongest cell of the outlets
        assert tab.evaluate(LUMINANCE, ["--accent", "--tint"]) >= 4.5
        dark = tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
        assert dark == (scheme == "dark")


def test_outlets_are_sorted_by_their_columns(started, page):
    with browser.tab(started, page) as tab:
        column = "#outlet-table td:nth-child(2)"
        tab.click("#outlet-table th:nth-child(2) button")
        falling = [int(text) for text in tab.texts(column)]
        assert falling == sorted(falling, reverse=True)
        assert tab.locator("#outlet-table th:nth-child(2)").get_attribute("aria-sort") == "descending"
        tab.keyboard.press("Enter")  # the focus stays on the button
        rising = [int(text) for text in tab.texts(column)]
        assert rising == sorted(rising) and rising != falling
        tab.click("#all-outlets")
        assert tab.count(column) == 17


def test_it_prints(started, page):
    with browser.tab(started, page, scheme="dark") as tab:
        tab.emulate_media(media="print")
        assert not tab.locator(".bar").is_visible() and not tab.locator(".tools").is_visible()
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(253, 253, 252)"
        assert tab.pdf()[:5] == b"%PDF-"


@pytest.mark.parametrize("level", ["exact", "duplicate", "story"])
def test_runs_of_every_kind_are_drawn(started, tmp_path, level):
    same = {"title": "A bell for the tower", "text": "The bell of Marrow Hill was cast anew. " * 9}
    other = {"title": "Rain", "text": "It rained on the market for the whole of a grey week, sellers of plums said."}
    kinds = {
        "none": [{"id": "a", "text": ""}],
        "one": [{"id": "a", **same}],
        "two": [{"id": "a", **same}, {"id": "b", **same}],
        "apart": [{"id": "a", **same}, {"id": "b", **other}],
        "dated": [{"id": "a", "date": "2025-01-01", **same}, {"id": "b", "date": "2025-01-01", **other}],
    }
    for name, records in kinds.items():
        if level != "story" and name not in ("none", "two"):
            continue
        page = report_of(tmp_path / name, write(tmp_path / name, records), "--level", level)
        with browser.tab(started, page) as tab:
            assert tab.locator("h1").inner_text().startswith(f"{len(records)} article")
            assert tab.count(".story") == (name == "two")
            assert not tab.locator("#outlets").is_visible()
            assert "undefined" not in tab.locator("main").inner_text()
            assert "NaN" not in tab.locator("main").inner_text()
            tab.open_all()


def test_payloads_are_text(started, tmp_path):
    attacks = payloads.payloads(110)
    xss.look(xss.run_of(tmp_path, attacks, seed=1), started, attacks)


def test_payloads_would_be_noticed(started, tmp_path):
    """Such payloads as markup, in a page without a policy, do what the test above finds none of."""
    page = tmp_path / "open.html"
    page.write_text("<html data-drawn=yes><body></body>")
    for attack in ("<img src=x onerror='{}'>", "<details open ontoggle='{}'>x</details>"):
        for mark in ("alert(1)", "window.open()", "undefined.x"):
            tab = browser.Tab(started, page)
            tab.evaluate("(it) => { document.body.innerHTML = it; }", attack.format(mark))
            assert tab.wait_for_faults(), attack
            tab.close()


def test_the_policy_holds_even_where_markup_is_made(started, page):
    tab = browser.Tab(started, page)
    said = tab.evaluate(
        "() => { try { document.body.innerHTML = '<img src=x onerror=alert(1)>'; } catch (one) { return one.name; } }"
    )
    assert said == "TypeError"  # no markup from text
    tab.evaluate(
        "() => { const one = document.createElement('img'); one.src = 'mark.png'; document.body.append(one); }"
    )
    tab.evaluate("() => { try { fetch('mark.txt').catch(() => {}); } catch { } }")
    assert len(tab.wait_for_faults(3, of="Content Security Policy")) >= 3
    assert not [fault for fault in tab.faults if fault.startswith(("dialog", "error"))]
    tab.close()
