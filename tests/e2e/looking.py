"""What is checked on every page: axe, no sideways scrolling, no error in the console, a picture for people."""

from __future__ import annotations

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDTHS = (390, 1280)
# A colour on its way from light to dark has no contrast to judge either.
AFTER_TRANSITIONS = """Promise.allSettled(
    document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished)
).then(() => true)"""
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def open_again(page: Page) -> None:
    """The page as the server has it now: Chromium refuses a reload while another document takes its place."""
    page.wait_for_load_state("load")
    page.goto(page.url)


class Looker:
    """Looks at pages and keeps what is wrong with them in `problems`."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self.folder, self.problems = page, folder, []
        page.emulate_media(reduced_motion="reduce")  # a fading colour has no contrast to judge
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))

    def _hear(self, message) -> None:
        # A refused page, and a request of htmx that ended because the person went on to the next page.
        expected = (
            "Failed to load resource: the server responded with a status of 4",
            "htmx:afterRequest",
            "htmx:sendAbort",
        )
        if message.type == "error" and not message.text.startswith(expected):
            self.problems.append(f"{self.page.url}: {message.text}")

    def look(self, name: str) -> None:
        """The page that is open now, at phone and desktop width, light and dark."""
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.wait_for_load_state("networkidle")
            self.page.screenshot(path=self.folder / f"{name}-{width}.png", full_page=True)
        self._does_not_overflow(name)
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(AFTER_TRANSITIONS)
            self.page.evaluate("window.scrollTo(0, 0)")  # a link half under a bar that sticks is not a small link
            self._passes_axe(f"{name} ({scheme})")
        self.page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        self.page.screenshot(path=self.folder / f"{name}-dark.png", full_page=True)
        self.page.emulate_media(color_scheme="light")

    def _does_not_overflow(self, name: str) -> None:
        self.page.set_viewport_size({"width": 360, "height": 800})
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        if wide > 360:
            self.problems.append(f"{name}: {wide} px wide on a 360 px screen")

    def _passes_axe(self, name: str) -> None:
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": AXE_TAGS}})
        for rule in found.response["violations"]:
            nodes = "; ".join(node["html"][:160] for node in rule["nodes"][:3])
            self.problems.append(f"{name}: {rule['id']} ({rule['help']}): {nodes}")
