"""The ResNet-50 I3D equals the published one, and its fast form equals the plain one."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.backbones.reference import DATA, RESNET, cosine, published_shapes, rule_state
from wsvad.backbones.folded import FusedConv
from wsvad.backbones.resnet import CUBOID_DIM, DEVIATION, MEAN, POOLED_DIM, ResNet50I3d, ResNetMaps
from wsvad.backbones.resnet_folded import FoldedResNet50I3d, Stem, fold
from wsvad.backbones.resnet_untrained import norms, untrained_resnet_state
from wsvad.backbones.untrained import moving_textures
from wsvad.errors import UsageError
from wsvad.video.geometry import Geometry

TOLERANCE = 1e-4
CPU = torch.device("cpu")
DIGEST_OF_SEED_0 = "8f9ead65fddc3b85f7ab78e6cf7c8ab715a561f5cb4eb255aebb58587e43f028"
DTYPES = [torch.float32, torch.bfloat16]


def normalised(clips_BTHWC: torch.Tensor) -> torch.Tensor:
    """Normalize RGB ``[B, T, H, W, 3]``, 0 to 255, for the plain model: fp32 ``[B, 3, T, H, W]`` with unit scale."""
    return (clips_BTHWC.permute(0, 4, 1, 2, 3).float() - MEAN) / DEVIATION


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    """Values of the independent implementation."""
    with np.load(DATA / "i3d_r50.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def model() -> ResNet50I3d:
    """The plain model with the weights behind the reference values."""
    model = ResNet50I3d().eval().requires_grad_(False)
    model.load_state_dict(rule_state(RESNET))
    return model


@pytest.fixture(scope="module", params=["square", "odd"])
def case(request, reference, model) -> tuple[str, ResNetMaps]:
    """One of the two stored inputs, and the maps that the model computes for it."""
    shape = tuple(reference[f"{request.param}_input_shape"])
    video = np.random.Generator(np.random.PCG64(7)).uniform(-1, 1, shape).astype(np.float32)
    with torch.inference_mode():
        return request.param, model.maps(torch.from_numpy(video))


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    """Eight frames of 224x224 pixels, uint8."""
    return torch.from_numpy(moving_textures(101)[None, :8])


@pytest.fixture(scope="module")
def plain_maps(model, clip) -> ResNetMaps:
    """Maps of the plain model for the clip."""
    with torch.inference_mode():
        return model.maps(normalised(clip))


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference relative to the largest expected value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def assert_close(got: torch.Tensor, expected: torch.Tensor, tolerance: float = TOLERANCE) -> None:
    """Check that every position agrees, relative to the largest value."""
    assert got.shape == expected.shape
    assert torch.allclose(got, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


def test_parameters_have_the_published_names_and_shapes():
    """A converted public file loads without renaming: same names and shapes, nothing else; 27 million for features."""
    ours = {name: tuple(tensor.shape) for name, tensor in ResNet50I3d().state_dict().items()}
    assert ours == published_shapes(RESNET)
    assert sum(p.numel() for p in ResNet50I3d(num_classes=None).parameters()) == 27_223_872


@pytest.mark.parametrize("endpoint", ["res4", "res5"])
def test_activations_agree_with_an_independent_implementation(case, reference, endpoint):
    """4,096 positions and every channel's mean agree to 1e-4, for the usual size and one with odd maps."""
    name, maps = case
    activation, prefix = getattr(maps, f"{endpoint}_BCTHW").numpy(), f"{name}_{endpoint}"
    assert activation.shape == tuple(reference[f"{prefix}_shape"])
    sampled = activation.reshape(-1)[reference[f"{prefix}_index"]]
    assert relative_error(sampled, reference[f"{prefix}_value"]) < TOLERANCE
    assert relative_error(activation.mean((2, 3, 4)), reference[f"{prefix}_mean"]) < TOLERANCE


def test_logits_agree_with_an_independent_implementation(case, reference, model):
    """The classifier applied to the mean of ``res5`` gives the stored logits."""
    name, maps = case
    with torch.inference_mode():
        logits = model.fc(maps.res5_BCTHW.mean((2, 3, 4)))
    assert relative_error(logits.numpy(), reference[f"{name}_logits"]) < TOLERANCE


