"""Pictures created by a server: recreated after deletion, and a bounded queue."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.review.conftest import document
from tests.review.live_server import Browser, serving
from wsvad.review.config import MediaOptions


@pytest.fixture
def root(site, tmp_path):
    """A copy of the root of a nightly job."""
    shutil.copytree(site / "root", tmp_path / "root")
    return str(tmp_path / "root")


def test_deleted_pictures_are_recreated(root):
    """Even while the server runs: the next request recreates them."""
    with serving(root) as (port, _):
        ann = Browser(port, "ann")
        event = ann.get("/api/review").json["events"][0]
        src = ann.post("/api/clip", {"event_id": event["id"]}).json["clip"]["src"]
        shutil.rmtree(Path(root) / "review" / "media")
        assert ann.get(f"/{src}").status == 404
        made = ann.post("/api/clip", {"event_id": event["id"]}).json
        for link in (made["clip"]["src"], made["strip"]["src"], made["poster"], made["heat"]["src"]):
            assert ann.get(f"/{link}").status == 200


def test_full_queue(root):
    """The queue is bounded: the response asks to retry."""
    with serving(root) as (port, desk):
        ann = Browser(port, "ann")
        event = ann.get("/api/review").json["events"][0]
        desk._waiting = 16
        answer = ann.post("/api/clip", {"event_id": event["id"]})
        assert (answer.status, answer.headers["retry-after"]) == (503, "3")
        desk._waiting = 0
        assert ann.post("/api/clip", {"event_id": event["id"]}).status == 200
    with serving(root, media=MediaOptions(media=False, clip_width=100)) as (port, _):
        assert Browser(port, "ann").post("/api/clip", {"event_id": event["id"]}).status == 422


def test_case_lists_missing_pictures(root, tmp_path):
    """Events that were never opened have no pictures yet."""
    with serving(root) as (port, _):
        ann = Browser(port, "ann")
        made, unmade, *_ = ann.get("/api/review").json["events"]
        ann.post("/api/clip", {"event_id": made["id"]})
        case = ann.post("/api/case", {"event_ids": [made["id"], unmade["id"]]})
    with zipfile.ZipFile(io.BytesIO(case.body)) as packed:
        packed.extractall(tmp_path)
    shown = document(tmp_path / "case")
    assert {event["id"]: bool(event["media_error"]) for event in shown["events"]} == {
        made["id"]: False,
        unmade["id"]: True,
    }
    assert shown["banner"]["notices"][0]["text"].startswith("no pictures for 1 event")
