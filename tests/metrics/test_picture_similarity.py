"""Similarity of pictures: independent of illumination, dependent on the scene."""

from __future__ import annotations

import numpy as np
import pytest

from wsvad.metrics.picture_similarity import detail, similarity


def scene(seed: int) -> np.ndarray:
    """Return rectangles of different greys, like buildings and roads."""
    rng = np.random.default_rng(seed)
    picture = np.full((32, 32), rng.integers(60, 200), np.uint8)
    for _ in range(14):
        y, x, h, w = (*rng.integers(0, 28, 2), *rng.integers(3, 14, 2))
        picture[y : y + h, x : x + w] = rng.integers(20, 230)
    return picture


SCENES = [scene(seed) for seed in range(30)]


def lit(picture: np.ndarray, factor: float, offset: float = 0.0) -> np.ndarray:
    """Return the same scene with other illumination."""
    return np.clip(picture * factor + offset, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("factor", "offset"), [(0.5, 0), (0.1, 5), (0.8, 60)])
def test_similarity_does_not_depend_on_illumination(factor, offset):
    """Half or a tenth of the light gives a high similarity."""
    assert min(similarity(one, lit(one, factor, offset)) for one in SCENES) > 0.9


def test_another_scene_is_not_similar():
    """The similarity is close to 0."""
    others = [similarity(a, b) for n, a in enumerate(SCENES) for b in SCENES[n + 1 :]]
    assert max(others) < 0.4
    assert abs(np.mean(others)) < 0.05


def test_a_rotated_camera_is_not_similar():
    """A shifted scene has a low similarity."""
    turned = [similarity(one, np.roll(one, 4, axis=1)) for one in SCENES]
    assert max(turned) < 0.4


def test_identical_and_flat_pictures():
    """The similarity is 1 for identical pictures and 0 for flat ones."""
    flat = np.full((32, 32), 90, np.uint8)
    assert similarity(SCENES[0], SCENES[0]) == pytest.approx(1.0)
    assert similarity(SCENES[0], 255 - SCENES[0]) == pytest.approx(-1.0)
    assert (similarity(SCENES[0], flat), similarity(flat, flat)) == (0.0, 0.0)
    assert detail(flat) == 0.0


def test_detail_increases_with_edges():
    """It is 0 for a flat picture."""
    ramp = np.tile(np.arange(0, 96, 3, dtype=np.uint8), (32, 1))
    assert detail(ramp) == pytest.approx(3.0)
    assert detail(ramp.T) == pytest.approx(3.0)
    assert detail(lit(SCENES[0], 0.5)) == pytest.approx(detail(SCENES[0]) / 2, rel=0.05)
