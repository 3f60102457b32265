"""Everything is possible by keyboard, and nothing happens by accident."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.review_page import synthetic
from tests.review_page.conftest import Watched


def judged(page: Page) -> dict[str, str]:
    """Return the current verdict of each event."""
    return page.evaluate(
        "Object.fromEntries(Review.doc.events.map((e) => [e.id, Review.verdict(e)?.verdict]).filter((one) => one[1]))"
    )


def focus_is_in(page: Page, selector: str) -> bool:
    """Whether the focused element is inside ``selector``."""
    return page.evaluate("(s) => Boolean(document.activeElement.closest(s))", selector)


def test_twenty_events_are_judged_with_keys_only(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """One key each, no click and no Tab; the list advances, and undo reverts the last verdict."""
    events = [synthetic.event(number, score=0.99 - number * 0.01) for number in range(20)]
    page = watched().open(synthetic.write(tmp_path, synthetic.document(events)))
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


def test_open_judge_note_and_leave_with_keys(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """Enter, N, the note, Esc, a verdict, J, Esc: the focus is always right for the next key."""
    times = synthetic.variable_times(20.0)
    made = [
        synthetic.with_media(tmp_path, synthetic.event(n, start_s=times[9], end_s=times[30]), times) for n in range(3)
    ]
    page = watched().open(synthetic.write(tmp_path, synthetic.document(made)))
    page.keyboard.press("Enter")
    assert focus_is_in(page, "#detail")
    page.wait_for_function("() => document.querySelector('.screen').dataset.time")
    page.keyboard.press("n")
    page.keyboard.type("two men, jk123u")
    assert judged(page) == {}  # letters typed in a note are not shortcuts
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


def test_missed_event_is_marked_with_keys(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """I at its start, O at its end, 4 stores it; without a span, 4 explains what to do and stores nothing."""
    times = synthetic.variable_times(20.0)
    made = [synthetic.with_media(tmp_path, synthetic.event(0, start_s=times[9], end_s=times[30]), times)]
    page = watched().open(synthetic.write(tmp_path, synthetic.document(made)))
    page.keyboard.press("4")
    expect(page.locator("#announcer")).to_contain_text("First mark the missed span")
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


def test_arrows_move_in_rows_and_columns(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """The selected card is always visible and announced to screen readers; duplicates fold."""
    events = [synthetic.event(number, score=0.99 - number * 0.001) for number in range(60)]
    for number in (4, 5, 6):
        events[number]["group"] = events[4]["id"]
    page = watched().open(synthetic.write(tmp_path, synthetic.document(events)))
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


def test_undo_restores_the_previous_verdict(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """The log only grows."""
    page = watched().open(synthetic.write(tmp_path, synthetic.document([synthetic.event(0)])))
    for key in ("1", "2", "u"):
        page.keyboard.press(key)
    assert judged(page) == {"event-00000": "true"}
    verdicts = [one["verdict"] for one in page.evaluate("Review.records()")]
    assert verdicts == ["true", "false", "withdrawn", "true"]


def test_single_key_shortcuts_can_be_disabled(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """WCAG 2.1.4: when off, letters and digits do nothing; arrows and Enter work; kept after a reload."""
    page = watched().open(synthetic.write(tmp_path, synthetic.document([synthetic.event(n) for n in range(3)])))
    page.keyboard.press("?")
    listed = page.locator("dialog").inner_text()
    for word in ("undo", "note", "heat", "missed", "play, pause", "search and filter"):
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
