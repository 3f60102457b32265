"""Labels of videos from verdicts, never from footage that reviewers did not see."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.review.test_statistics import archive, event, judged
from tests.review.verdict_records import verdict
from wsvad.review.matching import match_verdicts
from wsvad.review.training import training_videos


def labels(rows, judgements, contents):
    """Return labels and reasons by video id."""
    videos = {
        name: {"content_id": content, "uri": name, "num_frames": None, "width": None, "height": None}
        for name, content in contents.items()
    }
    found = archive(rows)
    found.scores = SimpleNamespace(videos=videos)
    made = training_videos(found, match_verdicts(judgements, rows), [])
    return {r.video_id: r.label for r in made.records}, dict(made.left_out)


@pytest.mark.parametrize("kind", ["missed", "control"])
def test_spans_of_replaced_footage_are_ignored(kind):
    """Another file has replaced the judged footage."""
    judgements = "missed" if kind == "missed" else "true"
    own = {
        "event_id": None if kind == "missed" else "c" * 16,
        "kind": kind,
        "video_id": "front/9.mp4",
        "content_id": "9",
        "start_s": 20.0,
        "end_s": 30.0,
    }
    span = verdict(judgements, **own)
    assert labels([], [span], {"front/9.mp4": "9"}) == ({"front/9.mp4": 1}, {})
    given, why = labels([], [span], {"front/9.mp4": "another"})
    assert given == {}
    assert "replaced" in why["front/9.mp4"]


def test_events_of_current_footage_count():
    """The video has an event judged true, regardless of earlier footage."""
    rows = [event(9, 0.9)]
    old = verdict(
        "missed", event_id=None, kind="missed", video_id="front/9.mp4", content_id="8", start_s=50.0, end_s=60.0
    )
    assert labels(rows, [*judged(rows, "t"), old], {"front/9.mp4": "9"})[0] == {"front/9.mp4": 1}
    given, why = labels(rows, [*judged(rows, "f"), old], {"front/9.mp4": "9"})
    assert given == {}
    assert "replaced" in why["front/9.mp4"]
