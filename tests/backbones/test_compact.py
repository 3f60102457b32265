"""The compact network: fast and plain are one, scenery is nothing to it, its features count from what is usual."""

from __future__ import annotations

import pytest
import torch

from wsvad.backbones.compact import CompactNetwork, Readout, enlarged, pooled
from wsvad.backbones.compact_folded import EnlargingStem, FoldedCompactNetwork
from wsvad.backbones.i3d import ConvUnit


def test_the_fast_form_is_the_plain_network() -> None:
    """To fp32 rounding, on a network with statistics of its own; scenery that stands still changes nothing."""
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
def test_what_is_not_enlarged_gives_what_the_enlarged_picture_gives(frames: int, height: int, width: int) -> None:
    """To rounding, at the borders too, for sides of any size; and again with the work space of another clip."""
    torch.manual_seed(0)
    unit = ConvUnit(1, 16, (7, 7, 7), (2, 4, 4)).eval()
    assert unit.bn.running_mean is not None
    unit.bn.running_mean.normal_()
    stem = EnlargingStem(unit, dtype=torch.float32, device=torch.device("cpu"))
    with torch.inference_mode():
        for _ in range(2):
            video = torch.randn(2, 1, frames, height, width)
            torch.testing.assert_close(stem(video.permute(0, 2, 3, 4, 1)), unit(enlarged(video)), rtol=1e-4, atol=1e-5)


def test_weights_of_fewer_bits_are_near() -> None:
    """In bfloat16 the taps are filled up with a channel that weighs nothing."""
    torch.manual_seed(0)
    unit = ConvUnit(1, 16, (7, 7, 7), (2, 4, 4)).eval()
    video = torch.randn(1, 1, 8, 14, 14)
    with torch.inference_mode():
        stem = EnlargingStem(unit, dtype=torch.bfloat16, device=torch.device("cpu"))
        got = stem(video.permute(0, 2, 3, 4, 1))
        torch.testing.assert_close(got.float(), unit(enlarged(video)), rtol=0.02, atol=0.02)
    assert got.dtype == torch.bfloat16


def test_features_count_from_what_is_usual() -> None:
    """Of clips taken as usual, cuboids' answers have mean 0; all deviate by 1; what is only scaled keeps its nought."""
    torch.manual_seed(0)
    readout = Readout()
    loudness = torch.arange(0, 60, 10).reshape(6, 1, 1, 1, 1)
    large, small = torch.rand(6, 132, 4, 14, 14) * loudness, torch.rand(6, 132, 4, 7, 7) * loudness
    with torch.inference_mode():
        raw = readout.raw(large, small)
        readout.measure_usual(raw)
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
    # Lengths are to mean something: what is nought stays nought.
    assert bool((features.cuboids_BKC[0, :, 28:] == 0).all())
    torch.testing.assert_close(features.pooled_BD * (readout.pooled_deviation + 1e-3), usual, rtol=1e-5, atol=1e-6)


def test_a_cuboid_gives_the_highest_of_its_four_cells_and_both_scales() -> None:
    """And the cuboids are row by row: what is at the right end of the first row is in the seventh."""
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


def test_pictures_are_enlarged_without_a_shift() -> None:
    """A plane stays a plane: the middle of each pixel is the middle of the four that come of it."""
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    video = (2 * rows + 3 * columns).expand(1, 1, 2, 8, 8)
    large = enlarged(video)
    assert large.shape == (1, 1, 2, 16, 16)
    torch.testing.assert_close(
        torch.nn.functional.avg_pool2d(large[0, 0], 2)[:, 1:-1, 1:-1], video[0, 0, :, 1:-1, 1:-1]
    )
