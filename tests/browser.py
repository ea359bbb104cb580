"""A real browser for the pages: Debian's chromium or another one that is here, driven by playwright."""

import shutil
import time
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def why_not():
    """Return why pages cannot be opened here, or None."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install -e '.[test]'"
    return None if _program() else "there is no browser: apt-get install chromium"


def _program():
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser():
    """Yield a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # A browser refuses to run as root in its sandbox; what it opens here is made by the tests.
        started = driver.chromium.launch(executable_path=_program(), args=["--no-sandbox"])
        yield started
        started.close()


class Tab:
    """A page that is open, and everything it did that a report must not do."""

    def __init__(self, started, file, width=1280, scheme="light", **more):
        self.context = started.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
        self.page = self.context.new_page()
        self.faults = []
        self.page.on("console", lambda said: self.faults.append(f"console: {said.type} {said.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("popup", lambda other: self.faults.append(f"window: {other.url}"))
        self.page.on("framenavigated", lambda frame: self.went(frame.url))
        self.address = file.as_uri()
        self.context.on("request", lambda request: self.went(request.url))
        self.page.goto(self.address)
        self.page.wait_for_selector("html[data-drawn=yes]")

    def went(self, url):
        if url.split("#")[0] != self.address and url != "about:blank":
            self.faults.append(f"request: {url}")

    def __getattr__(self, name):
        return getattr(self.page, name)

    def count(self, selector):
        return self.page.locator(selector).count()

    def texts(self, selector):
        return self.page.locator(selector).all_inner_texts()

    def open_all(self):
        """Show every story, and all that can be opened in it."""
        while self.page.locator("#more").is_visible():
            self.page.locator("#more").click()
        self.page.evaluate("document.querySelectorAll('details:not(.brief)').forEach((one) => { one.open = true; })")
        self.page.wait_for_timeout(100)  # stories are filled when they tell that they are open
        self.page.evaluate("document.querySelectorAll('details:not(.brief)').forEach((one) => { one.open = true; })")

    def wait_for_faults(self, enough=1, of="", seconds=30):
        """Return the faults that say so, waiting until there are enough: a busy machine tells of them late."""
        until = time.monotonic() + seconds
        while len(seen := [fault for fault in self.faults if of in fault]) < enough and time.monotonic() < until:
            self.page.wait_for_timeout(50)
        return seen

    def close(self):
        self.context.close()


@contextmanager
def tab(started, file, **how):
    """Open a page, and see at the end that it did nothing that it must not do."""
    opened = Tab(started, file, **how)
    try:
        yield opened
        assert opened.faults == []
    finally:
        opened.close()
