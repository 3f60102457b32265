"""One headless browser for all tests of the page, and pages that must not report errors."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
INSTALL = (
    "the tests of the review page need Chromium: apt-get install -y --no-install-recommends chromium fonts-dejavu-core"
)
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
  (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""
expect.set_options(timeout=20_000)  # a slow machine must not fail the tests


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; its absence fails the tests, so that they cannot be skipped unnoticed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.fail(INSTALL)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield started
        started.close()


class Watched:
    """Pages of one browser context, and all problems they report."""

    def __init__(self, context: BrowserContext) -> None:
        """Start without an open page."""
        self.context = context
        self.problems: list[str] = []
        self.expected: list[str] = []
        self.pages: list[Page] = []
        context.add_init_script(LISTEN)

    def open(self, address: str, *, ready: bool = True, fragment: str = "") -> Page:
        """Open the page and wait until the list and the verdicts are shown."""
        page = self.context.new_page()
        self.pages.append(page)
        home = address.rsplit("/", 1)[0] + "/"
        page.on("console", lambda message: self._on_console(message.type, message.text))
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error} {error.stack}"))
        page.on("request", lambda sent: self._sent(sent.url, home))
        page.goto(address + fragment)
        if ready:
            page.wait_for_selector("html[data-kept]", state="attached")
        return page

    def _on_console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(words in text for words in self.expected):
            self.problems.append(f"console {kind}: {text}")

    def _sent(self, url: str, home: str) -> None:
        if not url.startswith((home, "data:", "blob:")):
            self.problems.append(f"request to {url}")

    def close(self) -> None:
        """Fail if a page logged an error, sent a forbidden request or violated its policy."""
        for page in self.pages:
            if not page.is_closed():
                self.problems += [f"policy: {one}" for one in page.evaluate("window.violations")]
        self.context.close()
        assert not self.problems


@pytest.fixture
def watched(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Return a factory ``watched(**context_options)``; each context is checked and closed at the end."""
    made: list[Watched] = []

    def make(**options: Any) -> Watched:
        settings = {"viewport": {"width": 1280, "height": 800}, "accept_downloads": True} | options
        made.append(Watched(browser.new_context(**settings)))
        made[-1].context.set_default_timeout(20_000)
        return made[-1]

    yield make
    for one in made:
        one.close()


def saved(page: Page, press: Callable[[], object], folder: Path) -> Path:
    """Return the file downloaded by ``press``."""
    with page.expect_download() as waiting:
        press()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path
