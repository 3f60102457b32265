"""The plain model equals the published one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.backbones.reference import DATA, published_shapes
from wsvad.backbones.i3d import I3dMaps, InceptionI3d, pool_maps, same_padding
from wsvad.errors import UsageError

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    """Values of the public implementation."""
    with np.load(DATA / "i3d_inception.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module", params=["square", "odd"])
def case(request, reference, rule_model) -> tuple[str, I3dMaps]:
    """One of the two stored inputs, and the maps that the model computes for it."""
    shape = tuple(reference[f"{request.param}_input_shape"])
    video = np.random.Generator(np.random.PCG64(7)).uniform(-1, 1, shape).astype(np.float32)
    with torch.inference_mode():
        return request.param, rule_model.maps(torch.from_numpy(video))


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference relative to the largest expected value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def test_parameters_have_the_published_names_and_shapes():
    """A public weight file loads without renaming: same names, same shapes, nothing else."""
    ours = {name: tuple(tensor.shape) for name, tensor in InceptionI3d().state_dict().items()}
    assert ours == published_shapes()


@pytest.mark.parametrize("endpoint", ["mixed_4e", "mixed_5c"])
def test_activations_agree_with_the_public_implementation(case, reference, endpoint):
    """4,096 positions and every channel's mean agree to 1e-4, for the usual size and one with uneven padding."""
    name, maps = case
    activation = getattr(maps, f"{endpoint}_BCTHW").numpy()
    prefix = f"{name}_{endpoint}"
    assert activation.shape == tuple(reference[f"{prefix}_shape"])
    sampled = activation.reshape(-1)[reference[f"{prefix}_index"]]
    assert relative_error(sampled, reference[f"{prefix}_value"]) < TOLERANCE
    assert relative_error(activation.mean((2, 3, 4)), reference[f"{prefix}_mean"]) < TOLERANCE


def test_cuboids_pooled_and_logits_agree_with_the_public_implementation(reference, rule_model):
    """One forward pass gives the stored cuboids and mean of Mixed_5c; the classifier gives the stored logits."""
    shape = tuple(reference["square_input_shape"])
    video = torch.from_numpy(np.random.Generator(np.random.PCG64(7)).uniform(-1, 1, shape).astype(np.float32))
    with torch.inference_mode():
        maps = rule_model.maps(video)
        features = pool_maps(maps)
        logits = rule_model.logits(maps.mixed_5c_BCTHW)
    assert features.cuboids_BKC.shape == (1, 49, 528)
    assert relative_error(features.cuboids_BKC[0].numpy(), reference["square_cuboids"]) < TOLERANCE
    assert relative_error(features.pooled_BD.numpy(), reference["square_mixed_5c_mean"]) < TOLERANCE
    assert relative_error(logits[..., 0, 0].numpy(), reference["square_logits"]) < TOLERANCE


def test_forward_pools_the_maps(rule_model):
    """``forward`` returns the pooled maps."""
    video = torch.linspace(-1, 1, 3 * 2 * 224 * 224).reshape(1, 3, 2, 224, 224)
    with torch.inference_mode():
        direct, pooled = rule_model(video), pool_maps(rule_model.maps(video))
    assert torch.equal(direct.pooled_BD, pooled.pooled_BD)
    assert torch.equal(direct.cuboids_BKC, pooled.cuboids_BKC)


def test_cuboids_are_means_of_2x2_cells_row_by_row():
    """Cuboid ``7 * row + column`` is the mean over time and its 2x2 cells (checked with plain loops)."""
    rng = np.random.default_rng(0)
    mixed_4e = rng.random((2, 528, 3, 14, 14), dtype=np.float32)
    mixed_5c = rng.random((2, 1024, 2, 7, 7), dtype=np.float32)
    features = pool_maps(I3dMaps(torch.from_numpy(mixed_4e), torch.from_numpy(mixed_5c)))
    for row in range(7):
        for column in range(7):
            cells = mixed_4e[:, :, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            expected = cells.mean((2, 3, 4), dtype=np.float64)
            np.testing.assert_allclose(features.cuboids_BKC[:, 7 * row + column], expected, rtol=1e-5)
    np.testing.assert_allclose(features.pooled_BD, mixed_5c.mean((2, 3, 4), dtype=np.float64), rtol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(13, 14), (14, 15), (16, 16), (21, 21), (7, 14)])
def test_a_map_without_7x7_cuboids_is_refused(height, width):
    """Maps that are neither 14x14 nor 7x7 are a usage error that names valid frame sizes."""
    maps = I3dMaps(torch.zeros(1, 528, 4, height, width), torch.zeros(1, 1024, 2, 7, 7))
    with pytest.raises(UsageError, match=rf"14x14 or 7x7 cells, got {height}x{width}: use frames of 224x224"):
        pool_maps(maps)


def test_a_map_of_7x7_cells_has_one_cell_per_cuboid():
    """For frames of 112x112 pixels a cuboid is one cell: the mean over time alone."""
    mixed_4e = torch.rand(2, 132, 4, 7, 7)
    features = pool_maps(I3dMaps(mixed_4e, torch.rand(2, 256, 2, 4, 4)))
    assert torch.allclose(features.cuboids_BKC, mixed_4e.mean(2).flatten(2).transpose(1, 2), atol=1e-6)


def test_width_divisor_4_divides_every_width():
    """Public names, every width a quarter, and the 7x7 grid on frames of 112x112."""
    with torch.device("meta"):
        full, quarter = InceptionI3d(None).state_dict(), InceptionI3d(None, width_divisor=4).state_dict()
    assert full.keys() == quarter.keys()
    for name, tensor in full.items():
        if tensor.ndim == 1:
            assert len(quarter[name]) * 4 == len(tensor)
    model = InceptionI3d(10, width_divisor=4).eval()
    with torch.inference_mode():
        maps = model.maps(torch.rand(1, 3, 16, 112, 112) * 2 - 1)
    assert [tuple(m.shape) for m in maps] == [(1, 132, 4, 7, 7), (1, 256, 2, 4, 4)]
    assert model.logits.conv3d.in_channels == 256
    assert pool_maps(maps).cuboids_BKC.shape == (1, 49, 132)


@pytest.mark.parametrize("options", [{"width_divisor": 3}, {"width_divisor": 0}, {"in_channels": 0}])
def test_invalid_widths_are_refused(options):
    """A divisor that does not divide every width, or no channels, is a usage error."""
    with pytest.raises(UsageError, match=next(iter(options))):
        InceptionI3d(None, **options)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (224, 7, 2, (2, 3)),
        (161, 7, 2, (3, 3)),
        (16, 7, 2, (2, 3)),
        (1, 7, 2, (3, 3)),
        (112, 3, 2, (0, 1)),
        (81, 3, 2, (1, 1)),
        (28, 3, 1, (1, 1)),
        (4, 2, 2, (0, 0)),
        (5, 2, 2, (0, 1)),
        (10, 1, 2, (0, 0)),
    ],
)
def test_same_padding_equals_tensorflow(size, kernel, stride, expected):
    """As TensorFlow documents it: ``size % stride`` determines the total, and the end gets the odd element."""
    remainder = size % stride
    total = max(kernel - stride, 0) if remainder == 0 else max(kernel - remainder, 0)
    assert same_padding(size, kernel, stride) == expected == (total // 2, total - total // 2)