def test_features_agree_with_an_independent_implementation(reference, model):
    """``forward`` gives the stored 2048 pooled features and 49 cuboids of 1024 for one clip."""
    shape = tuple(reference["square_input_shape"])
    video = np.random.Generator(np.random.PCG64(7)).uniform(-1, 1, shape).astype(np.float32)
    with torch.inference_mode():
        features = model(torch.from_numpy(video))
    assert (features.pooled_BD.shape, features.cuboids_BKC.shape) == ((1, POOLED_DIM), (1, 49, CUBOID_DIM))
    assert relative_error(features.pooled_BD.numpy(), reference["square_res5_mean"]) < TOLERANCE
    assert relative_error(features.cuboids_BKC[0].numpy(), reference["square_cuboids"]) < TOLERANCE


def test_normalisation_is_that_of_kinetics_for_every_colour():
    """All byte values: 0 becomes -2, 114.75 becomes 0, 255 becomes 2.444; the colour order is red, green, blue."""
    values = torch.arange(256, dtype=torch.uint8)
    clip = torch.stack([values, values.flip(0), torch.zeros_like(values)], -1).reshape(1, 4, 8, 8, 3)
    video = normalised(clip)
    expected = (np.arange(256) / 255 - 0.45) / 0.225
    assert video.shape == (1, 3, 4, 8, 8)
    np.testing.assert_allclose(video[0, 0].flatten(), expected, atol=1e-6)
    np.testing.assert_allclose(video[0, 1].flatten(), expected[::-1], atol=1e-6)
    np.testing.assert_allclose(video[0, 2].flatten(), np.full(256, -2.0), atol=1e-6)


def test_the_stem_processes_ten_crops_like_rtfm(model):
    """Corners, centre and their mirror images, normalized by 0.45 and 0.225 of white, with zero padding afterwards."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (7, 72, 90, 3), dtype=np.uint8)
    lefts, tops = (0, 26, 0, 26, 13), (0, 0, 8, 8, 4)
    crops = [frames[:, top : top + 64, left : left + 64] for left, top in zip(lefts, tops, strict=True)]
    expected = (np.stack(crops + [crop[:, :, ::-1] for crop in crops]) / 255 - 0.45) / 0.225
    video = torch.from_numpy(expected.transpose(0, 4, 1, 2, 3)).float()
    views = torch.from_numpy(Geometry("ten-crop", size=64, resize=72).crops(frames))
    with torch.inference_mode():
        got = Stem(model.conv1, model.bn1, torch.float32, CPU)(views)
        assert_close(got, functional.relu(model.bn1(model.conv1(video))), 1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_stem_accepts_any_size(model, dtype):
    """Frames of odd sizes, one size after another; bfloat16 differs only by rounding."""
    rng = np.random.default_rng(1)
    stem = Stem(model.conv1, model.bn1, dtype, CPU)
    for size in [(1, 7, 33, 46), (2, 8, 32, 31), (1, 7, 33, 46)]:
        clips = torch.from_numpy(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        with torch.inference_mode():
            expected = functional.relu(model.bn1(model.conv1(normalised(clips))))
            assert_close(stem(clips).float(), expected, 1e-5 if dtype == torch.float32 else 2e-2)


def test_the_fast_form_agrees_with_the_plain_model(model, clip, plain_maps):
    """In fp32 every position of both maps agrees to 1e-4 of the largest, and so do the features."""
    fast = FoldedResNet50I3d(model, dtype=torch.float32, device=CPU)
    with torch.inference_mode():
        for _ in range(2):
            for got, expected in zip(fast.maps(clip), plain_maps, strict=True):
                assert_close(got, expected)
        features = fast.features(clip)
    assert_close(features.pooled_BD, plain_maps.res5_BCTHW.mean((2, 3, 4)))
    assert features.cuboids_BKC.shape == (1, 49, CUBOID_DIM)


def test_bf16_stays_close_to_fp32(model, clip, plain_maps):
    """Cosine to fp32: ``res4``, position by position, and the features, at least 0.9995."""
    fast = FoldedResNet50I3d(model, dtype=torch.bfloat16, device=CPU)
    with torch.inference_mode():
        maps = fast.maps(clip)
        features = fast.features(clip)
    assert {each.dtype for each in maps} == {torch.bfloat16}
    assert {each.dtype for each in features} == {torch.float32}
    assert cosine(maps.res4_BCTHW, plain_maps.res4_BCTHW) > 0.9995
    assert cosine(features.pooled_BD, plain_maps.res5_BCTHW.mean((2, 3, 4))) > 0.9995


def test_folding_is_convolution_then_batch_norm(model):
    """One convolution with a bias equals a convolution followed by batch norm, for each kind in the network."""
    block = model.layer2[0]
    pairs = ((block.conv1, block.bn1), (block.conv2, block.bn2), (block.conv3, block.bn3), tuple(block.downsample))
    for conv, norm in pairs:
        x = torch.rand(1, conv.in_channels, 3, 9, 9)
        weight, bias = fold(conv, norm)
        with torch.inference_mode():
            assert_close(functional.conv3d(x, weight, bias, conv.stride, conv.padding), norm(conv(x)), 1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("relu", [True, False])
def test_the_fused_call_adds_a_shortcut(monkeypatch, dtype, relu):
    """The oneDNN call equals PyTorch's public functions, and so does the fallback without it."""
    torch.manual_seed(0)
    x, residual = (
        torch.randn(2, n, 4, 9, 9).to(dtype).contiguous(memory_format=torch.channels_last_3d) for n in (8, 16)
    )
    weight, bias = torch.randn(16, 8, 1, 1, 1).to(dtype), torch.randn(16)
    expected = functional.conv3d(x.float(), weight.float(), bias) + residual.float()
    expected = expected.relu() if relu else expected
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    with torch.inference_mode():
        fused = FusedConv(weight, bias, (0, 0, 0), relu=relu)(x, residual.clone())
        assert_close(fused.float(), expected, tolerance)
        monkeypatch.delattr(torch.ops.mkldnn, "_convolution_pointwise")
        monkeypatch.setattr(type(torch.ops.mkldnn), "__getattr__", _no_such_operator)
        separate = FusedConv(weight, bias, (0, 0, 0), relu=relu)(x, residual.clone())
        assert_close(separate.float(), expected, tolerance)


