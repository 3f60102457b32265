"""Statistics of flow fields and pictures whose every number is known."""

import cv2
import numpy as np
import pytest

from tests.baselines.statistics import (
    DIRECTIONS,
    FLOW_CHANNELS,
    GRID,
    dense_flow,
    flow_statistics,
    motion_energy,
    pooled,
)

SIDE = 56
"""Vectors along a side: 8 in a cell."""


def field(u, v, pairs=3):
    """The same vector everywhere, or a vector at each place."""
    flow = np.zeros((pairs, SIDE, SIDE, 2), np.float32)
    flow[..., 0], flow[..., 1] = u, v
    return flow


def named(values_KC):
    """Each statistic by its name, ``[49]``."""
    return dict(zip(FLOW_CHANNELS, values_KC.T, strict=True))


def test_there_are_nineteen_statistics_of_each_cell():
    """With different names."""
    assert len(set(FLOW_CHANNELS)) == 19
    assert flow_statistics(field(1, 0)).shape == (GRID * GRID, 19)


def test_of_one_motion_everywhere():
    """u = 3, v = 4: speed 5 to the lower right, all alike, unchanging."""
    found = named(flow_statistics(field(3, 4)))
    same = {"speed mean": 5, "speed maximum": 5, "speed 90 % quantile": 5, "horizontal speed": 3, "vertical speed": 4}
    for name, value in {**same, "coherence": 1, "speed down right": 5}.items():
        assert found[name] == pytest.approx(value, abs=1e-5), name
    for name in FLOW_CHANNELS:
        if name not in same and name not in ("coherence", "speed down right"):
            assert found[name] == pytest.approx(0, abs=1e-5), name


@pytest.mark.parametrize("number", range(8))
def test_each_direction_has_its_bin(number):
    """By an angle that turns as rows do: clockwise on the screen."""
    angle = number * np.pi / 4 + 0.3
    found = named(flow_statistics(field(2 * np.cos(angle), 2 * np.sin(angle))))
    for other, direction in enumerate(DIRECTIONS):
        assert found[f"speed {direction}"] == pytest.approx(2.0 * (other == number), abs=1e-5)


def test_directions_add_up_to_the_mean_speed():
    """Of any flow."""
    flow = np.random.default_rng(0).standard_normal((4, SIDE, SIDE, 2)).astype(np.float32)
    found = named(flow_statistics(flow))
    assert sum(found[f"speed {d}"] for d in DIRECTIONS) == pytest.approx(found["speed mean"], rel=1e-5)
    assert found["speed mean"].mean() == pytest.approx(np.sqrt(np.pi / 2), abs=0.05)  # of the Rayleigh distribution
    assert found["coherence"].max() < 0.3


@pytest.mark.parametrize(("turning", "other"), [("curl", "divergence"), ("divergence", "curl")])
def test_of_rotation_and_of_growth(turning, other):
    """A turn by w radians a frame has a curl of 2 w and no divergence; growth by w the reverse."""
    y, x = np.mgrid[:SIDE, :SIDE] * 4.0 - 2 * SIDE + 2
    w = 0.05
    u, v = (-w * y, w * x) if turning == "curl" else (w * x, w * y)
    found = named(flow_statistics(field(u, v), spacing=4))
    assert found[turning] == pytest.approx(2 * w, rel=1e-3)
    assert found[other] == pytest.approx(0, abs=1e-5)
    centre = GRID * GRID // 2
    assert found["coherence"][centre] < 0.01 < 0.9 < found["coherence"][0]


def test_of_motion_that_starts():
    """Speeds 0, 2, 4: a deviation in time, and an acceleration of 2."""
    flow = np.concatenate([field(speed, 0, pairs=1) for speed in (0, 2, 4)])
    found = named(flow_statistics(flow))
    assert found["speed deviation in time"] == pytest.approx(np.std([0, 2, 4]), rel=1e-5)
    assert found["speed deviation"] == pytest.approx(np.std([0, 2, 4]), rel=1e-5)
    assert found["acceleration"] == pytest.approx(2, rel=1e-5)


def test_of_clips_without_a_pair():
    """A clip of one frame has no motion; one of two frames no acceleration."""
    frames = np.full((1, 224, 224), 100, np.uint8)
    assert not flow_statistics(dense_flow(frames)).any()
    assert not motion_energy(frames).any()
    assert not named(flow_statistics(field(1, 0, pairs=1)))["acceleration"].any()


def test_cells_lie_row_by_row():
    """Motion in the cell of row 2 and column 5 alone."""
    flow = field(0, 0)
    flow[:, 16:24, 40:48, 0] = 1
    found = named(flow_statistics(flow))
    assert np.flatnonzero(found["speed mean"]).tolist() == [2 * GRID + 5]


def moving_square(step, frames=5):
    """A textured square of 112 pixels, ``step`` pixels further to the right in each frame, before a textured wall."""
    rng = np.random.default_rng(0)
    wall, square = (cv2.GaussianBlur(rng.integers(0, 256, (n, n)).astype(np.float32), (0, 0), 3) for n in (224, 112))
    made = []
    for number in range(frames):
        picture = 80 + 4 * (wall - 128)
        left = 52 + step * number
        picture[56:168, left : left + 112] = 160 + 4 * (square - 128)
        made.append(np.clip(picture, 0, 255).astype(np.uint8))
    return np.stack(made)


def test_flow_of_a_moving_square():
    """2 pixels a frame to the right in the cell in its middle, none in the corners of the picture."""
    found = named(flow_statistics(dense_flow(moving_square(2))))
    middle = 3 * GRID + 3
    assert found["speed right"][middle] == pytest.approx(2, abs=0.1)
    assert found["horizontal speed"][middle] == pytest.approx(2, abs=0.1)
    assert found["vertical speed"][middle] < 0.1
    assert found["coherence"][middle] > 0.95
    assert found["speed mean"][[0, GRID - 1, -GRID, -1]].max() < 0.05


def test_energy_of_a_blinking_cell():
    """A cell that alternates between two greys, of which one has changed in each pair."""
    frames = np.full((4, 224, 224), 50, np.uint8)
    frames[1::2, 32:64, 64:96] = 80
    energy = motion_energy(frames)
    assert energy.shape == (49, 1)
    assert energy[GRID + 2, 0] == pytest.approx(30)
    assert np.count_nonzero(energy) == 1


def test_pooled_is_mean_maximum_and_deviation_over_cells():
    """In blocks of the channels."""
    cells = np.random.default_rng(0).random((2, 49, 3), np.float32)
    found = pooled(cells)
    assert found.shape == (2, 9)
    assert found[:, 0:3] == pytest.approx(cells.mean(1))
    assert found[:, 3:6] == pytest.approx(cells.max(1))
    assert found[:, 6:9] == pytest.approx(cells.std(1))
