"""The fast form equals the plain model: exactly where only the order of operations differs, else within bounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.backbones.reference import as_video, cosine
from wsvad.backbones.folded import FoldedI3d, FusedConv, Stem, neighbourhood_max, round_weight, strided_pool
from wsvad.backbones.i3d import ConvUnit, InceptionI3d, MaxPoolSame, pool_maps
from wsvad.backbones.untrained import moving_textures

CPU = torch.device("cpu")
SIZES = [(1, 5, 7), (2, 8, 9), (3, 14, 14), (4, 6, 2)]


@pytest.fixture(scope="module")
def untrained_maps(untrained, clips):
    """Maps of the plain fp32 model for the test clips."""
    with torch.inference_mode():
        return untrained.model().maps(as_video(clips))


def test_fp32_agrees_with_the_plain_model(untrained, clips, untrained_maps):
    """In fp32 every position of both maps agrees to 1e-4 of the largest."""
    fast = FoldedI3d(untrained.model(), dtype=torch.float32, device=CPU)
    with torch.inference_mode():
        maps = fast.maps(torch.from_numpy(clips[:1]))
    for got, expected in zip(maps, untrained_maps, strict=True):
        assert torch.allclose(got, expected[:1], rtol=0, atol=1e-4 * float(expected.max()))


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_any_clip_length_agrees_with_the_plain_model(rule_model, frames):
    """Other lengths, whose temporal padding differs, agree as well, one after another."""
    fast = FoldedI3d(rule_model, dtype=torch.float32, device=CPU)
    clip = moving_textures(9)[None, :frames]
    with torch.inference_mode():
        fast.maps(torch.from_numpy(clip[:, :1]))
        for got, expected in zip(fast.maps(torch.from_numpy(clip)), rule_model.maps(as_video(clip)), strict=True):
            assert torch.allclose(got, expected, rtol=0, atol=1e-4 * float(expected.max()))


def test_bf16_stays_close_to_fp32(untrained, clips, untrained_maps):
    """Cosine to fp32: Mixed_4e, position by position, at least 0.998; features 0.999.

    An untrained network amplifies rounding more from layer to layer than a trained one, so this is the hard case.
    """
    fast = FoldedI3d(untrained.model(), dtype=torch.bfloat16, device=CPU)
    for index, clip in enumerate(clips):
        with torch.inference_mode():
            maps = fast.maps(torch.from_numpy(clip[None]))
        expected = type(untrained_maps)(*(each[index : index + 1] for each in untrained_maps))
        assert cosine(maps.mixed_4e_BCTHW, expected.mixed_4e_BCTHW) > 0.998
        for got, want in zip(pool_maps(maps), pool_maps(expected), strict=True):
            assert cosine(got, want) > 0.999


def test_bf16_on_the_reference_weights(rule_model, clips):
    """With the published reference's weights, pooled features agree to a cosine of 0.9995, Mixed_4e to 0.998."""
    fast = FoldedI3d(rule_model, dtype=torch.bfloat16, device=CPU)
    with torch.inference_mode():
        maps, expected = fast.maps(torch.from_numpy(clips[:1])), rule_model.maps(as_video(clips[:1]))
    assert cosine(maps.mixed_4e_BCTHW, expected.mixed_4e_BCTHW) > 0.998
    assert cosine(pool_maps(maps).pooled_BD, pool_maps(expected).pooled_BD) > 0.9995


@pytest.fixture(scope="module")
def small_model() -> InceptionI3d:
    """A quarter of the width, 2 channels, with asymmetric weights and statistics."""
    torch.manual_seed(0)
    model = InceptionI3d(None, width_divisor=4, in_channels=2).eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.1, 0.3)
    return model


@pytest.mark.parametrize("size", [(16, 112, 112), (16, 224, 224), (3, 49, 50)])
def test_any_width_channels_and_side_agree_with_the_plain_model(small_model, size):
    """A narrow network with two channels agrees on small, large and odd frames, from uint8 and from fp32."""
    fast = FoldedI3d(small_model, dtype=torch.float32, device=CPU)
    clip = np.random.default_rng(1).integers(0, 256, (1, *size, 2), np.uint8)
    with torch.inference_mode():
        expected = small_model.maps(as_video(clip))
        for clips in (torch.from_numpy(clip), torch.from_numpy(clip).float() / 127.5 - 1):
            for got, want in zip(fast.maps(clips), expected, strict=True):
                assert got.shape == want.shape
                assert float(want.max()) > 0
                assert torch.allclose(got, want, rtol=0, atol=1e-4 * float(want.max()))