def _no_such_operator(_self: object, name: str) -> None:
    raise AttributeError(name)


@pytest.mark.parametrize("frames", [1, 6])
def test_clips_too_short_are_refused(model, frames):
    """Fewer than seven frames leave no time step: a usage error in both forms, before anything runs."""
    clips = torch.zeros(1, frames, 8, 8, 3, dtype=torch.uint8)
    with pytest.raises(UsageError, match=f"at least 7 frames, got {frames}"):
        model.maps(normalised(clips))
    with pytest.raises(UsageError, match=f"at least 7 frames, got {frames}"):
        FoldedResNet50I3d(model, dtype=torch.float32, device=CPU).maps(clips)


@pytest.fixture(scope="module")
def untrained() -> dict[str, torch.Tensor]:
    """State of an untrained network, seed 0."""
    return untrained_resnet_state(0)


def test_untrained_activations_have_the_scale_of_trained_ones(untrained):
    """On a clip other than the calibration clip, ``res4`` and ``res5`` have scale 1 to 3, with few dead channels."""
    model = ResNet50I3d(num_classes=None).eval().requires_grad_(False)
    model.load_state_dict(untrained)
    with torch.inference_mode():
        maps = model.maps(normalised(torch.from_numpy(moving_textures(102)[None, :8])))
    for each in maps:
        assert 0.5 < float(each.square().mean().sqrt()) < 4
        assert float(each.amax((2, 3, 4)).gt(0).float().mean()) > 0.95


def test_an_untrained_network_is_calibrated_exactly(untrained):
    """The first batch norm has the mean and variance of its convolution on the calibration clip."""
    video = normalised(torch.from_numpy(moving_textures(0)[None])).double()
    conv = functional.conv3d(video, untrained["conv1.weight"][:4].double(), stride=2, padding=(2, 3, 3))
    variance, mean = torch.var_mean(conv, (0, 2, 3, 4), correction=0)
    assert_close(untrained["bn1.running_mean"][:4].double(), mean, 1e-5)
    assert_close(untrained["bn1.running_var"][:4].double(), variance, 1e-5)


def test_a_seed_gives_the_same_weights_everywhere(untrained):
    """The tensors of seed 0 have this digest; sums of integers below 2**24 do not depend on their order."""
    total = hashlib.sha256()
    for name in sorted(untrained):
        if not name.endswith("num_batches_tracked"):
            total.update(name.encode() + untrained[name].numpy().tobytes())
    assert total.hexdigest() == DIGEST_OF_SEED_0


def test_every_convolution_has_its_batch_norm(model):
    """53 pairs of matching width."""
    pairs = norms(model)
    assert len(pairs) == len(set(pairs.values())) == 53
    for conv, norm in pairs.items():
        batch_norm = model.get_submodule(norm)
        assert isinstance(batch_norm, nn.BatchNorm3d)
        assert batch_norm.num_features == model.get_submodule(conv).out_channels
