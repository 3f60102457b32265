"""The page from a server with the documented API: verdicts are posted, acknowledged and shared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.review_page import synthetic
from tests.review_page.conftest import Watched
from tests.review_page.fake_server import Server, serving

TIMES = synthetic.variable_times(20.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with six events, the first two with media."""
    events = [synthetic.event(number) for number in range(6)]
    for number in range(2):
        events[number] = synthetic.with_media(
            tmp_path, events[number] | {"start_s": TIMES[9], "end_s": TIMES[30]}, TIMES
        )
    with serving(tmp_path, synthetic.document(events, reviewer="anna")) as running:
        yield running


def retry_now(page: Page) -> None:
    """Send waiting records now instead of after some seconds."""
    page.evaluate("Review.keepServed.retry()")


def test_verdict_is_stored_before_it_counts_as_sent(server: Server, watched: Callable[..., Watched]) -> None:
    """The record has all fields that the API requires."""
    page = watched().open(server.address)
    page.keyboard.press("1")
    expect(page.locator("#progress")).to_contain_text("1 of 6 judged")
    page.wait_for_function("() => Review.pending() === 0")
    (record,) = server.stored
    event = next(one for one in server.document["events"] if one["id"] == record["event_id"])
    assert set(record) == {
        *("format", "verdict_id", "review_id", "event_id", "content_id", "video_id", "camera", "start_s", "end_s"),
        *("verdict", "note", "reviewer", "time_utc", "model", "kind", "supersedes"),
    }
    assert (record["verdict"], record["reviewer"], record["model"]) == ("true", "anna", synthetic.MODEL)
    assert (record["content_id"], record["start_s"]) == (event["content_id"], event["start_s"])
    page.reload()
    page.wait_for_selector("html[data-kept]", state="attached")
    expect(page.locator("#progress")).to_contain_text("1 of 6 judged")


def test_unsent_verdicts_wait_and_survive_a_reload(server: Server, watched: Callable[..., Watched]) -> None:
    """Their number is shown until the storage has each of them once."""
    one = watched()
    one.expected = ["503"]
    page = one.open(server.address)
    server.down = True
    for key in ("1", "2", "3"):
        page.keyboard.press(key)
    expect(page.locator("#pending")).to_contain_text("3 verdicts not sent")
    expect(page.locator(".notices")).to_contain_text("Verdicts are stored in this browser and will be sent again")
    server.down = False
    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.wait_for_selector("html[data-kept]", state="attached")
    page.wait_for_function("() => Review.pending() === 0")
    assert sorted(record["verdict"] for record in server.stored) == ["false", "true", "unsure"]
    assert len({record["verdict_id"] for record in server.stored}) == 3
    expect(page.locator("#pending")).to_have_count(0)
    expect(page.locator("#progress")).to_contain_text("3 of 6 judged")


def test_refused_verdict_does_not_block_others(server: Server, watched: Callable[..., Watched]) -> None:
    """A conflict is reported and not retry_now; later ones are sent."""
    one = watched()
    one.expected = ["409"]
    page = one.open(server.address)
    page.evaluate("Review.draft(Review.current(), 'refuse me')")
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.wait_for_function("() => Review.pending() === 0")
    expect(page.locator(".notice.error").first).to_contain_text("The server refused a verdict (True")
    assert [record["verdict"] for record in server.stored] == ["false"]


