"""Construction of verdicts for tests."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wsvad.review.verdicts import EXPORT, Verdict, parse_verdict

MODEL = "sha256:" + "a" * 64


def verdict(verdict: str = "true", **more: Any) -> Verdict:
    """Return a verdict on an event."""
    plain = {
        "format": 1, "verdict_id": str(uuid.uuid4()), "review_id": MODEL, "event_id": "0" * 16, "content_id": "c1",
        "video_id": "front/a.mp4", "camera": "front", "start_s": 2.0, "end_s": 6.0, "verdict": verdict, "note": "",
        "reviewer": "ann", "time_utc": "2026-03-02T08:00:00Z", "model": MODEL, "kind": "event", "supersedes": None,
    }  # fmt: skip
    return parse_verdict(plain | more)


def of_event(document: Mapping[str, Any], event: Mapping[str, Any], value: str, **more: Any) -> Verdict:
    """Return a verdict on an event of a page."""
    own = {name: event[name] for name in ("content_id", "video_id", "start_s", "end_s", "kind")}
    place = {"event_id": event["id"], "camera": document["cameras"][event["camera"]]["name"]}
    return verdict(value, **own, **place, review_id=document["review_id"], model=document["source"]["model"], **more)


def write_file(path: Path, verdicts: Iterable[Verdict]) -> str:
    """Write a file like the page's export; return its path."""
    records = [v.to_dict() for v in verdicts]
    path.write_text(json.dumps({"format": 1, "kind": EXPORT, "review_id": MODEL, "verdicts": records}))
    return str(path)
