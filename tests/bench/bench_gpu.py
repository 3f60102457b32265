"""What a GPU does with this package: networks, the whole job, training; in one run of at most eight minutes.

Run ``python -m tests.bench.bench_gpu`` on a machine with a GPU. ``--device cpu`` runs the same code on processors, with
batches of one clip, which is how the tests check it. It prints a line of JSON for each of these:

  peak       the largest bf16 matrix product per second, which the shares below refer to
  network    for each backbone: clips/s by batch size, from memory of the device, launched one by one and as a CUDA
             graph; the share of the peak; the smallest batch within 5 % of the best
  extractor  for each backbone: clips/s of ``FeatureExtractor``, copies to and from the device included, and the share
             of the network's rate that the copies leave
  agreement  for each backbone: bf16 on the device against fp32 on the processor, the same clips
  decoder    clips/s of one decoder on one core, and how many cores keep the network of each backbone fed
  job        clips/s of ``wsvad extract`` from rendered videos, with all cores, and the GPU's share of its own rate
  training   steps/s of LTGS-Net, ST-MIL and ours in fp32 and in bf16
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wsvad.backbones.extractor import FeatureExtractor
from wsvad.backbones.names import Backbone, Precision
from wsvad.backbones.registry import BACKBONES, Network, architecture_spec
from wsvad.backbones.untrained import moving_textures
from wsvad.backbones.weights import Weights, random_weights
from wsvad.clips import ClipSpec
from wsvad.cores import whole_cores
from wsvad.demo.render import render_demo
from wsvad.devices import has_bf16
from wsvad.extraction.job import ExtractOptions, extract
from wsvad.features.config import FeatureConfig
from wsvad.loop.group import SingleWorker
from wsvad.manifest.listing import list_videos
from wsvad.manifest.records import read_records
from wsvad.manifest.source import StoredVideo
from wsvad.models.registry import build_criterion, build_dynamic_labels, build_model, default_config
from wsvad.storage import StoreOptions
from wsvad.training.batches import Batch
from wsvad.training.config import TrainConfig
from wsvad.training.trainer import Bags, Trainer
from wsvad.video import Geometry, VideoReader
from wsvad.weights.resolve import resolve_backbone
from wsvad.work.pool import PoolOptions

NETWORKS: tuple[Backbone, ...] = ("i3d", "i3d-r50", "i3d-compact")
CROPS = {"i3d-r50": 10}
"""Views of a clip, for backbones that are used with ten crops."""
BATCHES = {"cuda": (1, 4, 8, 16, 32, 64, 128), "cpu": (1,)}
MODELS = {"ltgs": 1024, "st_mil": 528, "st_ltgs": 528}
"""Models whose training is measured, with the width of full I3D's features."""
SECONDS = {"peak": 3.0, "batch": 2.0, "extractor": 4.0, "decoder": 6.0, "training": 5.0}
"""Time for each measurement; ``--quick`` takes one call of each."""


class Clock:
    """Calls a function for a while and returns calls per second, synchronised with the device."""

    def __init__(self, device: torch.device, *, quick: bool) -> None:
        self._device, self._quick = device, quick

    def rate(self, call: Callable[[], object], seconds: float) -> float:
        """Return calls per second, after two calls that do not count."""
        for _ in range(1 if self._quick else 2):
            call()
        self._wait()
        started, calls = time.perf_counter(), 0
        while calls == 0 or (not self._quick and time.perf_counter() - started < seconds):
            call()
            calls += 1
            if calls % 8 == 0:
                self._wait()
        self._wait()
        return calls / (time.perf_counter() - started)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def peak_flops(device: torch.device, clock: Clock, *, quick: bool) -> float:
    """Return the floating-point operations per second of the best of several bf16 matrix products."""
    sizes = (512,) if quick or device.type == "cpu" else (4096, 8192, 12288)
    found = []
    for size in sizes:
        left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
        found.append(2 * size**3 * clock.rate(functools.partial(torch.mm, left, right), SECONDS["peak"]))
    return max(found)


