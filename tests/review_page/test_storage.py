"""Verdicts of a page in a folder: kept after reloads, shared by tabs, exported and imported, never lost silently."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.review_page import synthetic
from tests.review_page.conftest import Watched, saved


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A page with six events."""
    return synthetic.write(tmp_path, synthetic.document([synthetic.event(number) for number in range(6)]))


def held(page: Page) -> dict[str, list[str]]:
    """Return verdict and note of each judged event."""
    return page.evaluate(
        """Object.fromEntries(Review.doc.events.map((event) => [event.id, Review.verdict(event)])
          .filter((one) => one[1]).map(([id, record]) => [id, [record.verdict, record.note]]))"""
    )


def test_verdicts_notes_and_drafts_survive_a_reload(watched: Callable[..., Watched], address: str) -> None:
    """A note without a verdict is stored as a draft."""
    page = watched().open(address)
    page.evaluate("Review.draft(Review.doc.events[5], 'look again')")
    page.keyboard.press("1")
    page.keyboard.press("2")
    before = held(page)
    assert len(before) == 2
    page.wait_for_timeout(1000)  # a browser closed within milliseconds of a key press may not have stored it yet
    page.reload()
    page.wait_for_selector("html[data-kept]", state="attached")
    assert held(page) == before
    assert page.evaluate("Review.note(Review.doc.events[5])") == "look again"
    expect(page.locator("#progress")).to_contain_text("2 of 6 judged")


def test_two_tabs_share_verdicts(watched: Callable[..., Watched], address: str) -> None:
    """Neither overwrites the other's verdicts."""
    one = watched()
    left, right = one.open(address), one.open(address)
    left.keyboard.press("1")
    right.evaluate("Review.judge(Review.doc.events[3], 'false')")
    for page in (left, right):
        expect(page.locator("#progress")).to_contain_text("2 of 6 judged", timeout=12_000)
    left.reload()
    left.wait_for_selector("html[data-kept]", state="attached")
    assert len(held(left)) == 2


def test_only_own_records_are_superseded(watched: Callable[..., Watched], address: str) -> None:
    """A record supersedes one of the same reviewer, or the own one from before the name was entered."""
    page = watched().open(address)
    page.keyboard.press("1")
    page.evaluate(
        """Review.take([{...Review.records()[0], verdict_id: Review.uuid(), reviewer: 'bob', verdict: 'false',
          note: 'mine', supersedes: null}])"""
    )
    page.evaluate(
        """Review.take([{...Review.records()[1], verdict_id: Review.uuid(), reviewer: 'eve', verdict: 'withdrawn',
          supersedes: Review.records()[1].verdict_id}])"""
    )
    assert page.evaluate("Review.others(Review.doc.events[0]).map((record) => record.reviewer)") == ["bob"]
    page.evaluate("Review.keep('reviewer', 'ann')")
    page.evaluate("Review.judge(Review.doc.events[0], 'unsure')")
    assert held(page)[page.evaluate("Review.doc.events[0].id")][0] == "unsure"
    page.evaluate("Review.undo()")


def test_another_review_has_other_verdicts(watched: Callable[..., Watched], tmp_path: Path, address: str) -> None:
    """The storage key is the digest of the review, not the location of the file."""
    one = watched()
    one.open(address).keyboard.press("1")
    other = synthetic.document([synthetic.event(number) for number in range(6)], review_id="sha256:" + "cd" * 32)
    assert held(one.open(synthetic.write(tmp_path, other))) == {}


def test_export_and_import(watched: Callable[..., Watched], address: str, tmp_path: Path) -> None:
    """For another person these are verdicts of others; the same name adopts them; importing is idempotent."""
    page = watched().open(address)
    page.keyboard.press("x")
    page.fill("#reviewer", "anna")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.wait_for_function("() => Review.doc.events.filter((event) => Review.verdict(event)).length === 2")
    page.keyboard.press("x")
    path = saved(page, lambda: page.click("#verdicts-json"), tmp_path)
    for name, mine, others in (("anna", 2, 0), ("ben", 0, 2)):
        there = watched().open(address)
        there.evaluate("(name) => Review.keep('reviewer', name)", name)
        there.keyboard.press("x")
        there.set_input_files("#import", path)
        expect(there.locator("#exchange-state")).to_have_text("2 records imported.")
        there.set_input_files("#import", path)
        expect(there.locator("#exchange-state")).to_contain_text("0 records imported; 2 already existed")
        there.reload()
        there.wait_for_selector("html[data-kept]", state="attached")
        assert len(held(there)) == mine
        assert there.evaluate("Review.doc.events.flatMap(Review.others).length") == others


