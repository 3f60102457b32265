"""axe-core finds no violations in any state, light and dark; nothing is cut off at small sizes or enlarged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.review_page import synthetic
from tests.review_page.conftest import Watched

AXE = (Path(__file__).parents[1] / "data" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
RULES = {
    "light": {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "dark": {
        "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
    },  # all properties affected by colours
}


def findings(page: Page, scheme: str, within: str) -> list[str]:
    """Return the violations found by axe-core in the page or a part of it, one line each."""
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    found: dict[str, Any] = page.evaluate("([within, rules]) => axe.run(within, rules)", [within, RULES[scheme]])
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with all features: media, duplicates, verdicts of others, gaps, annotations."""
    folder = tmp_path_factory.mktemp("access")
    times = synthetic.variable_times(20.0)
    events = [synthetic.event(number) for number in range(14)]
    for number in range(3):
        shape = {"start_s": times[9], "end_s": times[30], "peak_s": times[15]}
        events[number] = synthetic.with_media(folder, events[number] | shape, times)
    events[1] |= {
        "clip": None,
        "group": "event-00000",
        "truth": [[times[5], times[20]]],
        "gaps": [[2.0, 5.0, "damaged"]],
    }
    events[3] |= {"media_error": "removed by retention", "notes": ["lens cleaned"]}
    return synthetic.write(folder, synthetic.document(events))


OTHER = {"reviewer": "anna", "verdict": "false", "verdict_id": "other-1", "note": "a cat"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violations(watched: Callable[..., Watched], address: str, scheme: str) -> None:
    """List, judged, list layout, open filters, empty; events with clip, with strip, without; dialogs; small."""
    page = watched(color_scheme=scheme).open(address)
    page.evaluate(AXE)
    wrong: dict[str, list[str]] = {}

    def look(state: str, within: str = "html") -> None:
        found = findings(page, scheme, within)
        if found:
            wrong[state] = found

    page.evaluate("(other) => Review.take([Review.makeRecord({ ...other, event_id: 'event-00000' })])", OTHER)
    look("list")
    for key in ("1", "2", "3", "Home"):
        page.keyboard.press(key)
    look("judged", "main")
    page.keyboard.press("g")
    look("list layout", "main")
    page.click("#cameras")
    look("cameras", "[role=search]")
    page.keyboard.press("Escape")
    page.fill("#find", "nothing")
    look("empty", "main")
    page.fill("#find", "")
    for key, state in (("?", "help"), ("x", "export")):
        page.locator("#events").focus()
        page.keyboard.press(key)
        expect(page.locator("dialog")).to_be_visible()
        look(state, "dialog")
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
    for button, state in (("[aria-label='About this night']", "night"), ("#region", "region")):
        page.click(button)
        expect(page.locator("dialog")).to_be_visible()
        look(state, "dialog")
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
    for number, state in ((0, "clip"), (1, "strip"), (3, "neither")):
        page.evaluate("(number) => Review.openEvent(`event-0000${number}`)", number)
        expect(page.locator("#detail-title")).to_be_focused()
        look(state)
    page.keyboard.press("4")
    page.evaluate("Review.mark({ from: 21, to: 22 })")
    look("marking", "main")
    page.keyboard.press("4")
    page.set_viewport_size({"width": 360, "height": 640})
    look("small event")
    page.keyboard.press("Escape")
    page.locator(".filters-switch").click()
    look("small list")
    assert not wrong


@pytest.mark.parametrize(
    ("width", "height"), [(320, 640), (360, 740), (640, 400), (1024, 700)], ids=lambda value: str(value)
)
def test_nothing_is_cut_off(watched: Callable[..., Watched], address: str, width: int, height: int) -> None:
    """The page does not scroll horizontally, and every control of the list and of an event is reachable.

    640 x 400 is a window of 1280 x 800 at 200 %; 320 px is 400 % as required by WCAG 1.4.10.
    """
    page = watched(viewport={"width": width, "height": height}).open(address)
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(fits)
    if page.locator(".filters-switch").is_visible():
        page.click(".filters-switch")
    page.click("#days")
    assert page.evaluate(fits)
    page.keyboard.press("Escape")
    page.focus("#events")
    page.keyboard.press("End")
    expect(page.locator(".card.active")).to_be_in_viewport(ratio=0.9)
    page.evaluate("Review.openEvent('event-00000')")
    expect(page.locator(".u-over")).to_be_attached()
    assert page.evaluate(fits)
    for selector in ("#back", "#play", "#heat", "#verdict-true", "#verdict-missed", "#note", "#mark-in", ".u-over"):
        place = page.locator(selector)
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        assert box, selector
        assert box["x"] >= 0, selector
        assert box["x"] + box["width"] <= width + 1, selector


def test_colour_switch_overrides_the_system(watched: Callable[..., Watched], address: str) -> None:
    """Auto, light, dark; kept after a reload."""
    page = watched(color_scheme="dark").open(address)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.click("[aria-label='System colours']")
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    page.wait_for_selector("html[data-kept]", state="attached")
    assert page.evaluate(ground) == light
    page.click("[aria-label='Light colours']")
    assert page.evaluate(ground) == dark
