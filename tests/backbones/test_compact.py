"""The compact network: its fast form equals the plain one, static scenery has no effect, features are scaled."""

from __future__ import annotations

import pytest
import torch

from wsvad.backbones.compact import CompactNetwork, Readout, pooled, upsampled
from wsvad.backbones.compact_folded import FoldedCompactNetwork, UpsamplingStem
from wsvad.backbones.i3d import ConvUnit


def test_the_fast_form_equals_the_plain_network() -> None:
    """Up to fp32 rounding, on a network with non-trivial statistics; static scenery does not change the features."""
    torch.manual_seed(0)
    model = CompactNetwork()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    model.eval()
    clips = torch.randint(0, 200, (1, 16, 224, 224, 3), dtype=torch.uint8)
    with torch.inference_mode():
        plain = model(clips)
        fast = FoldedCompactNetwork(model, dtype=torch.float32, device=torch.device("cpu")).features(clips)
        scenery = torch.randint(0, 55, (1, 1, 224, 224, 1), dtype=torch.uint8).expand(1, 16, -1, -1, 3)
        elsewhere = model(clips + scenery)
    for a, b, c in zip(plain, fast, elsewhere, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(c, a, rtol=1e-4, atol=1e-4)
    assert plain.pooled_BD.shape == (1, 56)
    assert plain.cuboids_BKC.shape == (1, 49, 160)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (14, 9), (7, 32), (1, 2), (3, 1)])
@pytest.mark.parametrize("frames", [16, 5])
def test_the_upsampling_stem_equals_upsampling_then_convolution(frames: int, height: int, width: int) -> None:
    """Up to rounding, at the borders too, for sides of any size, and again after another clip size."""
    torch.manual_seed(0)
    unit = ConvUnit(1, 16, (7, 7, 7), (2, 4, 4)).eval()
    assert unit.bn.running_mean is not None
    unit.bn.running_mean.normal_()
    stem = UpsamplingStem(unit, dtype=torch.float32, device=torch.device("cpu"))
    with torch.inference_mode():
        for _ in range(2):
            video = torch.randn(2, 1, frames, height, width)
            torch.testing.assert_close(stem(video.permute(0, 2, 3, 4, 1)), unit(upsampled(video)), rtol=1e-4, atol=1e-5)


def test_the_upsampling_stem_works_in_bfloat16() -> None:
    """In bfloat16 the taps are padded with a zero channel."""
    torch.manual_seed(0)
    unit = ConvUnit(1, 16, (7, 7, 7), (2, 4, 4)).eval()
    video = torch.randn(1, 1, 8, 14, 14)
    with torch.inference_mode():
        stem = UpsamplingStem(unit, dtype=torch.bfloat16, device=torch.device("cpu"))
        got = stem(video.permute(0, 2, 3, 4, 1))
        torch.testing.assert_close(got.float(), unit(upsampled(video)), rtol=0.02, atol=0.02)
    assert got.dtype == torch.bfloat16


def test_features_are_scaled_by_the_calibration() -> None:
    """After calibration the cuboids' answers have mean 0, all features have deviation 1, and others are not shifted."""
    torch.manual_seed(0)
    readout = Readout()
    loudness = torch.arange(0, 60, 10).reshape(6, 1, 1, 1, 1)
    large, small = torch.rand(6, 132, 4, 14, 14) * loudness, torch.rand(6, 132, 4, 7, 7) * loudness
    with torch.inference_mode():
        raw = readout.raw(large, small)
        readout.calibrate(raw)
        features = readout(large, small)
    assert raw.answers_BKA.shape == (6, 49, 28)
    assert raw.activations_BKC.shape == (6, 49, 132)
    cuboids = features.cuboids_BKC.flatten(0, 1)
    torch.testing.assert_close(cuboids[:, :28].mean(0), torch.zeros(28), atol=1e-3, rtol=0)
    for values in (features.pooled_BD, cuboids):
        deviation = values.std(0, correction=0)
        assert bool(((deviation > 0.5) & (deviation < 1.001)).all())  # a little below 1, where it is next to nothing
    usual = torch.cat([raw.answers_BKA.mean(1), raw.answers_BKA.amax(1)], 1)
    torch.testing.assert_close(pooled(raw.answers_BKA), usual)
    # Norms must be meaningful: zero features stay zero.
    assert bool((features.cuboids_BKC[0, :, 28:] == 0).all())
    torch.testing.assert_close(features.pooled_BD * (readout.pooled_deviation + 1e-3), usual, rtol=1e-5, atol=1e-6)


def test_a_cuboid_takes_the_maximum_of_its_four_cells_and_both_scales() -> None:
    """Cuboids are in row-major order: the right end of the first row is the seventh."""
    torch.manual_seed(0)
    readout = Readout()
    large, small = torch.zeros(1, 132, 4, 14, 14), torch.zeros(1, 132, 4, 7, 7)
    quiet = readout.raw(large, small)
    large[:, :, :, 1, 12] = 5.0
    with torch.inference_mode():
        loud = readout.raw(large, small)
        small[:, :, :, 1, 0] = 3.0
        both = readout.raw(large, small)
    assert (loud.answers_BKA > quiet.answers_BKA).any(2)[0].nonzero().flatten().tolist() == [6]
    torch.testing.assert_close(both.answers_BKA, loud.answers_BKA, rtol=0, atol=0)  # they are the large picture's
    expected = torch.zeros(49)
    expected[6], expected[7] = 2.5, 1.5
    torch.testing.assert_close(both.activations_BKC[0], expected.unsqueeze(1).expand(-1, 132))


def test_upsampling_does_not_shift_pictures() -> None:
    """A linear gradient stays linear: the centre of each pixel is the centre of the four that it becomes."""
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    video = (2 * rows + 3 * columns).expand(1, 1, 2, 8, 8)
    large = upsampled(video)
    assert large.shape == (1, 1, 2, 16, 16)
    torch.testing.assert_close(
        torch.nn.functional.avg_pool2d(large[0, 0], 2)[:, 1:-1, 1:-1], video[0, 0, :, 1:-1, 1:-1]
    )