@pytest.mark.parametrize("multiple", [2, 8])
def test_a_stem_with_other_stride_and_one_channel_is_the_same_convolution(multiple):
    """Stride 4 over fp32, as in the compact network; sizes that divide evenly and sizes that do not."""
    torch.manual_seed(0)
    unit = ConvUnit(1, 16, (7, 7, 7), (2, 4, 4)).eval().requires_grad_(False)
    for size in ((16, 224, 224), (3, 50, 45)):
        video = torch.randn(1, *size, 1)
        with torch.inference_mode():
            got = Stem(unit, multiple, torch.float32, CPU)(video)
            expected = unit(video.permute(0, 4, 1, 2, 3))
        assert got.shape == expected.shape
        assert torch.allclose(got, expected, rtol=0, atol=1e-4 * float(expected.max()))


@pytest.mark.parametrize(("frames", "multiple"), [(1, 2), (2, 1), (5, 8), (16, 1), (16, 2), (16, 8)])
def test_the_stem_on_uint8_equals_the_convolution_on_pixels(rule_model, frames, multiple):
    """The first convolution, rearranged to read uint8, equals the plain one on normalized pixels."""
    clip = moving_textures(3)[None, :frames]
    unit = rule_model.Conv3d_1a_7x7
    with torch.inference_mode():
        got, expected = Stem(unit, multiple, torch.float32, CPU)(torch.from_numpy(clip)), unit(as_video(clip))
    assert got.shape == expected.shape
    assert torch.allclose(got, expected, rtol=0, atol=1e-5 * float(expected.max()))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2))])
def test_pools_without_padded_copies_are_exact(size, kernel, stride):
    """Strided pools are bitwise identical to the plain ones on even, odd and single sizes."""
    x = torch.rand(2, 8, *size).contiguous(memory_format=torch.channels_last_3d)
    pool = MaxPoolSame(kernel, stride)
    assert torch.equal(strided_pool(pool)(x), pool(x))


@pytest.mark.parametrize("size", SIZES)
def test_the_separable_maximum_is_exact(size):
    """The 3x3x3 pool with stride 1 is bitwise identical to the plain one and does not modify its input."""
    x = torch.rand(2, 8, *size).contiguous(memory_format=torch.channels_last_3d)
    before = x.clone()
    assert torch.equal(neighbourhood_max(x), MaxPoolSame((3, 3, 3), (1, 1, 1))(x))
    assert torch.equal(x, before)


def test_the_fused_call_equals_convolution_bias_and_relu(monkeypatch):
    """The oneDNN call equals PyTorch's public functions, and so does the fallback without it."""
    torch.manual_seed(0)
    x = torch.randn(2, 8, 4, 9, 9).contiguous(memory_format=torch.channels_last_3d)
    weight, bias = torch.randn(16, 8, 3, 3, 3), torch.randn(16)
    expected = functional.conv3d(x, weight, bias, padding=1).relu()
    with torch.inference_mode():
        fused = FusedConv(weight, bias, (1, 1, 1))(x)
        monkeypatch.delattr(torch.ops.mkldnn, "_convolution_pointwise")
        monkeypatch.setattr(type(torch.ops.mkldnn), "__getattr__", lambda _self, name: _no_such_operator(name))
        separate = FusedConv(weight, bias, (1, 1, 1))(x)
    assert torch.allclose(fused, expected, rtol=1e-5, atol=1e-4)
    assert torch.allclose(separate, expected, rtol=1e-5, atol=1e-4)


def _no_such_operator(name: str) -> None:
    raise AttributeError(name)


def test_bf16_rounding_errors_cancel_over_a_kernel():
    """The sum over a kernel is off by at most half a step of one tap; plain rounding accumulates more."""
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=(32, 16, 3, 3, 3)).astype(np.float32))
    exact = weight.double().sum((2, 3, 4))
    carried = (round_weight(weight, torch.bfloat16).double().sum((2, 3, 4)) - exact).abs()
    plain = (weight.bfloat16().double().sum((2, 3, 4)) - exact).abs()
    half_step = weight.abs().amax((2, 3, 4)) * 2.0**-8
    assert (carried <= half_step).all()
    assert carried.mean() < plain.mean() / 3
    assert torch.equal(round_weight(weight[..., :1, :1, :1], torch.bfloat16), weight[..., :1, :1, :1].bfloat16())
    assert round_weight(weight, torch.float32) is weight
