"""What a core does and a worker holds, for each backbone and geometry: the figures of ``cluster/sizes.md``.

Run ``python -m tests.bench.bench_sizes`` (two minutes of processor time; ``--seconds`` for longer turns). Clips of 16
frames, each once, one thread, so all rates are per core. Times are CPU seconds of the process that does the work, so
that what else runs on the machine counts little; what it does to caches and clocks it does here, too.

  network   clips a CPU second of the network alone, untrained weights, random pixels; ten crops are ten clips
  decoder   clips a CPU second of the decoder's process, H.264: of 320x240 as the demo renders it, and of 1920x1080, the
            same pictures enlarged and encoded again at 4 Mbit/s; with the flow of the backbones that look at it
  memory    largest resident memory of the network's process and of the decoder's
  stored    bytes of a clip's features before compression, float16
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.bench.bench_flow import rate
from wsvad.backbones.extractor import FeatureExtractor, default_precision
from wsvad.backbones.registry import BACKBONES, CHANNELS
from wsvad.backbones.weights import random_weights
from wsvad.clips import ClipSpec
from wsvad.cores import usable_cores
from wsvad.demo.render import render_demo
from wsvad.doctor.machine import cpu_features
from wsvad.video import FlowMethod, Geometry, VideoReader

MB = 1e6
HD = (1920, 1080)


def network(name: str, seconds: float, precision: Any) -> dict[str, float]:
    """Clips a CPU second of one thread, and the megabytes that its process holds at most; in a process of its own."""
    spec = BACKBONES[name]  # type: ignore[index]
    extractor = FeatureExtractor(*(random_weights(0, a) for a in spec.architectures), precision=precision, threads=1)
    rng, frames = np.random.default_rng(0), {"rgb": ClipSpec().length, "flow": ClipSpec().length}
    clips = {
        stream: rng.integers(0, 255, (1, frames[stream], spec.size, spec.size, CHANNELS[stream]), dtype=np.uint8)
        for stream in spec.streams
    }
    given = (clips.get("rgb"), clips.get("flow"))
    extractor(*given)
    turns, started = [], time.process_time()
    while not turns or time.process_time() - started < seconds:
        before = time.process_time()
        extractor(*given)
        turns.append(time.process_time() - before)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"clips_per_s": 1 / statistics.median(turns), "memory_mb": most / MB}


def enlarged(path: str, target: Path) -> str:
    """Encode a video again as a camera of 1920x1080 would send it."""
    with av.open(path) as source, av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *HD, "yuv420p", 4_000_000
        for number, frame in enumerate(source.decode(video=0)):
            large = frame.reformat(*HD, "yuv420p")
            large.pts, large.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(large))
        out.mux(stream.encode())
    return str(target)


def decoder(path: str, kind: Any, flow: FlowMethod | None, seconds: float) -> dict[str, float]:
    """Clips a CPU second of the decoder, and the megabytes that its process holds at most."""
    with VideoReader() as reader:
        frames_per_s = rate(reader, path, Geometry(kind), flow, seconds)
        assert reader._child is not None
        status = Path(f"/proc/{reader._child.pid}/status").read_text()
        most = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    return {"clips_per_s": frames_per_s / ClipSpec().length, "memory_mb": most / MB}


def main() -> None:
    """Measure and print a line of JSON for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=8.0, help="CPU seconds of a turn")
    parser.add_argument("--what", choices=("network", "decoder"), help="one of the two (default: both)")
    args = parser.parse_args()
    precision = default_precision()
    model, features = cpu_features()
    told = sorted(features & {"avx2", "avx512f", "avx512_bf16", "amx_bf16"})
    print(json.dumps({"cpu": model, "has": told, "cores": usable_cores(), "precision": precision}), flush=True)
    if args.what != "decoder":
        _networks(args.seconds, precision)
    if args.what != "network":
        _decoders(args.seconds)


def _networks(seconds: float, precision: Any) -> None:
    for name, spec in BACKBONES.items():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(network, (name, seconds, precision))
        stored = 2 * (spec.pooled_dim + int(np.prod(spec.cuboid_shape)))
        _tell(what="network", backbone=name, **found, stored_bytes=stored)


def _decoders(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="wsvad-bench-") as scratch:
        folder = render_demo(Path(scratch) / "videos").parent
        small = sorted(str(p) for p in folder.iterdir() if p.suffix == ".mp4")[0]
        large = enlarged(small, Path(scratch) / "hd.mp4")
        for size, path in (("320x240", small), ("1920x1080", large)):
            for kind in ("squash", "center", "ten-crop"):
                _tell(what="decoder", video=size, geometry=kind, **decoder(path, kind, None, seconds))
        for method in ("dis", "tvl1"):
            found = decoder(small, "squash", method, seconds)  # type: ignore[arg-type]
            _tell(what="decoder", video="320x240", geometry="squash", flow=method, **found)


def _tell(**figures: Any) -> None:
    rounded = {k: round(v, 3 if v < 10 else 1) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps(rounded), flush=True)


if __name__ == "__main__":
    main()
