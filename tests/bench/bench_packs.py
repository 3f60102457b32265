"""Many short videos: what Ray costs beside one process on the same cores.

Run ``python -m tests.bench.bench_packs`` (about five minutes on 2 cores). The same 2,000 videos of five clips are
scored in one process, on Ray with packs, and on Ray with a row for each video, in turns, so that a busy machine slows
all alike. Printed: seconds to start a local Ray, of each command on it, and the ratios to one process.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from rich.console import Console

from tests.features.factories import random_videos, write_features
from tests.scoring.factories import make_checkpoint, write_checkpoint
from wsvad.scoring import job
from wsvad.work.cluster import connected

WAYS = ("process", "packs", "rows")


def measure(folder: Path, way: str, name: str) -> float:
    """Seconds of one run; on Ray within a Ray that is there already."""
    options = job.ScoreOptions(
        str(folder / "features"), str(folder / "checkpoint"), str(folder / name), use_ray=way != "process"
    )
    console = Console(file=io.StringIO())
    with mock.patch.object(job, "PACK_CLIPS", 0 if way == "rows" else job.PACK_CLIPS):
        started = time.perf_counter()
        summary = job.score(options, console)
        seconds = time.perf_counter() - started
    assert (summary.exit_code, summary.units_failed) == (0, 0), summary
    return seconds


def main() -> None:
    """Measure and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    args = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pooled, _ = random_videos({f"cam{n % 20}/{n:05d}.mp4": 5 for n in range(args.videos)})
        write_features(folder / "features", pooled)
        write_checkpoint(folder / "checkpoint", make_checkpoint("sultani"))
        found: dict[str, list[float]] = {way: [] for way in args.ways}
        started = time.perf_counter()
        with connected(None):
            ray_s = time.perf_counter() - started
            for number in range(args.rounds):
                for way in args.ways:
                    found[way].append(measure(folder, way, f"{way}-{number}"))
                    print(way, round(found[way][-1], 2), file=sys.stderr, flush=True)
        told = {way: round(statistics.median(seconds), 2) for way, seconds in found.items()}
        ratios = {
            f"{way}/process": round(
                statistics.median(a / b for a, b in zip(found[way], found["process"], strict=True)), 2
            )
            for way in args.ways
            if way != "process" and "process" in found
        }
        print(json.dumps({"videos": args.videos, "start_of_ray": round(ray_s, 2), **told, **ratios}))


if __name__ == "__main__":
    main()
