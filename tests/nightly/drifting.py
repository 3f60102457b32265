"""Published nights for tests of drift: scores are written directly and events are found in them; nothing is decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from rich.console import Console

from tests.events.data import CAMERAS
from tests.scoring.factories import write_scores
from wsvad.cameras.reading import read_cameras
from wsvad.dataset.publish import publish
from wsvad.dataset.snapshots import latest_snapshot
from wsvad.nightly.drift import find_drift
from wsvad.nightly.drift_results import CameraDrift, Drift
from wsvad.nightly.events import make_events
from wsvad.nightly.layout import CURRENT, EVENTS, SCORES
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.pointers import point
from wsvad.nightly.published import ModelSnapshots, SnapshotRef, current, models_to_json, store_report
from wsvad.storage import open_store

MODEL = "sha256:test"
CLIPS = 120
"""Clips per video: 76.8 s, starting on a full hour."""


def drawn(video_id: str, shift: float = 0.0, count: int = CLIPS) -> np.ndarray:
    """Return scores with the same distribution for every video and without events; ``shift`` is added to them."""
    seed = int(hashlib.sha256(video_id.encode()).hexdigest()[:8], 16)
    return np.random.default_rng(seed).uniform(0.0, 0.3, count).astype(np.float32) + np.float32(shift)


def day(
    camera: str, date: str, shift: float = 0.0, hot: int = 0, hours: Iterable[int] = range(24)
) -> dict[str, np.ndarray]:
    """Return one day of a camera: one video per full hour; the first ``hot`` videos have an event of 10 clips."""
    start, videos = datetime.fromisoformat(date), {}
    for hour in hours:
        name = f"{camera}/{start + timedelta(hours=hour):%Y%m%dT%H%M%S}.mp4"
        videos[name] = drawn(name, shift)
        if hour < hot:
            videos[name][50:60] = 0.9
    return videos


class Nights:
    """A nightly job that only has scores, events and drift."""

    def __init__(self, folder: Path) -> None:
        self.root = open_store(str(folder / "root"))
        (folder / "cameras.toml").write_text(CAMERAS)
        self.options = RescoreOptions(archive="", root=self.root.uri, cameras=str(folder / "cameras.toml"))
        self.scores = f"{self.root.uri}/{SCORES}test"

    def add(self, *days: Mapping[str, np.ndarray]) -> None:
        """Publish the scores of more videos."""
        write_scores(self.scores, {name: (scores, None) for part in days for name, scores in part.items()})

    def lose(self, *video_ids: str) -> None:
        """Publish the scores without the given videos."""
        store = open_store(self.scores)
        base = latest_snapshot(store)
        assert base is not None
        created = "2026-01-02T00:00:00+00:00"
        gone = frozenset(video_ids)
        publish(store, base.fingerprint, base.config, (), (), replaced_videos=gone, run_id="t", created_utc=created)

    def find(self, *, create_references: bool = True) -> tuple[Drift, ModelSnapshots]:
        """Find the events and the drift of the current scores; publish nothing."""
        snapshot = latest_snapshot(open_store(self.scores))
        assert snapshot is not None
        at = SnapshotRef(f"{SCORES}test", snapshot.number, snapshot.fingerprint)
        events = make_events(self.options, self.root, {MODEL: at}, Console(quiet=True))[MODEL]
        assert events.prefix.startswith(EVENTS)
        model, cameras = ModelSnapshots(at, at, events), read_cameras(self.options.cameras)
        return find_drift(
            self.root, cameras, MODEL, model, current(self.root), create_references=create_references
        ), model

    def night(self) -> dict[str, CameraDrift]:
        """Compute the drift by camera and publish it."""
        drift, model = self.find()
        found = {"coverage": {}, "changes": [], "drift": drift.to_dict()}
        body = {"archive": "", "champion": MODEL, "models": models_to_json({MODEL: model}), "settings": {}}
        body |= {"cameras": None, "thresholds": [], "inputs": "", "settled": True, "run_id": "", "created_utc": ""}
        base = current(self.root)
        point(self.root, CURRENT, base.pointer if base else None, body | {"night": store_report(self.root, found)})
        return {camera.camera: camera for camera in drift.cameras}
