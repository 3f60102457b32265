"""Many short videos: what Ray costs beside one process on the same cores.

Run ``python -m tests.bench.bench_packs`` (about five minutes on 2 cores). The same 2,000 videos of five clips, three
seconds each, are scored in one process, on Ray with packs, and on Ray with a row for each video, in turns, so that a
busy machine slows all alike. Printed: seconds to start a local Ray, of each command on it, and the ratios to one
process, as medians over the rounds.

``--verb extract`` does the same with the extraction of rendered videos of 320x240 (up to half an hour a round). One
process computes on one core and decodes on another, as one worker does, so ``--workers 1`` gives Ray the same cores;
by default it has a worker for each core.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from rich.console import Console

from tests.extraction.videos import write_video
from tests.features.factories import random_videos, write_features
from tests.scoring.factories import make_checkpoint, write_checkpoint
from wsvad.backbones.extractor import default_precision
from wsvad.extraction import job as extraction
from wsvad.features.config import FeatureConfig
from wsvad.scoring import job as scoring
from wsvad.weights.resolve import resolve_backbone
from wsvad.work.cluster import connected
from wsvad.work.pool import PoolOptions

WAYS = ("process", "packs", "rows")
CLIPS, FRAMES = 5, 75
RENDERED = 20
"""Different videos for extraction; the others are copies of these."""


def prepare(folder: Path, verb: str, videos: int) -> None:
    """Write what the runs read."""
    names = [f"cam{n % 20}/{n:05d}.mp4" for n in range(videos)]
    if verb == "score":
        pooled, _ = random_videos(dict.fromkeys(names, CLIPS))
        write_features(folder / "features", pooled)
        write_checkpoint(folder / "checkpoint", make_checkpoint("sultani"))
        return
    for number, name in enumerate(names):
        path, source = folder / "videos" / name, folder / "videos" / names[number % RENDERED]
        path.parent.mkdir(parents=True, exist_ok=True)
        if path == source:
            write_video(path, FRAMES, size=(320, 240))
        else:
            shutil.copyfile(source, path)


def measure(folder: Path, verb: str, way: str, name: str, workers: int | None) -> float:
    """Seconds of one run; on Ray within a Ray that is there already."""
    console, out, use_ray = Console(file=io.StringIO()), str(folder / name), way != "process"
    pool = PoolOptions(workers=workers if use_ray else None)
    job = scoring if verb == "score" else extraction
    with mock.patch.object(job, "PACK_CLIPS", 0 if way == "rows" else job.PACK_CLIPS):
        started = time.perf_counter()
        if verb == "score":
            options = scoring.ScoreOptions(
                str(folder / "features"), str(folder / "checkpoint"), out, pool=pool, use_ray=use_ray
            )
            code = scoring.score(options, console).exit_code
        else:
            weights = resolve_backbone("i3d-compact", None)
            features = FeatureConfig(weights.weights.identity, precision=default_precision())
            videos = str(folder / "videos")
            given = extraction.ExtractOptions(videos, out, features, weights, pool=pool, use_ray=use_ray)
            code = extraction.extract(given, console).exit_code
        seconds = time.perf_counter() - started
    assert code == 0, f"{way}: exit code {code}"
    return seconds


def main() -> None:
    """Measure and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verb", choices=("score", "extract"), default="score")
    parser.add_argument("--videos", type=int, default=2000)
    parser.add_argument("--workers", type=int, help="workers on Ray (default: one for each core)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    args = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder, args.verb, args.videos)
        found: dict[str, list[float]] = {way: [] for way in args.ways}
        started = time.perf_counter()
        with connected(None):
            ray_s = time.perf_counter() - started
            for number in range(args.rounds):
                for way in args.ways:
                    found[way].append(measure(folder, args.verb, way, f"{way}-{number}", args.workers))
                    print(way, round(found[way][-1], 2), file=sys.stderr, flush=True)
        told = {way: round(statistics.median(seconds), 2) for way, seconds in found.items()}
        ratios = {
            f"{way}/process": round(
                statistics.median(a / b for a, b in zip(found[way], found["process"], strict=True)), 2
            )
            for way in args.ways
            if way != "process" and "process" in found
        }
        print(json.dumps({"verb": args.verb, "videos": args.videos, "start_of_ray": round(ray_s, 2), **told, **ratios}))


if __name__ == "__main__":
    main()