RECORD = {
    "format": 1,
    "verdict_id": "5b0c",
    "review_id": "sha256:other",
    "event_id": "gone",
    "content_id": "",
    "video_id": "v",
    "camera": "c",
    "start_s": 0.0,
    "end_s": 100.0,
    "verdict": "true",
    "note": "",
    "reviewer": "ben",
    "time_utc": "2026-07-01T00:00:00Z",
    "model": "m",
    "kind": "event",
    "supersedes": None,
}


def test_verdicts_of_another_model_match_by_overlap(
    watched: Callable[..., Watched], address: str, tmp_path: Path
) -> None:
    """The event with the largest overlap in the same content; unmatched verdicts are counted."""
    page = watched().open(address)
    content = page.evaluate("Review.doc.events[2].content_id")
    records = [RECORD | {"content_id": content}, RECORD | {"verdict_id": "5b0d", "content_id": "sha256:elsewhere"}]
    path = tmp_path / "verdicts.json"
    path.write_text(json.dumps({"format": 1, "kind": "wsvad-verdicts", "review_id": "x", "verdicts": records}))
    page.keyboard.press("x")
    page.set_input_files("#import", path)
    expect(page.locator("#exchange-state")).to_contain_text(
        "1 record imported; 1 refer to events that are not on this page"
    )
    others = "Review.others(Review.doc.events[2]).map((one) => one.reviewer)"
    assert page.evaluate(others) == ["ben"]
    page.reload()
    page.wait_for_selector("html[data-kept]", state="attached")
    assert page.evaluate(others) == ["ben"]
    page.keyboard.press("x")
    log = json.loads(saved(page, lambda: page.click("#verdicts-json"), tmp_path).read_text())
    assert log["verdicts"] == records[:1]  # unchanged: other programs identify the record by its id


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not a JSON file"),
        ("[]", "no exported verdicts"),
        ({"format": 1, "kind": "wsvad-events", "verdicts": []}, "no exported verdicts"),
        ({"format": 2, "kind": "wsvad-verdicts", "verdicts": []}, "format 2"),
        ({"format": 1, "kind": "wsvad-verdicts", "verdicts": [RECORD | {"verdict": "maybe"}]}, "Record 1"),
        ({"format": 1, "kind": "wsvad-verdicts", "verdicts": [RECORD, {**RECORD, "time_utc": "x"}]}, "Record 2"),
        ({"format": 1, "kind": "wsvad-verdicts", "verdicts": [None]}, "Record 1"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_invalid_file_is_refused_completely(
    watched: Callable[..., Watched], address: str, tmp_path: Path, content: Any, words: str
) -> None:
    """The reason is shown and nothing is imported."""
    page = watched().open(address)
    path = tmp_path / "file.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    page.keyboard.press("x")
    page.set_input_files("#import", path)
    expect(page.locator("#exchange-state")).to_contain_text(words)
    assert page.evaluate("Review.records().length") == 0


def test_without_a_database(watched: Callable[..., Watched], address: str, tmp_path: Path) -> None:
    """The page reports that verdicts are not stored, and exports still work."""
    one = watched()
    one.context.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    page = one.open(address)
    expect(page.locator(".notice.error").first).to_contain_text("cannot be stored in this browser")
    page.keyboard.press("1")
    page.keyboard.press("x")
    log = json.loads(saved(page, lambda: page.click("#verdicts-json"), tmp_path).read_text())
    assert [record["verdict"] for record in log["verdicts"]] == ["true"]


def test_empty_states_are_explained(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """No events differs from nothing scored; data of another format is refused."""
    page = watched().open(synthetic.write(tmp_path, synthetic.document([])))
    expect(page.locator(".empty")).to_contain_text("No event above the thresholds")
    expect(page.locator(".empty")).to_contain_text("was not scored, so events in it are unknown")
    for key in ("j", "Enter", "1", "4", "u", "e", "n", "End"):
        page.keyboard.press(key)
    odd = watched().open(synthetic.write(tmp_path, synthetic.document([], format=2)), ready=False)
    expect(odd.locator("[role=alert]")).to_contain_text("supports format 1, but the data has format 2")


def test_one_broken_event_does_not_affect_others(watched: Callable[..., Watched], tmp_path: Path) -> None:
    """It shows its problem; the list, the keys and the next event work."""
    events = [synthetic.event(number, score=0.99 - number * 0.001) for number in range(70)]
    page = watched().open(synthetic.write(tmp_path, synthetic.document(events)))
    page.evaluate("document.getElementById('review-part-0').textContent = '[{'")
    page.keyboard.press("Enter")
    expect(page.locator("#detail [role=alert]")).to_contain_text("This event cannot be shown")
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator(".u-over")).to_be_visible()
    page.keyboard.press("1")
    assert len(held(page)) == 1
