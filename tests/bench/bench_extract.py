"""Clips per second of extraction, end to end, against the plain loop and against what its parts allow.

Run ``python -m tests.bench.bench_extract`` (about six minutes on 2 cores; ``--videos FOLDER`` for other footage than
the demo's). In one run, in turns, so that a busy machine slows all alike:

  (a) the plain loop that a researcher writes: decode, fp32 network, one clip at a time
  (b) the network alone in its fast form, one process a core
  (c) decoding alone, one decoder a core
  (d) the job: Ray, actors, decoders, network, Parquet, snapshot; start-up apart

What the parts allow together on the same cores is ``1 / (1/b + 1/c)``.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import ray
import torch
from rich.console import Console

from wsvad.backbones.extractor import FeatureExtractor, default_precision
from wsvad.backbones.i3d import pool_maps
from wsvad.backbones.weights import random_weights
from wsvad.clips import ClipSpec
from wsvad.demo.render import render_demo
from wsvad.extraction.indexing import index_video
from wsvad.extraction.job import ExtractOptions, extract
from wsvad.extraction.summary import ExtractSummary
from wsvad.features.config import FeatureConfig
from wsvad.manifest.listing import list_videos
from wsvad.manifest.source import StoredVideo
from wsvad.storage import StoreOptions
from wsvad.video import Geometry, VideoReader
from wsvad.weights.resolve import resolve_backbone

LENGTH = 16


def plain_loop(videos: Sequence[str], seconds: float) -> float:
    """(a): as in public extraction scripts, with all cores for PyTorch; clips per second."""
    model = random_weights(0).model()
    done, started = 0, time.perf_counter()
    for path in videos:
        with av.open(path) as container:
            frames: list[np.ndarray] = []
            for frame in container.decode(video=0):
                frames.append(frame.reformat(224, 224, "rgb24").to_ndarray())
                if len(frames) == LENGTH:
                    x = torch.from_numpy(np.stack(frames)).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
                    with torch.no_grad():
                        pool_maps(model.maps(x))
                    frames, done = [], done + 1
                    if time.perf_counter() - started > seconds:
                        return done / (time.perf_counter() - started)
    return done / (time.perf_counter() - started)


def _model_worker(seconds: float, barrier: Any, rates: Any) -> None:
    extractor = FeatureExtractor(random_weights(0), precision=default_precision(), threads=1)
    clip = np.random.default_rng(0).integers(0, 255, (1, LENGTH, 224, 224, 3), dtype=np.uint8)
    extractor(clip)
    barrier.wait()
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        extractor(clip)
        done += 1
    rates.put(done / (time.perf_counter() - started))


def _decode_worker(path: str, seconds: float, barrier: Any, rates: Any) -> None:
    video = list_videos(path).videos[0]
    with VideoReader() as reader:
        index = index_video(reader, video, StoreOptions()).index
        assert index is not None
        barrier.wait()
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            last = ClipSpec().count(index.num_frames)
            source = StoredVideo(video, StoreOptions())
            for clip in reader.clips(source, index, 0, last, ClipSpec(), Geometry("squash")):
                clip.release()
                done += 1
        rates.put(done / (time.perf_counter() - started))


def at_once(target: Callable[..., None], count: int, *args: object) -> float:
    """Run a worker on every core at the same time and return the sum of their rates."""
    context = multiprocessing.get_context("spawn")
    barrier, rates = context.Barrier(count), context.Queue()
    processes = [context.Process(target=target, args=(*args, barrier, rates)) for _ in range(count)]
    for process in processes:
        process.start()
    total = sum(rates.get(timeout=300) for _ in processes)
    for process in processes:
        process.join()
    return total


def job(videos: str, out: Path) -> ExtractSummary:
    """(d): the command itself, on the Ray that is running."""
    weights = resolve_backbone("i3d", "random:0")
    features = FeatureConfig(weights.weights.identity, "i3d", precision=default_precision())
    return extract(ExtractOptions(videos, str(out), features, weights), Console(stderr=True))


def main() -> None:
    """Measure, print figures and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--videos", help="folder of videos (default: the demo's, rendered)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each; medians are printed")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a turn of (a), (b), (c)")
    args = parser.parse_args()
    logging.getLogger("wsvad").setLevel(logging.ERROR)
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="wsvad-bench-") as scratch:
        folder = args.videos or str(render_demo(Path(scratch) / "videos").parent)
        paths = sorted(str(p) for p in Path(folder).iterdir() if p.suffix == ".mp4")
        ray.init(address="local", num_cpus=cores, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
        rows = []
        for number in range(args.rounds):
            a = plain_loop(paths, args.seconds)
            b = at_once(_model_worker, cores, args.seconds)
            c = at_once(_decode_worker, cores, paths[0], args.seconds)
            summary = job(folder, Path(scratch) / f"out{number}")
            assert summary.exit_code == 0
            d = summary.steady_clips_per_s
            allowed = 1 / (1 / b + 1 / c)
            rows.append({"a": a, "b": b, "c": c, "d": d, "d/a": d / a, "d/allowed": d / allowed,
                         "first_clip_s": summary.first_clip_s or 0.0})  # fmt: skip
            print(json.dumps({k: round(v, 3) for k, v in rows[-1].items()}), flush=True)
        ray.shutdown()
    middle = {k: statistics.median(r[k] for r in rows) for k in rows[0]}
    print(f"\nmedians of {args.rounds} rounds on {cores} cores, {torch.__version__}, {default_precision()}")
    for name, text in (
        ("a", "plain loop, clips/s"),
        ("b", "network alone, clips/s"),
        ("c", "decoding alone, clips/s"),
        ("d", "job, clips/s"),
        ("d/a", "job against the plain loop, times"),
        ("d/allowed", "job against what (b) and (c) allow"),
        ("first_clip_s", "first clip of the job on a warm Ray, s"),
    ):
        print(f"  {text:40} {middle[name]:8.2f}")


if __name__ == "__main__":
    main()
