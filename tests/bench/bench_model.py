"""Clips per second of the networks alone: every backbone against full I3D, and I3D form by form.

Run ``python -m tests.bench.bench_model --backbones`` for the first (one minute), without it for the second, against the
plain model and the machine's matrix multiplication (one minute; ``--inductor`` adds ``torch.compile``, which needs a
C++ compiler and two more minutes); ``--threads 2`` for more than one thread. What is compared takes turns, so that a
busy machine slows all alike, and the best of the rounds counts; with one thread it is processor time, which other
processes hardly touch.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from wsvad.backbones.extractor import FeatureExtractor, default_precision
from wsvad.backbones.folded import FoldedI3d
from wsvad.backbones.i3d import InceptionI3d
from wsvad.backbones.registry import BACKBONES, BackboneSpec
from wsvad.backbones.untrained import moving_textures
from wsvad.backbones.weights import random_weights

Form = Callable[[], object]


def forms(model: InceptionI3d, clip_THWC: Tensor, *, inductor: bool) -> dict[str, tuple[Form, int]]:
    """Return what is compared, the plain model first: a call and the number of clips that it handles."""
    cpu, bf16, fp32 = torch.device("cpu"), torch.bfloat16, torch.float32
    clip_BTHWC = clip_THWC.unsqueeze(0)

    def plain(net: nn.Module, dtype: torch.dtype, layout: torch.memory_format) -> Form:
        def run() -> object:
            video = (clip_BTHWC.permute(0, 4, 1, 2, 3).float() / 127.5 - 1).to(dtype)
            return net(video.contiguous(memory_format=layout))

        return run

    def folded(dtype: torch.dtype, clips: int) -> Form:
        net, batch = FoldedI3d(model, dtype=dtype, device=cpu), clip_BTHWC.expand(clips, -1, -1, -1, -1).contiguous()
        return lambda: net.maps(batch)

    last = torch.channels_last_3d
    half = model_copy(model).to(bf16).to(memory_format=last)
    found = {
        "plain fp32, as published": (plain(model, fp32, torch.contiguous_format), 1),
        "plain bf16, channels-last": (plain(half, bf16, last), 1),
        "folded fp32": (folded(fp32, 1), 1),
        "folded bf16": (folded(bf16, 1), 1),
        "folded bf16, 2 clips": (folded(bf16, 2), 2),
        "folded bf16, 4 clips": (folded(bf16, 4), 4),
    }
    if inductor:
        import torch._inductor.config as inductor_config

        inductor_config.freezing = True
        found["inductor bf16, freezing"] = (plain(torch.compile(half), bf16, last), 1)
        compiled = torch.compile(model_copy(model).to(memory_format=last))
        found["inductor fp32, freezing"] = (plain(compiled, fp32, last), 1)
    return found


def backbones(clip_THWC: Tensor) -> dict[str, tuple[Form, int]]:
    """Return every backbone in the form and precision that jobs use here, full I3D first, with untrained weights."""
    names = sorted(BACKBONES, key=lambda name: name != "i3d")
    rgb = clip_THWC.unsqueeze(0).numpy()

    def call(spec: BackboneSpec) -> Form:
        weights = [random_weights(0, architecture) for architecture in spec.architectures]
        extractor = FeatureExtractor(*weights, precision=default_precision())
        frames = rgb if "rgb" in spec.streams else None
        flow = np.ascontiguousarray(rgb[..., :2]) if spec.uses_flow else None
        return lambda: extractor(frames, flow)

    return {name: (call(BACKBONES[name]), 1) for name in names}


def model_copy(model: InceptionI3d) -> InceptionI3d:
    """Return the same network in its own memory."""
    copy = InceptionI3d(None).eval().requires_grad_(False)
    copy.load_state_dict(model.state_dict())
    return copy


def multiply_adds(model: InceptionI3d, clip_THWC: Tensor) -> float:
    """Return the multiplications of one clip in all convolutions, padding included, in units of 1e9."""
    total = 0

    def count(module: nn.Module, _inputs: object, out: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv3d)
        total += out.numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv3d)]
    model.maps(clip_THWC.permute(3, 0, 1, 2).unsqueeze(0).float())
    for hook in hooks:
        hook.remove()
    return total / 1e9


def matrix_peak(dtype: torch.dtype, clock: Callable[[], float]) -> float:
    """Return the machine's speed at a large matrix multiplication, 1e9 multiply-adds a second."""
    left, right = torch.randn(4096, 1024).to(dtype), torch.randn(1024, 1024).to(dtype)
    return 4096 * 1024 * 1024 / 1e9 / min(timed(lambda: nn.functional.linear(left, right), clock) for _ in range(7))


def timed(call: Form, clock: Callable[[], float]) -> float:
    """Return how long one call takes, seconds."""
    start = clock()
    call()
    return clock() - start


def main() -> None:
    """Measure and print a table, or JSON lines with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--backbones", action="store_true", help="compare backbones instead of forms of one")
    parser.add_argument("--inductor", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    clip_THWC = torch.from_numpy(moving_textures(1))
    with torch.inference_mode():
        if options.backbones:
            compared = backbones(clip_THWC)
            first, best = measured(compared, options.rounds, clock)
            report(compared, first, best, as_json=options.json)
            return
        model = random_weights(0).model()
        work = multiply_adds(model, clip_THWC)
        peak = {name: matrix_peak(dtype, clock) for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))}
        if not options.json:
            print(
                f"{work:.1f} G multiply-adds a clip; matrix peak fp32 {peak['fp32']:.0f}, bf16 {peak['bf16']:.0f} G/s"
            )
        compared = forms(model, clip_THWC, inductor=options.inductor)
        first, best = measured(compared, options.rounds, clock)
    shares = {name: round(work / best[name] / peak["bf16" if "bf16" in name else "fp32"], 2) for name in compared}
    report(compared, first, best, shares, as_json=options.json)


def measured(
    compared: dict[str, tuple[Form, int]], rounds: int, clock: Callable[[], float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return how long the first call of each took, and a clip in the best of the rounds, seconds."""
    first = {name: timed(call, time.perf_counter) for name, (call, _) in compared.items()}
    best = dict.fromkeys(compared, float("inf"))
    for _ in range(rounds):
        for name, (call, clips) in compared.items():
            best[name] = min(best[name], timed(call, clock) / clips)
    return first, best


def report(
    compared: dict[str, tuple[Form, int]],
    first: dict[str, float],
    best: dict[str, float],
    shares: dict[str, float] | None = None,
    *,
    as_json: bool,
) -> None:
    """Print what was measured, against what is compared first; ``shares`` are of the matrix peak."""
    base = best[next(iter(compared))]
    rows = [
        {
            "what": name,
            "ms_per_clip": round(best[name] * 1e3, 1),
            "clips_per_s": round(1 / best[name], 2),
            "times_first": round(base / best[name], 2),
            "first_call_s": round(first[name], 2),
            **({"share_of_matrix_peak": shares[name]} if shares else {}),
        }
        for name in compared
    ]
    if as_json:
        print("\n".join(json.dumps(row) for row in rows))
        return
    titles = ("ms/clip", "clips/s", "x first", "start s", *(("of peak",) if shares else ()))
    print(" " * 28 + "".join(f"{title:>9}" for title in titles))
    for row in rows:
        print(f"{row['what']:28}" + "".join(f"{value:>9}" for key, value in row.items() if key != "what"))


if __name__ == "__main__":
    main()
