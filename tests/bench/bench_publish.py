"""What the driver costs beside the work itself: planning, taking over, publishing, by the size of the archive.

Run ``python -m tests.bench.bench_publish`` (about ten minutes on 2 cores; ``--sizes 1000000`` needs 12 GB of disk and
an hour). Videos are empty files whose indexes are in the data set's cache, units are small and simulated: nothing is
decoded. Each line is one call of ``extract`` in a process of its own, on a local folder:

* ``plan``: a dry run, nothing is stored.
* ``resume``: every unit is stored, no snapshot names any: all of them are read, checked and published.
* ``second``: the same command again.
* ``one more``: a video was added; its unit is made and published.
* ``a night``: one video in a hundred was added, all in one folder, and only that folder is listed.
* ``read``: a reader opens the newest snapshot.

Printed: seconds on the clock and of processor time, the process's largest resident memory, and the published objects
that are new, with their bytes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from tests.extraction.factories import CONFIG, make_index, make_video, unit_bytes
from wsvad.dataset import layout
from wsvad.dataset.snapshots import claim_dataset
from wsvad.extraction import job
from wsvad.extraction.indexing import IndexCache, IndexResult
from wsvad.extraction.units import Unit, plan_units
from wsvad.extraction.worker import receipt_of
from wsvad.features.reading import FeatureSet
from wsvad.manifest.listing import list_videos
from wsvad.storage import open_store
from wsvad.weights.resolve import BackboneSource, WeightsSource

REPO = Path(__file__).resolve().parents[2]
STEPS = ("plan", "resume", "second", "one more", "a night", "read")
NIGHT = "cam07/night/"
PUBLISHED = ("lists", "snapshots", "videos")
_TEMPLATE = plan_units(make_video(), make_index(), CONFIG)[0]
_BYTES = unit_bytes(_TEMPLATE)


def simulated(unit_id: str) -> bytes:
    """The bytes of a whole unit of that id, all alike otherwise."""
    return _BYTES.replace(_TEMPLATE.unit_id.encode(), unit_id.encode())


class Simulated:
    """In place of ``UnitExtractor``: writes a unit without looking at the video."""

    def __init__(self, config: Any, payload: object, report: Callable[[str, int], None]) -> None:
        self._store = open_store(config.out_uri)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        data = simulated(row["unit_id"])
        self._store.create(layout.unit_key(row["unit_id"]), data)
        return receipt_of(row["unit_id"], data).to_row()


def add_videos(root: Path, names: list[str]) -> list[Unit]:
    """Put empty videos there, and what is known of them into the data set; return their units."""
    for name in names:
        path = root / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    out = open_store(str(root / "out"))
    wanted = set(names)
    new = [v for v in list_videos(str(root / "videos")).videos if v.video_id in wanted]
    IndexCache(out).add(IndexResult(video, make_index()) for video in new)
    return [unit for video in new for unit in plan_units(video, make_index(), CONFIG)]


def prepare(root: Path, step: str, size: int) -> None:
    """Make the world what it is before a step."""
    if step == "plan":
        claim_dataset(open_store(str(root / "out")), CONFIG)
        add_videos(root, [f"cam{n % 100:02d}/{n // 100:06d}.mp4" for n in range(size)])
    if step == "resume":
        ids = (layout.unit_id(v.content_id, 0, 7, CONFIG.fingerprint) for v in list_videos(str(root / "videos")).videos)
        for unit_id in ids:
            path = root / "out" / layout.unit_key(unit_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(simulated(unit_id))
    if step == "one more":
        add_videos(root, ["cam50/000000-late.mp4"])
    if step == "a night":
        add_videos(root, [f"{NIGHT}{n:06d}.mp4" for n in range(size // 100)])


def run(root: Path, step: str) -> None:
    """Carry out one step, and print what it took as JSON."""
    logging.disable()
    started, cpu_started = time.perf_counter(), time.process_time()
    if step == "read":
        found: dict[str, Any] = {"videos": len(FeatureSet.open(str(root / "out")).units)}
    else:
        none = WeightsSource(CONFIG.weights, "none", "", "inception-compact", loaded={})
        prefix = NIGHT if step == "a night" else ""
        options = job.ExtractOptions(
            str(root / "videos" / prefix),
            str(root / "out"),
            CONFIG,
            BackboneSource(none),
            id_prefix=prefix,
            use_ray=False,
            dry_run=step == "plan",
        )
        with mock.patch("wsvad.extraction.job.UnitExtractor", Simulated):
            summary = job.extract(options)
        assert summary.exit_code == 0, summary
        found = {"units": summary.units, "done_now": summary.units_done_now, "snapshot": summary.snapshot}
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu = time.process_time() - cpu_started
    print(json.dumps({"s": round(seconds, 2), "cpu_s": round(cpu, 2), "peak_mb": round(peak), **found}))


def published(root: Path) -> dict[str, int]:
    """Size of every published object that is there, by key."""
    store = open_store(str(root / "out"))
    return {info.key: info.size for part in PUBLISHED for info in store.list(f"{part}/")}


def measure(root: Path, size: int, steps: list[str]) -> None:
    """Print a line for every step of an archive of so many videos."""
    for step in STEPS:
        prepare(root, step, size)
        before = published(root)
        if step not in steps:
            continue
        command = [sys.executable, "-m", "tests.bench.bench_publish", "--step", step, "--root", str(root)]
        environment = {**os.environ, "PYTHONPATH": str(REPO)}
        done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        new = {key: n for key, n in published(root).items() if key not in before}
        told = json.loads(done.stdout.splitlines()[-1])
        parts = {part: sum(key.startswith(part) for key in new) for part in PUBLISHED}
        parts = {part: number for part, number in parts.items() if number}
        line = {"size": size, "step": step, **told, "new": parts, "new_bytes": sum(new.values())}
        print(json.dumps(line), flush=True)


def main() -> None:
    """Measure, print a line of JSON for every step and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        run(args.root, args.step)
        return
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), size, args.steps)


if __name__ == "__main__":
    main()