def flops_of(weights: Weights, clip_THWC: np.ndarray) -> float:
    """Return the floating-point operations of a clip: two for each multiplication of a convolution or linear layer."""
    model: Any = weights.model().eval()
    total = 0

    def count(module: torch.nn.Module, _inputs: object, out: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(module.weight, torch.Tensor)
        total += 2 * out.numel() * module.weight[0].numel()

    layers = (torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.Linear)
    hooks = [layer.register_forward_hook(count) for layer in model.modules() if isinstance(layer, layers)]
    clip_BTHWC = torch.from_numpy(clip_THWC).unsqueeze(0)
    compact = weights.architecture == "inception-compact"
    with torch.inference_mode():
        model.maps(clip_BTHWC if compact else clip_BTHWC.permute(0, 4, 1, 2, 3).float())
    for hook in hooks:
        hook.remove()
    return float(total)


def network_rates(network: Network, device: torch.device, clock: Clock, clip_THWC: np.ndarray) -> dict[str, Any]:
    """Return clips/s by batch size, launched call by call and as a CUDA graph; batches that do not fit are omitted."""
    found: dict[str, dict[str, float]] = {"eager": {}, "graph": {}}
    for batch in BATCHES[device.type]:
        clips = torch.from_numpy(clip_THWC).expand(batch, -1, -1, -1, -1).contiguous().to(device)
        try:
            eager = functools.partial(network.features, clips)
            found["eager"][str(batch)] = batch * clock.rate(eager, SECONDS["batch"])
            if device.type == "cuda":
                found["graph"][str(batch)] = batch * clock.rate(_graph(eager).replay, SECONDS["batch"])
        except torch.OutOfMemoryError:
            break
    rates = {(form, batch): rate for form, by_batch in found.items() for batch, rate in by_batch.items()}
    best = max(rates.values())
    enough = min((int(batch) for (_, batch), rate in rates.items() if rate >= 0.95 * best), default=0)
    return {"clips_per_s": found, "best": best, "batch_within_5_percent": enough}


def _graph(call: Callable[[], object]) -> torch.cuda.CUDAGraph:
    """Record a call as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph


def agreement(device: FeatureExtractor, reference: FeatureExtractor, clips_BTHWC: np.ndarray) -> dict[str, float]:
    """Return how far features on the device are from the reference: cosine and relative error, the worst clip."""
    ours, theirs = device(clips_BTHWC).pooled.astype(np.float64), reference(clips_BTHWC).pooled.astype(np.float64)
    length = np.linalg.norm(theirs, axis=1)
    cosine = (ours * theirs).sum(1) / (np.linalg.norm(ours, axis=1) * length)
    return {"least_cosine": cosine.min(), "largest_error": (np.linalg.norm(ours - theirs, axis=1) / length).max()}


def decoder_rate(video: Path, seconds: float) -> float:
    """Return clips/s of one decoder that gives 224 x 224 clips of a video, again and again."""
    source = list_videos(str(video)).videos[0]
    stored = StoredVideo(source, StoreOptions())
    with VideoReader() as reader:
        index = reader.index(stored)
        clips, started = 0, time.perf_counter()
        while not clips or time.perf_counter() - started < seconds:
            for clip in reader.clips(stored, index, 0, index.num_frames // 16, ClipSpec(), Geometry()):
                clip.release()
                clips += 1
        return clips / (time.perf_counter() - started)


def job_rate(backbone: Backbone, manifest: Path, out: Path, device: torch.device, precision: Precision) -> float:
    """Return clips/s of a whole extraction on Ray or, on processors, in this process, start included."""
    weights = resolve_backbone(backbone, "random:0")
    config = FeatureConfig(weights.weights.identity, backbone, precision=precision)
    on_gpu = device.type == "cuda"
    pool = PoolOptions() if on_gpu else PoolOptions(gpus_per_worker=0)
    options = ExtractOptions(str(manifest), str(out), config, weights, pool=pool, use_ray=on_gpu)
    started = time.perf_counter()
    summary = extract(options)
    assert summary.exit_code == 0, f"the extraction ended with {summary.exit_code}"
    return summary.clips / (time.perf_counter() - started)


def training_rate(
    model: str, width: int, precision: Precision, device: torch.device, clock: Clock, pairs: int
) -> float:
    """Return steps/s of a model on random features in memory, batches of ``2 * pairs`` videos of 32 segments."""
    config = default_config(model, width)
    shape = (2 * pairs, 32, 49, width) if config.inputs == "cuboids" else (2 * pairs, 32, width)
    labels = torch.tensor([1.0] * pairs + [0.0] * pairs)
    batch = Batch(torch.arange(2 * pairs), labels, torch.rand(shape))
    trainer = Trainer(
        build_model(config, seed=0).to(device),
        build_criterion(config),
        Bags(lambda step: batch, lambda videos: batch.features[torch.from_numpy(videos)], 2 * pairs),
        TrainConfig(steps=1 << 30, pairs=pairs, precision=precision),
        SingleWorker(),
        device,
        labels=build_dynamic_labels(config, labels, segments=32),
    )
    steps = iter(range(1, 1 << 30))
    return clock.rate(lambda: trainer.train_step(next(steps)), SECONDS["training"])


def measure(device: torch.device, backbones: Sequence[Backbone], *, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield what the module's docstring lists, one dictionary each."""
    clock = Clock(device, quick=quick)
    precision: Precision = "bf16" if has_bf16(device) else "fp32"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    torch.set_num_threads(1 if quick else whole_cores())
    peak = peak_flops(device, clock, quick=quick)
    yield {"what": "peak", "device": name, "precision": precision, "tflops": peak / 1e12, "cores": whole_cores()}
    clip_THWC, rates = moving_textures(1), {}
    for backbone in backbones:
        weights = random_weights(0, BACKBONES[backbone].architectures[0])
        network = architecture_spec(weights.architecture).network(
            weights.model(), torch.bfloat16 if precision == "bf16" else torch.float32, device
        )
        with torch.inference_mode():
            found = network_rates(network, device, clock, clip_THWC)
        rates[backbone] = found["best"] / CROPS.get(backbone, 1)
        share = found["best"] * flops_of(weights, clip_THWC) / peak
        yield {
            "what": "network",
            "backbone": backbone,
            **found,
            "share_of_peak": share,
            "views": CROPS.get(backbone, 1),
        }
        extractor = FeatureExtractor(weights, precision=precision, device=str(device))
        clips = np.repeat(clip_THWC[None], extractor.batch_size * (1 if quick else 4), 0)
        rate = len(clips) * clock.rate(functools.partial(extractor, clips), SECONDS["extractor"])
        yield {"what": "extractor", "backbone": backbone, "clips_per_s": rate, "share": rate / found["best"]}
        reference = FeatureExtractor(weights, precision="fp32")
        few = np.stack([moving_textures(seed) for seed in range(1 if quick else 4)])
        yield {"what": "agreement", "backbone": backbone, **agreement(extractor, reference, few)}
    with tempfile.TemporaryDirectory() as folder:
        yield from _jobs(Path(folder), device, rates, precision, quick=quick)
    for model, width in MODELS.items():
        by_precision = {
            each: training_rate(model, 16 if quick else width, each, device, clock, 1 if quick else 16)
            for each in (("fp32", "bf16") if precision == "bf16" else ("fp32",))
        }
        yield {"what": "training", "model": model, "steps_per_s": by_precision}


def _jobs(
    folder: Path, device: torch.device, rates: dict[Backbone, float], precision: Precision, *, quick: bool
) -> Iterator[dict[str, Any]]:
    cores = whole_cores()
    manifest = render_demo(folder / "videos", videos=2 if quick else 4 * cores, seconds=2.0 if quick else 60.0)
    first = folder / "videos" / read_records(str(manifest))[0].uri
    decoder = decoder_rate(first, 0.0 if quick else SECONDS["decoder"])
    needed = {backbone: rate / decoder for backbone, rate in rates.items()}
    yield {"what": "decoder", "clips_per_s_and_core": decoder, "cores_that_feed_the_network": needed}
    for backbone, rate in rates.items():
        if CROPS.get(backbone, 1) > 1:
            continue  # ten crops are a matter of the network alone
        job = job_rate(backbone, manifest, folder / backbone, device, precision)
        yield {"what": "job", "backbone": backbone, "cores": cores, "clips_per_s": job, "share_of_network": job / rate}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print each result as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--backbones", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--quick", action="store_true", help="one call of each, on tiny inputs: shows that it runs")
    args = parser.parse_args(argv)
    started = time.monotonic()
    for found in measure(torch.device(args.device), args.backbones, quick=args.quick):
        sys.stdout.write(json.dumps({**found, "after_s": round(time.monotonic() - started, 1)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
