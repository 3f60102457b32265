"""Everything by keyboard, and nothing by accident."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.review_page import making
from tests.review_page.conftest import Watched


def judged(page: Page) -> dict[str, str]:
    """What holds now, by event."""
    return page.evaluate(
        "Object.fromEntries(Review.doc.events.map((e) => [e.id, Review.verdict(e)?.verdict]).filter((one) => one[1]))"
    )


def focus_is_in(page: Page, selector: str) -> bool:
    """Whether what has the focus is there."""
    return page.evaluate("(s) => Boolean(document.activeElement.closest(s))", selector)


def test_twenty_events_are_judged_with_keys_alone(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """No click, no Tab: one key each; the list goes on by itself, and undo takes the last one back."""
    events = [making.event(number, score=0.99 - number * 0.01) for number in range(20)]
    page = watched().open(making.write(tmp_path, making.document(events)))
    assert focus_is_in(page, "#events")
    keys = "12312211131221312213"
    for number, key in enumerate(keys):
        assert page.evaluate("Review.current().id") == events[number]["id"]
        page.keyboard.press(key)
        expect(page.locator("#progress")).to_contain_text(f"{number + 1} of 20 judged")
    meaning = {"1": "true", "2": "false", "3": "unsure"}
    assert judged(page) == {event["id"]: meaning[key] for event, key in zip(events, keys, strict=True)}
    expect(page.locator("#announcer")).to_contain_text("Unsure. 20 of 20 judged. Nothing left to judge in this list.")
    page.keyboard.press("u")
    expect(page.locator("#progress")).to_contain_text("19 of 20 judged")
    assert page.evaluate("Review.current().id") == events[19]["id"]
    records = page.evaluate("Review.records()")
    assert records[-1]["verdict"] == "withdrawn"
    assert records[-1]["supersedes"] == records[-2]["verdict_id"]
    assert len(records) == 21


def test_an_event_is_opened_judged_noted_and_left_with_keys(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Enter, N, the note, Esc, a verdict, J, Esc: the focus is always where the next key is meant for."""
    times = making.variable_times(20.0)
    made = [making.with_media(tmp_path, making.event(n, start_s=times[9], end_s=times[30]), times) for n in range(3)]
    page = watched().open(making.write(tmp_path, making.document(made)))
    page.keyboard.press("Enter")
    assert focus_is_in(page, "#detail")
    page.wait_for_function("() => document.querySelector('.screen').dataset.time")
    page.keyboard.press("n")
    page.keyboard.type("two men, jk123u")
    assert judged(page) == {}  # letters in a note are letters
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(page.locator("#progress")).to_contain_text("1 of 3 judged")
    assert page.evaluate("Review.records()[0].note") == "two men, jk123u"
    assert page.evaluate("Review.current().id") == "event-00001"
    page.keyboard.press("k")
    expect(page.locator("#note")).to_have_value("two men, jk123u")
    page.keyboard.press("n")
    page.keyboard.type("!")
    page.keyboard.press("Escape")
    assert page.evaluate("Review.verdict(Review.current()).note") == "two men, jk123u!"
    page.keyboard.press("u")
    assert page.evaluate("Review.verdict(Review.current()).note") == "two men, jk123u"
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
    page.keyboard.press("h")
    expect(page.locator("#heat")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Escape")
    assert page.locator("#detail").count() == 0
    assert focus_is_in(page, "#events")


def test_a_missed_event_is_marked_with_keys(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """I at its start, O at its end, 4 files it; without a span 4 says what to do and files nothing."""
    times = making.variable_times(20.0)
    made = [making.with_media(tmp_path, making.event(0, start_s=times[9], end_s=times[30]), times)]
    page = watched().open(making.write(tmp_path, making.document(made)))
    page.keyboard.press("4")
    expect(page.locator("#announcer")).to_contain_text("Mark the span that was missed first")
    assert page.evaluate("Review.records().length") == 0
    page.wait_for_function("() => document.querySelector('.screen').dataset.time")
    page.keyboard.press("i")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"() => Number(document.querySelector('.screen').dataset.time) > {times[9] + 0.7}")
    page.keyboard.press("o")
    page.keyboard.press("4")
    (record,) = page.evaluate("Review.records()")
    assert (record["verdict"], record["kind"], record["event_id"]) == ("missed", "missed", None)
    assert times[9] - 0.01 <= record["start_s"] <= times[9] + 0.01
    assert 0.7 < record["end_s"] - record["start_s"] < 1.3
    assert record["video_id"] == made[0]["video_id"]
    assert judged(page) == {}


def test_arrows_move_in_rows_and_columns_and_duplicates_fold(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """And the selected card is always in the window and named to a screen reader."""
    events = [making.event(number, score=0.99 - number * 0.001) for number in range(60)]
    for number in (4, 5, 6):
        events[number]["group"] = events[4]["id"]
    page = watched().open(making.write(tmp_path, making.document(events)))
    columns = page.evaluate("Review.columns")
    assert columns > 2
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Review.current().id") == events[1]["id"]
    page.keyboard.press("ArrowDown")
    assert page.evaluate("Review.place()") == 1 + columns
    page.keyboard.press("End")
    assert page.evaluate("Review.current().id") == events[59]["id"]
    grid = page.locator("#events")
    named = page.locator("#" + str(grid.get_attribute("aria-activedescendant")))
    expect(named).to_be_in_viewport()
    expect(named).to_have_attribute("data-event", events[59]["id"])
    assert int(str(grid.get_attribute("aria-rowcount"))) == -(-58 // columns)
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("j")
    page.keyboard.press("e")
    assert page.evaluate("Review.visible().items.length") == 60
    expect(page.locator(".card.member")).to_have_count(2)
    page.keyboard.press("e")
    assert page.evaluate("Review.visible().items.length") == 58
    page.keyboard.press("Shift+Digit2")
    assert judged(page) == {event["id"]: "false" for event in events[4:7]}
    page.keyboard.press("u")
    assert judged(page) == {}


def test_undo_of_a_change_brings_the_verdict_before_it_back(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """The log only grows."""
    page = watched().open(making.write(tmp_path, making.document([making.event(0)])))
    for key in ("1", "2", "u"):
        page.keyboard.press(key)
    assert judged(page) == {"event-00000": "true"}
    verdicts = [one["verdict"] for one in page.evaluate("Review.records()")]
    assert verdicts == ["true", "false", "withdrawn", "true"]


def test_single_keys_are_listed_and_can_be_switched_off(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """WCAG 2.1.4: off, letters and digits do nothing; arrows and Enter still work; it is kept over a reload."""
    page = watched().open(making.write(tmp_path, making.document([making.event(n) for n in range(3)])))
    page.keyboard.press("?")
    listed = page.locator("dialog").inner_text()
    for word in ("undo", "note", "heat", "missed", "play, pause", "find and filter"):
        assert word in listed
    page.locator("#keys-switch").focus()
    page.keyboard.press(" ")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert focus_is_in(page, "#events")
    for _ in range(2):
        for key in ("1", "g", "x", "?", "n"):
            page.keyboard.press(key)
        assert judged(page) == {}
        assert page.locator("dialog, .as-list, #detail").count() == 0
        page.reload()
        page.wait_for_selector("html[data-kept]", state="attached")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_visible()
