"""What a night of ``wsvad rescore`` costs beside decoding and networks, by the size of the archive.

Run ``python -m tests.bench.bench_nights`` (about 20 minutes on 2 cores). Videos are files of one byte in folders of
cameras and days, one an hour; their indexes, their units of features and their scores are simulated and lie on the disk
before the first night, as a run leaves them that was killed before it published anything. Each line is one command in
a process of its own, on a local folder:

* ``first``: all units are found, read, checked and published; the events of every camera and day are made.
* ``second``: the same command again.
* ``resumed``: a twentieth more videos, whose units a run stored that was killed before it published them again: a run
  publishes while it goes on, so that a killed one leaves about that much unread.
* ``one more``: a video was added; its features and scores are made by stand-ins, and all is published.
* ``selection``: ``wsvad purge`` says which videos of a camera are older than a day.

Printed: seconds on the clock and of processor time, the process's largest resident memory, seconds by part, the new
objects by data set, and the number of the pointer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import numpy as np

from tests.extraction.factories import make_index, make_video, unit_bytes
from tests.nightly.footage import FEATURES
from tests.scoring.factories import make_checkpoint, make_scores, write_checkpoint
from wsvad.backbones.weights import Weights, untrained_name
from wsvad.dataset import layout
from wsvad.dataset.lists import SnapshotObject
from wsvad.dataset.snapshots import claim_dataset
from wsvad.events.config import EventSettings
from wsvad.extraction.indexing import IndexCache, IndexResult
from wsvad.extraction.units import Unit, plan_units
from wsvad.extraction.worker import receipt_of as receipt_of_features
from wsvad.features.reading import FeatureSet
from wsvad.manifest.listing import list_videos
from wsvad.nightly import purging
from wsvad.nightly.job import rescore
from wsvad.nightly.layout import folder_name
from wsvad.nightly.options import RescoreOptions
from wsvad.scores.config import ScoreConfig, window_of
from wsvad.scores.table import encode_scores
from wsvad.scoring.units import unit_of
from wsvad.scoring.worker import Payload
from wsvad.scoring.worker import receipt_of as receipt_of_scores
from wsvad.storage import open_store

REPO = Path(__file__).resolve().parents[2]
STEPS = ("first", "second", "resumed", "one more", "selection")
CAMERAS = 100
FIRST_DAY = datetime(2026, 1, 1)
PATTERN = '[[camera]]\npattern = "{camera}/*/{year}{month}{day}_{hour}{minute}{second}.mp4"\ntime_zone = "UTC"\n'
LATE = "cam050/20260101/20260101_003000.mp4"
INDEX = make_index(num_frames=40, fps=4.0)
CHECKPOINT = make_checkpoint("st_mil", 6, features=FEATURES, unit_length=False)
SCORES = ScoreConfig(
    CHECKPOINT.digest,
    CHECKPOINT.model_config.to_dict(),
    FEATURES.fingerprint,
    FEATURES.to_dict(),
    window_of("cuboids", None),
)
FEATURES_AT = f"features/{folder_name(FEATURES.fingerprint)}"
SCORES_AT = f"scores/{folder_name(CHECKPOINT.digest)}"
PUBLISHED = ("lists", "snapshots", "units")
PARTS = {
    "list": "wsvad.nightly.night.list_videos",
    "extract": "wsvad.nightly.steps.extract",
    "score": "wsvad.nightly.steps.score",
    "events": "wsvad.nightly.events.find_all_events",
    "coverage": "wsvad.nightly.job._coverage",
    "compare": "wsvad.nightly.job.compare_nights",
}
_TEMPLATE = plan_units(make_video(), INDEX, FEATURES)[0]
_BYTES = unit_bytes(_TEMPLATE, config=FEATURES)


def simulated_features(unit_id: str) -> bytes:
    """The bytes of a whole unit of that id, all alike otherwise."""
    return _BYTES.replace(_TEMPLATE.unit_id.encode(), unit_id.encode())


def simulated_scores(video_id: str, unit_id: str) -> bytes:
    """Scores of a video; one video in ten has an event."""
    digest = hashlib.sha256(video_id.encode()).digest()
    score_T = np.full(10, 0.1, np.float32)
    if digest[0] < 26:
        score_T[3:6] = 0.9
    cuboids_TK = np.repeat(score_T[:, None], 49, axis=1)
    scores = make_scores(video_id, score_T, cuboids_TK, num_frames=40, fps=16.0)
    said = {"unit_id": unit_id, "video_id": video_id, "clips": len(score_T)}
    return encode_scores(scores, fingerprint=SCORES.fingerprint, config=SCORES.to_dict(), unit=said)


class SimulatedFeatures:
    """In place of ``UnitExtractor``: writes a unit without looking at the video."""

    def __init__(self, config: Any, payload: object, report: Callable[[str, int], None]) -> None:
        self._store = open_store(config.out_uri)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        data = simulated_features(row["unit_id"])
        self._store.create(layout.unit_key(row["unit_id"]), data)
        return receipt_of_features(row["unit_id"], data).to_row()


class SimulatedScores:
    """In place of ``VideoScorer``: writes scores without looking at the features."""

    def __init__(self, config: Any, payload: Payload, report: Callable[[str, int], None]) -> None:
        self._store = open_store(config.out_uri)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        data = simulated_scores(row["video_id"], row["unit_id"])
        self._store.create(layout.unit_key(row["unit_id"]), data)
        return receipt_of_scores(row["unit_id"], data).to_row()


def names(size: int) -> list[str]:
    """Ids of the archive's videos: one an hour of every camera."""
    found = []
    for n in range(size):
        at = FIRST_DAY + timedelta(hours=n // CAMERAS)
        found.append(f"cam{n % CAMERAS:03d}/{at:%Y%m%d}/{at:%Y%m%d_%H%M%S}.mp4")
    return found


def add_videos(root: Path, ids: Sequence[str]) -> list[Unit]:
    """Put videos into the archive, and what is known of them into the data set of features; return their units."""
    for name in ids:
        path = root / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    out = open_store(str(root / "root" / FEATURES_AT))
    wanted = set(ids)
    new = [v for v in list_videos(str(root / "archive")).videos if v.video_id in wanted]
    IndexCache(out).add(IndexResult(video, INDEX) for video in new)
    return [unit for video in new for unit in plan_units(video, INDEX, FEATURES)]


def write_stored(root: Path, units: Sequence[Unit]) -> None:
    """Put features and scores of these units there, as extraction and scoring leave them."""
    for unit in units:
        data = simulated_features(unit.unit_id)
        _put(root / "root" / FEATURES_AT / layout.unit_key(unit.unit_id), data)
        sha = hashlib.sha256(data).hexdigest()
        clips = unit.num_clips
        key = layout.unit_key(unit.unit_id)
        told = SnapshotObject(key, unit.video_id, unit.video.content_id, 0, clips, clips, clips, len(data), sha)
        snapshot = SimpleNamespace(fingerprint=FEATURES.fingerprint)
        store = cast(Any, None)
        features = FeatureSet(store, cast(Any, snapshot), 8, (4, 6), 1, {unit.video_id: (told,)}, {})
        scored = unit_of(features, unit.video_id, SCORES.fingerprint)
        path = root / "root" / SCORES_AT / layout.unit_key(scored.unit_id)
        _put(path, simulated_scores(unit.video_id, scored.unit_id))


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def prepare(root: Path, step: str, size: int) -> None:
    """Make the world what it is before a step."""
    if step == "first" and not (root / "archive").exists():
        write_checkpoint(root / "model", CHECKPOINT)
        (root / "cameras.toml").write_text(PATTERN)
        claim_dataset(open_store(str(root / "root" / FEATURES_AT)), FEATURES)
        units = add_videos(root, names(size))
        shares = [units[n : n + 1000] for n in range(0, len(units), 1000)]
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(write_stored, [root] * len(shares), shares))
    if step == "resumed":
        write_stored(root, add_videos(root, names(size + size // 20)[size:]))
    if step == "one more":
        add_videos(root, [LATE])


@contextmanager
def parts_timed(seconds: dict[str, float]) -> Iterator[None]:
    """Note how long each part of a night takes."""

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **more: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*args, **more)
            finally:
                seconds[name] = round(seconds.get(name, 0.0) + time.perf_counter() - started, 2)

        return run

    with ExitStack() as stack:
        for name, where in PARTS.items():
            module, _, attribute = where.rpartition(".")
            call = getattr(sys.modules[module], attribute)
            stack.enter_context(mock.patch(where, timed(name, call)))
        yield


def run(root: Path, step: str) -> dict[str, Any]:
    """Carry out one step, and return what it took."""
    logging.disable()
    seconds: dict[str, float] = {}
    started, cpu_started = time.perf_counter(), time.process_time()
    if step == "selection":
        asked = purging.PurgeOptions(str(root / "root"), cameras=("cam007",), before=date(2026, 1, 2))
        found: dict[str, Any] = {"videos": purging.purge(asked).videos}
    else:
        options = RescoreOptions(
            archive=str(root / "archive"),
            root=str(root / "root"),
            checkpoint=str(root / "model"),
            cameras=str(root / "cameras.toml"),
            settings=EventSettings(smooth_s=0.0),
            use_ray=False,
        )
        with (
            mock.patch("wsvad.extraction.job.UnitExtractor", SimulatedFeatures),
            mock.patch("wsvad.scoring.job.VideoScorer", SimulatedScores),
            mock.patch(
                "wsvad.weights.resolve.random_weights",
                lambda seed, net: Weights(untrained_name(seed, net), "", {}, net),
            ),
            parts_timed(seconds),
        ):
            summary = rescore(options)
        assert summary.exit_code == 0, summary
        found = {"scored": summary.scored, "events": summary.events, "pointer": summary.pointer}
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mb": round(peak), "parts_s": seconds, **found}


def written(root: Path) -> dict[str, int]:
    """When each object below the root was last written, by key; who was at work is left out."""
    found = {}
    for folder, _, files in os.walk(root / "root"):
        for name in files:
            path = Path(folder, name)
            if "drivers" not in path.parts:
                found[str(path.relative_to(root / "root"))] = path.stat().st_mtime_ns
    return found


def by_part(keys: Sequence[str]) -> dict[str, int]:
    """Number of objects by the data set and its part."""
    return dict(Counter(".".join(key.split("/")[0:3:2] if key.count("/") > 1 else key.split("/")[:1]) for key in keys))


def measure(root: Path, size: int, steps: Sequence[str]) -> None:
    """Print a line for every step of an archive of so many videos."""
    for step in STEPS:
        if step not in steps:
            continue
        prepare(root, step, size)
        before = written(root)
        command = [sys.executable, "-m", "tests.bench.bench_nights", "--step", step, "--root", str(root)]
        environment = {**os.environ, "PYTHONPATH": str(REPO)}
        done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        new = [key for key, when in written(root).items() if before.get(key) != when]
        told = json.loads(done.stdout.splitlines()[-1])
        print(json.dumps({"size": size, "step": step, **told, "new": by_part(new)}), flush=True)


def main() -> None:
    """Measure, print a line of JSON for every step and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--keep", type=Path, help="folder that is left there; an archive in it is used")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(run(args.root, args.step)))
        return
    for size in args.sizes:
        if args.keep:
            measure(args.keep / str(size), size, args.steps)
            continue
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), size, args.steps)


if __name__ == "__main__":
    main()
