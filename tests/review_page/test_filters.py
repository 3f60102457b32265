"""Filters and exports agree with the document."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.review_page import synthetic
from tests.review_page.conftest import Watched, saved


def listed_ids(page: Page) -> list[str]:
    """Return the ids of all events that pass the filters, in order, including folded ones."""
    return page.evaluate("Review.visible().events.map((event) => event.id)")


@pytest.fixture
def events() -> list[synthetic.Event]:
    """Sixty events of four cameras and three days, some without times, some near duplicates."""
    made = [synthetic.event(number) for number in range(60)]
    for number in range(0, 60, 7):
        made[number] |= {"start_utc": None, "end_utc": None, "day": None}
    for number in range(1, 5):
        made[number]["group"] = made[1]["id"]
    made[9]["notes"] = ["lens cleaned, Möwe"]
    return made


@pytest.fixture
def page(watched: Callable[..., Watched], tmp_path: Path, events: list[synthetic.Event]) -> Page:
    """The list of these events."""
    return watched().open(synthetic.write(tmp_path, synthetic.document(events)))


def test_default_order(page: Page, events: list[synthetic.Event]) -> None:
    """By score above the threshold, then by time, then by camera; near duplicates are counted."""
    expected = sorted(range(60), key=lambda at: (-events[at]["excess"], at))
    assert listed_ids(page) == [events[at]["id"] for at in expected]
    expect(page.locator("#count")).to_contain_text("60 events · 3 grouped")
    page.select_option("#sort", "time")
    timed = [event["id"] for event in sorted((e for e in events if e["start_utc"]), key=lambda e: e["start_utc"])]
    assert [one for one in listed_ids(page) if one in timed] == timed
    page.select_option("#sort", "camera")
    cameras = [synthetic.CAMERAS[int(one[-5:]) % 4] for one in listed_ids(page)]
    assert cameras == sorted(cameras)
    page.click("#fold")
    expect(page.locator("#count")).to_have_text("60 events")


def test_filters(page: Page, events: list[synthetic.Event]) -> None:
    """Camera, day, score, text, and all of them combined."""

    def want(keep: Callable[[synthetic.Event], bool]) -> set[str]:
        return {event["id"] for event in events if keep(event)}

    page.click("#cameras")
    page.get_by_label("gate").check()
    page.keyboard.press("Escape")
    assert set(listed_ids(page)) == want(lambda e: e["camera"] == 1)
    page.click("#days")
    page.get_by_label("2026-07-02").check()
    page.keyboard.press("Escape")
    assert set(listed_ids(page)) == want(lambda e: e["camera"] == 1 and e["day"] == "2026-07-02")
    page.fill("[aria-label='Minimum score']", "0.7")
    page.keyboard.press("Tab")
    assert set(listed_ids(page)) == want(lambda e: e["camera"] == 1 and e["day"] == "2026-07-02" and e["score"] >= 0.7)
    page.click("#clear")
    assert len(listed_ids(page)) == 60
    page.fill("[aria-label='Maximum score']", "0.6")
    page.keyboard.press("Tab")
    assert set(listed_ids(page)) == want(lambda e: e["score"] <= 0.6)
    page.click("#clear")
    page.fill("#find", "MÖWE")
    assert listed_ids(page) == [events[9]["id"]]
    page.fill("#find", "no such thing")
    expect(page.locator(".empty")).to_contain_text("No event matches these filters")
    page.click("text=Clear all filters")
    assert len(listed_ids(page)) == 60


def test_verdict_filter(page: Page) -> None:
    """The selection moves on when a judged event leaves the list."""
    page.select_option("#verdict-filter", "open")
    page.focus("#events")
    first, second, third = listed_ids(page)[:3]
    page.keyboard.press("1")
    page.keyboard.press("2")
    assert listed_ids(page)[0] == third
    assert page.evaluate("Review.current().id") == third
    page.select_option("#verdict-filter", "true")
    assert listed_ids(page) == [first]
    page.select_option("#verdict-filter", "judged")
    assert listed_ids(page) == [first, second]


def test_region_filter(page: Page, events: list[synthetic.Event]) -> None:
    """By pointer and by keyboard; boxes that only touch the edge are excluded."""
    page.click("#region")
    box = page.locator(".canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.05, box["y"] + box["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.9, steps=3)
    page.mouse.up()
    page.click("#use-region")
    region = page.evaluate("Review.state.region")
    assert region == pytest.approx([0.05, 0.1, 0.3, 0.9], abs=0.02)

    def inside(event: synthetic.Event, x1: float, y1: float, x2: float, y2: float) -> bool:
        left, top, right, bottom = event["box"]
        width, height = synthetic.WIDTH, synthetic.HEIGHT
        return left < x2 * width and x1 * width < right and top < y2 * height and y1 * height < bottom

    assert set(listed_ids(page)) == {event["id"] for event in events if inside(event, *region)}
    assert 0 < len(listed_ids(page)) < 60
    page.click("#region")
    page.focus(".canvas")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.click("#use-region")
    moved = page.evaluate("Review.state.region")
    assert moved[0] == pytest.approx(region[0] + 0.02, abs=0.001)
    assert moved[3] == pytest.approx(region[3] + 0.02, abs=0.001)


def test_address_contains_the_view(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """A reload and a link show the same view; back closes the event."""
    events = [synthetic.event(number) for number in range(30)]
    address = synthetic.write(tmp_path, synthetic.document(events))
    one = watched()
    page = one.open(address)
    page.fill("#find", "gate")
    page.select_option("#sort", "time")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_function("() => Review.state.q === 'gate' && location.hash.includes('view=event')")
    before = page.evaluate("JSON.stringify(Review.state)")
    page.reload()
    page.wait_for_selector("html[data-kept]", state="attached")
    assert page.evaluate("JSON.stringify(Review.state)") == before
    other = one.open(address, fragment=page.evaluate("location.hash"))
    assert other.evaluate("JSON.stringify(Review.state)") == before
    page.go_back()
    expect(page.locator("#detail")).to_have_count(0)
    assert page.evaluate("Review.state.q") == "gate"
    page.evaluate("location.hash = '#camera=%3Cb%3E&region=1,2&min=x&event=none&view=event&verdict=__proto__'")
    expect(page.locator("#count")).to_contain_text("30 events")


def rows(text: str) -> list[dict[str, Any]]:
    """Parse with the standard library; lines end with CRLF as in RFC 4180."""
    assert "\n" not in text.replace("\r\n", "")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_exports_agree_with_the_document(page: Page, events: list[synthetic.Event], tmp_path: Path) -> None:
    """All or filtered events as CSV and JSON, with verdicts."""
    for key in ("1", "2", "3"):
        page.keyboard.press(key)
    page.keyboard.press("x")
    table = rows(saved(page, lambda: page.click("#events-csv"), tmp_path).read_bytes().decode())
    assert [row["event_id"] for row in table] == [event["id"] for event in events]
    for row, event in zip(table, events, strict=True):
        assert (row["video_id"], row["name"]) == (event["video_id"], event["name"])
        assert [float(row[name]) for name in ("start_s", "end_s", "score", "excess")] == [
            event[name] for name in ("start_s", "end_s", "score", "excess")
        ]
        assert [int(row[name]) for name in ("x1", "y1", "x2", "y2")] == event["box"]
        assert (row["start_utc"] or None) == event["start_utc"]
        assert row["camera"] == synthetic.CAMERAS[event["camera"]]
    assert sorted(row["verdict"] for row in table if row["verdict"]) == ["false", "true", "unsure"]
    page.keyboard.press("Escape")
    page.fill("#find", "gate_")
    page.keyboard.press("Enter")
    page.keyboard.press("x")
    page.check("#scope-shown")
    some = json.loads(saved(page, lambda: page.click("#events-json"), tmp_path).read_text())
    assert [event["event_id"] for event in some["events"]] == listed_ids(page)
    assert {event["camera"] for event in some["events"]} == {"gate"}
    assert some["review_id"] == "sha256:" + "ab" * 32
    log = json.loads(saved(page, lambda: page.click("#verdicts-json"), tmp_path).read_text())
    assert (log["format"], log["kind"], log["review_id"]) == (1, "wsvad-verdicts", some["review_id"])
    assert log["verdicts"] == page.evaluate("Review.records()")
    assert {"local", "from"}.isdisjoint(log["verdicts"][0])
    sheet = rows(saved(page, lambda: page.click("#verdicts-csv"), tmp_path).read_bytes().decode())
    assert [row["verdict_id"] for row in sheet] == [one["verdict_id"] for one in log["verdicts"]]
    case = json.loads(saved(page, lambda: page.click("#case"), tmp_path).read_text())
    assert case["event_ids"] == listed_ids(page)
