"""Performance with ten thousand events."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.review_page import synthetic
from tests.review_page.conftest import Watched

MOST_NODES = 3000
MOST_S = 2.0


def test_ten_thousand_events_within_two_seconds(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Opened, drawn and responding to keys; few DOM nodes at the start, in the middle, at the end and in an event.

    The time is measured in the page's process from the first byte to the response to a key. Other load makes it longer,
    so the best of three runs counts.
    """
    events = [synthetic.event(number) for number in range(10_000)]
    address = synthetic.write(tmp_path, synthetic.document(events))
    assert (tmp_path / "index.html").stat().st_size > 20_000_000  # includes the curves
    one = watched(viewport={"width": 1920, "height": 1200})
    taken = []
    for _ in range(3):
        page = one.open(address, ready=False)
        page.wait_for_function("() => window.Review && Review.ready")
        began = time.perf_counter()
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(".card.active[data-event]:not(#event-0)")
        taken.append(page.evaluate("Review.ready") / 1000 + time.perf_counter() - began)
        if taken[-1] < MOST_S:
            break
        page.close()
    assert min(taken) < MOST_S, taken

    def nodes() -> int:
        return page.evaluate("document.getElementsByTagName('*').length")

    assert nodes() <= MOST_NODES
    assert int(str(page.locator("#events").get_attribute("aria-rowcount"))) == -(
        -10_000 // page.evaluate("Review.columns")
    )
    page.keyboard.press("End")
    expect(page.locator(".card.active")).to_be_in_viewport()
    assert nodes() <= MOST_NODES
    page.locator("#events").evaluate("(e) => e.scrollTo(0, e.scrollHeight / 2)")
    page.wait_for_function(
        """() => [...document.querySelectorAll('.row')].some((row) =>
          Math.abs(Number(row.getAttribute('aria-rowindex')) - 10000 / Review.columns / 2) < 20)"""
    )
    assert nodes() <= MOST_NODES
    page.click("[aria-label='List']")
    assert nodes() <= MOST_NODES
    page.fill("#find", "_09999")
    expect(page.locator("#count")).to_have_text("1 event")
    page.fill("#find", "")
    page.evaluate("Review.openEvent('event-09999')")
    expect(page.locator(".u-over")).to_be_visible()
    assert nodes() <= MOST_NODES
    answers = page.evaluate(
        """async () => {
          const answers = [];
          for (let press = 0; press < 20; press++) {
            const began = performance.now();
            document.dispatchEvent(new KeyboardEvent("keydown", { key: "k", bubbles: true }));
            await new Promise((done) => setTimeout(done));
            answers.push(performance.now() - began);
          }
          return answers.sort((a, b) => a - b);
        }"""
    )
    assert answers[10] < 250


def test_many_cameras_are_truncated(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Filter and table show 200 of them, and the number of the others."""
    events = [synthetic.event(number) for number in range(4)]
    made = synthetic.document(events)
    made["cameras"] += [{**made["cameras"][0], "name": f"camera {number}"} for number in range(5000)]
    for number, event in enumerate(made["events"]):
        event["camera"] = number
    page = watched().open(synthetic.write(tmp_path, made))
    total = page.evaluate("Review.doc.cameras.length")
    page.evaluate("Review.dialog('night')")
    expect(page.locator("dialog")).to_contain_text(f"{total - 200:,} more cameras are not listed here")
    assert page.evaluate("document.getElementsByTagName('*').length") <= MOST_NODES