def test_verdicts_of_two_reviewers(server: Server, watched: Callable[..., Watched]) -> None:
    """Each sees own and other verdicts separately; nothing is overwritten."""
    anna = watched().open(server.address)
    anna.keyboard.press("1")
    anna.wait_for_function("() => Review.pending() === 0")
    server.document["reviewer"] = server.reviewer = "ben"
    one = watched()
    one.context.add_init_script("addEventListener('DOMContentLoaded', () => {})")
    ben = one.open(server.address)
    expect(ben.locator("#progress")).to_contain_text("0 of 6 judged")
    first = ben.evaluate("Review.current().id")
    assert ben.evaluate("Review.others(Review.current()).map((one) => [one.reviewer, one.verdict])") == [
        ["anna", "true"]
    ]
    ben.keyboard.press("2")
    ben.wait_for_function("() => Review.pending() === 0")
    anna.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # poll now instead of after 15 s
    anna.wait_for_function("() => Review.doc.events.flatMap(Review.others).length === 1")
    anna.evaluate("(id) => Review.openEvent(id)", first)
    expect(anna.locator(".others")).to_contain_text("ben")
    assert anna.evaluate("Review.verdict(Review.current()).verdict") == "true"
    assert len(server.stored) == 2


def test_expired_links_are_renewed(server: Server, watched: Callable[..., Watched]) -> None:
    """Poster, clip and heat map, once, without a message."""
    one = watched()
    one.expected = ["403"]
    event = server.document["events"][0]
    server.fresh = {name: event[name] for name in ("strip", "poster", "clip", "heat")}
    for name in ("clip", "heat", "strip"):
        event[name] = event[name] | {"src": f"media/expired/{name}"}
    event["poster"] = "media/expired/poster"
    page = one.open(server.address, fragment="#event=event-00000&view=event")
    page.wait_for_function(
        f"() => Math.abs(Number(document.querySelector('.screen')?.dataset.time) - {TIMES[9]}) < 0.01"
    )
    expect(page.locator(".screen")).to_have_attribute("data-kind", "clip")
    page.wait_for_function("() => document.querySelector('canvas.heat').dataset.clip === '2'")
    assert server.asked.count(("POST", "/api/media")) == 1


def test_clip_is_created_on_demand(server: Server, watched: Callable[..., Watched]) -> None:
    """The film strip is shown until then."""
    event = server.document["events"][0]
    server.fresh, event["clip"] = {"clip": event["clip"]}, None
    page = watched().open(server.address, fragment="#event=event-00000&view=event")
    expect(page.locator(".screen")).to_have_attribute("data-kind", "strip")
    page.click("#cut")
    expect(page.locator(".screen")).to_have_attribute("data-kind", "clip")
    page.wait_for_function("() => document.querySelector('.screen').dataset.time")


def test_exports_and_cases_are_requested_from_the_server(server: Server, watched: Callable[..., Watched]) -> None:
    """So that they appear in the access log."""
    page = watched().open(server.address)
    page.keyboard.press("x")
    with page.expect_download():
        page.click("#events-csv")
    with page.expect_download() as case:
        page.click("#case")
    assert case.value.suggested_filename.endswith(".zip")
    assert ("GET", "/api/export?format=csv&what=events") in server.asked
    assert ("POST", "/api/case") in server.asked
    assert page.locator("#import").count() == 0


def test_unreachable_server_is_an_error(server: Server, watched: Callable[..., Watched]) -> None:
    """An error with a retry button, not an empty list."""
    one = watched()
    one.expected = ["503"]
    server.down = True
    page = one.open(server.address, ready=False)
    expect(page.locator("[role=alert]")).to_contain_text("the storage cannot be reached")
    server.down = False
    page.click("text=Try again")
    expect(page.locator("#count")).to_have_text("6 events")


def test_verdict_matched_after_a_new_model(server: Server, watched: Callable[..., Watched]) -> None:
    """It counts, and a new one supersedes it."""
    old = {"verdict_id": "old", "verdict": "true", "reviewer": "anna", "time_utc": "2026-06-01T00:00:00Z", "note": ""}
    server.document["events"][0]["verdict"] = old | {"event_id": "an-old-id", "reattached": True}
    page = watched().open(server.address, fragment="#event=event-00000&view=event")
    expect(page.locator("#judge-title")).to_contain_text("matched after a model change")
    page.keyboard.press("2")
    page.wait_for_function("() => Review.pending() === 0")
    assert [(one["verdict"], one["supersedes"]) for one in server.stored] == [("false", "old")]
    assert json.dumps(server.stored)
