"""Bodies: constant bone lengths, feet on the ground."""

from __future__ import annotations

import numpy as np
import pytest

from wsvad.pretraining import skeleton as poses
from wsvad.pretraining.poses import ACTIONS
from wsvad.pretraining.skeleton import joints

T = np.arange(40) * 0.04
BONES = {
    (poses.L_HIP, poses.L_KNEE): 0.245,
    (poses.R_KNEE, poses.R_FOOT): 0.245,
    (poses.L_SHOULDER, poses.L_ELBOW): 0.17,
    (poses.R_ELBOW, poses.R_HAND): 0.18,
    (poses.NECK, poses.HEAD): 0.1,
}
UPRIGHT = sorted(set(ACTIONS) - {"fall", "lie"})


@pytest.mark.parametrize("name", UPRIGHT)
def test_bones_keep_their_length(name: str) -> None:
    """In all upright actions."""
    for seed in range(5):
        place = joints(ACTIONS[name](np.random.default_rng(seed), T), T)
        assert np.isfinite(place).all()
        for (a, b), length in BONES.items():
            found = np.linalg.norm(place[:, a] - place[:, b], axis=1)
            # A lean to two sides at once lengthens the neck a little; what would reach below the ground is folded up.
            assert found.max() <= length + (0.03 if b == poses.HEAD else 1e-9)
            assert name == "bend" or np.quantile(found, 0.9) == pytest.approx(length, abs=0.03)


@pytest.mark.parametrize("name", ["stand", "walk", "gesture", "hold"])
def test_standing_people_have_feet_on_the_ground_and_the_head_on_top(name: str) -> None:
    """While standing, walking, gesturing and holding."""
    place = joints(ACTIONS[name](np.random.default_rng(1), T), T)
    feet = place[:, [poses.L_FOOT, poses.R_FOOT], 2].min(1)
    assert (np.abs(feet) < 0.12).all()
    assert (place[:, poses.HEAD, 2] > 0.7).all()


def test_falling_people_end_on_the_ground() -> None:
    """The head ends near the floor."""
    t = np.arange(100) * 0.04
    for seed in range(5):
        place = joints(ACTIONS["fall"](np.random.default_rng(seed), t), t)
        assert place[-1, poses.HEAD, 2] < 0.45 < 0.7 < place[0, poses.HEAD, 2] + 0.3


def test_blows_are_faster_than_gestures() -> None:
    """And gestures are faster than standing."""

    def hand_speed(name: str) -> float:
        speeds = []
        for seed in range(20):
            place = joints(ACTIONS[name](np.random.default_rng(seed), T), T)
            speeds.append(np.linalg.norm(np.gradient(place[:, poses.R_HAND], 0.04, axis=0), axis=1).mean())
        return float(np.mean(speeds))

    assert hand_speed("strike") > 2 * hand_speed("gesture") > 4 * hand_speed("stand")
