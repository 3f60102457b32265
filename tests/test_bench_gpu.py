"""The GPU benchmark runs on a processor: each of its measurements once, with plausible values."""

from __future__ import annotations

import json

from tests.bench import bench_gpu


def test_every_measurement_is_printed(capsys):
    """With one backbone; rates are above 0, features agree with those in fp32, shares are of what they should be."""
    bench_gpu.main(["--device", "cpu", "--quick", "--backbones", "i3d-compact"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = ["peak", "network", "extractor", "agreement", "decoder", "job", *3 * ["training"]]
    assert [each["what"] for each in found] == kinds
    by_kind = {each["what"]: each for each in found}
    assert by_kind["peak"]["tflops"] > 0
    assert by_kind["network"]["best"] == by_kind["network"]["clips_per_s"]["eager"]["1"] > 0
    assert 0 < by_kind["network"]["share_of_peak"] < 2  # one call of each: a busy machine may slow either
    assert by_kind["agreement"]["least_cosine"] > 0.99
    assert by_kind["decoder"]["cores_that_feed_the_network"]["i3d-compact"] > 0
    assert by_kind["job"]["clips_per_s"] > 0
    assert all(min(each["steps_per_s"].values()) > 0 for each in found if each["what"] == "training")


def test_operations_of_a_clip_are_counted():
    """Full I3D with 16 frames of 224 x 224: 27.8e9 multiplications (docs/decisions/0001-i3d-fast-path.md)."""
    clip = bench_gpu.moving_textures(1)
    flops = bench_gpu.flops_of(bench_gpu.random_weights(0), clip)
    assert 55e9 < flops < 56.5e9
