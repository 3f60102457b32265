"""Steps per second of training, beside a loop of the public RTFM code's kind on the same features and model.

Run ``python -m tests.bench.bench_train`` (about a minute; ``--clips`` and ``--videos`` for larger data). In one run, in
turns, so that a busy machine slows all alike:

  plain   what public repositories do: a ``.npy`` of ``[T, 10, 2048]`` float32 for every video, read whole in
          ``__getitem__``, every crop resampled to 32 segments each time, two DataLoaders without workers
  ours    the segment cache: pooled once, mapped to memory, gathered by index

First the data path alone, then whole steps of the same network and loss with Adam, ours also with ``--precision bf16``
where the processor multiplies it. The plain loop is given crops that
are averaged before the network; the public code sends all ten through it, ten times the work.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from tests.features.factories import write_features
from wsvad.backbones.names import Precision
from wsvad.devices import has_bf16
from wsvad.features.cache import SegmentCache
from wsvad.features.reading import FeatureSet
from wsvad.loop.group import SingleWorker
from wsvad.models.contract import Criterion, MilModel
from wsvad.models.registry import build_criterion, build_model, default_config
from wsvad.models.temporal_conv import TemporalConv
from wsvad.training.batches import BalancedSampler, Batch, make_batch
from wsvad.training.config import TrainConfig
from wsvad.training.trainer import Bags, Trainer

CROPS, DIM, SEGMENTS = 10, 2048, 32


class NpyVideos(Dataset[tuple[np.ndarray, float]]):
    """Videos of one class, as public loaders read them."""

    def __init__(self, paths: list[Path], label: float) -> None:
        self._paths, self._label = paths, label

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[np.ndarray, float]:
        features = np.array(np.load(self._paths[index], allow_pickle=False), dtype=np.float32).transpose(1, 0, 2)
        return np.array([_resample(crop) for crop in features], dtype=np.float32), self._label


def _resample(features_TD: np.ndarray) -> np.ndarray:
    """Mean of each of 32 ranges, segment by segment in Python."""
    found = np.zeros((SEGMENTS, features_TD.shape[1]), np.float32)
    edges = np.linspace(0, len(features_TD), SEGMENTS + 1, dtype=int)
    for i in range(SEGMENTS):
        one = features_TD[edges[i]] if edges[i] == edges[i + 1] else features_TD[edges[i] : edges[i + 1]].mean(0)
        found[i] = one
    return found


def plain_batches(paths: dict[int, list[Path]], pairs: int) -> Iterator[Batch]:
    """Endless batches: an anomalous and a normal DataLoader, begun again when they end."""
    loaders = [
        DataLoader(NpyVideos(paths[label], float(label)), pairs, shuffle=True, drop_last=True) for label in (1, 0)
    ]
    while True:
        for (anomalous, ones), (normal, zeros) in zip(*loaders, strict=False):
            features = torch.cat([anomalous, normal]).mean(1)
            labels = torch.cat([ones, zeros]).float()
            yield Batch(torch.zeros(len(labels), dtype=torch.int64), labels, features)


def plain_network(model: MilModel) -> MilModel:
    """Return the model with convolutions computed by ``nn.Conv1d``, as in public code."""

    def convolve(layer: TemporalConv, x_BTD: Tensor) -> Tensor:
        padding = layer.dilation[0] * (layer.kernel_size[0] // 2)
        return functional.conv1d(x_BTD.mT, layer.weight, layer.bias, padding=padding, dilation=layer.dilation).mT

    for layer in model.modules():
        if isinstance(layer, TemporalConv):
            layer.forward = partial(convolve, layer)  # type: ignore[method-assign]
    return model


def plain_steps(batches: Iterator[Batch], model: MilModel, criterion: Criterion) -> Callable[[], object]:
    """A whole step of the plain loop."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=5e-3)

    def step() -> Tensor:
        batch = next(batches)
        optimizer.zero_grad()
        loss = criterion(model(batch.features), batch.labels_B)["total"]
        loss.backward()
        optimizer.step()
        return loss

    return step


def write_data(folder: Path, videos: int, clips: int) -> tuple[FeatureSet, dict[int, list[Path]]]:
    """Write the same random features for both: a data set of ours, and one ``.npy`` a video."""
    rng = np.random.default_rng(0)
    paths: dict[int, list[Path]] = {0: [], 1: []}
    for number in range(videos):
        length = int(rng.integers(clips // 2, 2 * clips))
        features = rng.random((length, CROPS, DIM), dtype=np.float32).astype(np.float16)
        write_features(folder / "features", {f"v{number:03d}": features})
        paths[number % 2].append(folder / f"v{number:03d}.npy")
        np.save(paths[number % 2][-1], features.astype(np.float32))
    return FeatureSet.open(str(folder / "features")), paths


def in_turns(forms: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return each form's median of calls per second, after one call that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in forms}
    for number in range(rounds + 1):
        for name, form in forms.items():
            started = time.perf_counter()
            form()
            if number:
                taken[name].append(time.perf_counter() - started)
    return {name: 1 / statistics.median(values) for name, values in taken.items()}


def main() -> None:
    """Measure, print a table and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=32)
    parser.add_argument("--clips", type=int, default=80, help="clips of a video, from half to twice as many")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        features, paths = write_data(Path(name), args.videos, args.clips)
        started = time.perf_counter()
        cache = SegmentCache.build(
            features, features.video_ids, segments=SEGMENTS, kind="pooled", folder=Path(name) / "cache"
        )
        built_s = time.perf_counter() - started
        labels = np.arange(args.videos) % 2
        sampler = BalancedSampler(labels, pairs=args.pairs, seed=0)
        config = default_config("rtfm", DIM)
        plain = plain_batches(paths, args.pairs)
        steps = iter(range(1 << 30))
        bags = Bags(
            lambda step: make_batch(cache, sampler.batch(step), labels),
            lambda videos: make_batch(cache, videos, labels).features,
            args.videos,
        )
        cpu = torch.device("cpu")

        def our_step(precision: Precision) -> Callable[[], object]:
            options = TrainConfig(steps=1 << 30, pairs=args.pairs, precision=precision)
            model, criterion = build_model(config, seed=0), build_criterion(config)
            trainer = Trainer(model, criterion, bags, options, SingleWorker(), cpu)
            return lambda: trainer.train_step(next(steps))

        forms = {
            "plain, data": lambda: next(plain),
            "ours, data": lambda: bags.batch(next(steps)),
            "plain, step": plain_steps(plain, plain_network(build_model(config, seed=0)), build_criterion(config)),
            "ours, step": our_step("fp32"),
        }
        if has_bf16(cpu):
            forms["ours, step in bf16"] = our_step("bf16")
        found = in_turns(forms, args.rounds)
    for form, rate in found.items():
        print(f"{form:18} {rate:8.2f} /s")
    ratios = {name: rate / found[f"plain, {name[6:10]}"] for name, rate in found.items() if name.startswith("ours")}
    print("times as fast as the plain loop: " + "; ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))
    print(f"pooled once, for all runs on these features: {built_s:.1f} s")
    print(json.dumps({"steps_per_s": found, "ratios": ratios, "cache_s": built_s, **vars(args)}))


if __name__ == "__main__":
    main()
