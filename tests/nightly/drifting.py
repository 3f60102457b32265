"""Published nights of cameras for tests of drift: scores are written, events made of them, and nothing is decoded."""

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
from wsvad.nightly.happenings import make_events
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.places import CURRENT, EVENTS, SCORES
from wsvad.nightly.pointers import point
from wsvad.nightly.published import DataSetAt, ModelAt, current, keep_night, models_as_json
from wsvad.storage import open_store

MODEL = "sha256:test"
CLIPS = 120
"""Of a video: 76.8 s at the start of an hour."""


def drawn(video_id: str, shift: float = 0.0, count: int = CLIPS) -> np.ndarray:
    """Scores that look the same for every video, none of which opens an event; ``shift`` moves them up."""
    seed = int(hashlib.sha256(video_id.encode()).hexdigest()[:8], 16)
    return np.random.default_rng(seed).uniform(0.0, 0.3, count).astype(np.float32) + np.float32(shift)


def day(
    camera: str, date: str, shift: float = 0.0, hot: int = 0, hours: Iterable[int] = range(24)
) -> dict[str, np.ndarray]:
    """A day of a camera: a video at each of these full hours; the first ``hot`` of them have an event of 10 clips."""
    start, videos = datetime.fromisoformat(date), {}
    for hour in hours:
        name = f"{camera}/{start + timedelta(hours=hour):%Y%m%dT%H%M%S}.mp4"
        videos[name] = drawn(name, shift)
        if hour < hot:
            videos[name][50:60] = 0.9
    return videos


class Nights:
    """A nightly job of which only scores, events and drift are made."""

    def __init__(self, folder: Path) -> None:
        self.root = open_store(str(folder / "root"))
        (folder / "cameras.toml").write_text(CAMERAS)
        self.options = RescoreOptions(archive="", root=self.root.uri, cameras=str(folder / "cameras.toml"))
        self.scores = f"{self.root.uri}/{SCORES}test"

    def add(self, *days: Mapping[str, np.ndarray]) -> None:
        """Publish the scores of more videos."""
        write_scores(self.scores, {name: (scores, None) for part in days for name, scores in part.items()})

    def lose(self, *video_ids: str) -> None:
        """Publish the scores without some videos."""
        store = open_store(self.scores)
        base = latest_snapshot(store)
        assert base is not None
        created = "2026-01-02T00:00:00+00:00"
        gone = frozenset(video_ids)
        publish(store, base.fingerprint, base.config, (), (), replaced_videos=gone, run_id="t", created_utc=created)

    def find(self, *, freezing: bool = True) -> tuple[Drift, ModelAt]:
        """Make the events of what is there, and look for drift; nothing is published."""
        snapshot = latest_snapshot(open_store(self.scores))
        assert snapshot is not None
        at = DataSetAt(f"{SCORES}test", snapshot.number, snapshot.fingerprint)
        events = make_events(self.options, self.root, {MODEL: at}, Console(quiet=True))[MODEL]
        assert events.prefix.startswith(EVENTS)
        model, cameras = ModelAt(at, at, events), read_cameras(self.options.cameras)
        return find_drift(self.root, cameras, MODEL, model, current(self.root), freezing=freezing), model

    def night(self) -> dict[str, CameraDrift]:
        """Look for drift and publish it, by camera."""
        drift, model = self.find()
        found = {"coverage": {}, "changes": [], "drift": drift.to_dict()}
        body = {"archive": "", "champion": MODEL, "models": models_as_json({MODEL: model}), "settings": {}}
        body |= {"cameras": None, "thresholds": [], "inputs": "", "settled": True, "run_id": "", "created_utc": ""}
        base = current(self.root)
        point(self.root, CURRENT, base.pointer if base else None, body | {"night": keep_night(self.root, found)})
        return {camera.camera: camera for camera in drift.cameras}
