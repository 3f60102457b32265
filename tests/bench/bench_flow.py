"""Frames per second of one core with and without optical flow, by each method and geometry.

Run ``python -m tests.bench.bench_flow`` (about two minutes; ``--videos FOLDER`` for other footage than the demo's,
``--seconds`` for longer turns). In turns, so that a busy machine slows all alike: one decoder of one thread alone, then
with DIS, then with TV-L1, over the same clips of the same video from its beginning, to frames of 224x224. The times are
CPU seconds of the decoder's process, so that what else runs on the machine counts little. Beside each rate stands how
many times longer a frame takes than decoded alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2

from wsvad.clips import ClipSpec
from wsvad.demo.render import render_demo
from wsvad.extraction.indexing import index_video
from wsvad.manifest.listing import list_videos
from wsvad.manifest.source import StoredVideo
from wsvad.storage import StoreOptions
from wsvad.video import FlowMethod, Geometry, VideoReader

METHODS: tuple[FlowMethod | None, ...] = (None, "dis", "tvl1")


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used, from the kernel's run-time counter."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def rate(reader: VideoReader, path: str, geometry: Geometry, flow: FlowMethod | None, seconds: float) -> float:
    """Frames per CPU second over clips from the beginning of a video, for so many CPU seconds or to its end."""
    video = list_videos(path).videos[0]
    index = index_video(reader, video, StoreOptions()).index
    assert index is not None
    assert reader._child is not None
    pid, spec = reader._child.pid, ClipSpec()
    source = StoredVideo(video, StoreOptions())
    frames, started = 0, 0.0
    clips = reader.clips(source, index, 0, spec.count(index.num_frames), spec, geometry, flow=flow)
    for clip in clips:
        clip.release()
        if not started:  # the first clip brings filters, and OpenCV, to life
            started = cpu_s(pid)
            continue
        frames += clip.end_frame - clip.start_frame
        if cpu_s(pid) - started > seconds:
            break
    used = cpu_s(pid) - started
    clips.close()
    return frames / used


def measure(paths: Sequence[str], geometry: Geometry, rounds: int, seconds: float) -> dict[str, float]:
    """Return the median rate by each method."""
    rates: dict[str, list[float]] = {str(method): [] for method in METHODS}
    for number in range(rounds):
        for method in METHODS:
            with VideoReader(queue_clips=1) as reader:
                rates[str(method)].append(rate(reader, paths[number % len(paths)], geometry, method, seconds))
    return {method: statistics.median(values) for method, values in rates.items()}


def main() -> None:
    """Measure, print figures and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--videos", help="folder of videos (default: the demo's, rendered)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each, each with the next video; medians count")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a turn in CPU seconds, at most")
    parser.add_argument("--geometry", nargs="+", default=["squash", "ten-crop"], help="kinds of geometry")
    args = parser.parse_args()
    print(f"OpenCV {cv2.__version__}, one core")
    with tempfile.TemporaryDirectory(prefix="wsvad-bench-") as scratch:
        folder = args.videos or str(render_demo(Path(scratch) / "videos").parent)
        paths = sorted(str(path) for path in Path(folder).iterdir() if path.suffix in (".mp4", ".avi"))
        for kind in args.geometry:
            medians = measure(paths, Geometry(kind), args.rounds, args.seconds)
            print(json.dumps({"geometry": kind, **{k: round(v, 2) for k, v in medians.items()}}), flush=True)
            for method, value in medians.items():
                name = "decoding alone" if method == "None" else f"and {method}"
                print(f"  {name:16} {value:9.1f} frames/s {medians['None'] / value:8.1f} times as long a frame")


if __name__ == "__main__":
    main()
