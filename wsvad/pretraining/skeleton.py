"""A body of fifteen joints: joint angles and the resulting positions.

A body stands at the origin of its own frame, one unit high: x forward, y to its left, z up. The proportions are
anatomical standard values.

Axes: T samples in time, J joints, 3 coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PELVIS, NECK, HEAD, L_SHOULDER, L_ELBOW, L_HAND, R_SHOULDER, R_ELBOW, R_HAND = range(9)
L_HIP, L_KNEE, L_FOOT, R_HIP, R_KNEE, R_FOOT = range(9, 15)
NUM_JOINTS = 15

_THIGH, _SHANK, _TORSO, _HEAD, _UPPER_ARM, _FOREARM = 0.245, 0.245, 0.31, 0.1, 0.17, 0.18
_HALF_SHOULDERS, _HALF_HIPS = 0.11, 0.06


@dataclass
class Angles:
    """Joint angles in radians and the path of a body, each an array over time or a constant."""

    l_arm: Array | float = 0.0
    """Shoulder flexion: 0 hanging, pi/2 straight ahead."""
    r_arm: Array | float = 0.0
    l_elbow: Array | float = 0.2
    r_elbow: Array | float = 0.2
    l_spread: Array | float = 0.1
    """Sideways angle of the arm from the body."""
    r_spread: Array | float = 0.1
    l_leg: Array | float = 0.0
    r_leg: Array | float = 0.0
    l_knee: Array | float = 0.05
    r_knee: Array | float = 0.05
    lean: Array | float = 0.0
    """Forward lean of the torso."""
    sway: Array | float = 0.0
    """Lean of the torso to the left."""
    twist: Array | float = 0.0
    """Rotation of the shoulders about the spine."""
    tilt: Array | float = 0.0
    """Forward rotation of the whole body about its feet; at pi/2 it lies on its face."""
    crouch: Array | float = 0.0
    """Height lost, in body heights."""
    forward: Array | float = 0.0
    """Distance along the body's own heading, in body heights."""
    sideways: Array | float = 0.0
    turn: Array | float = 0.0
    """Heading relative to the initial one."""
    rise: Array | float = 0.0
    """Height of the feet above the ground, in body heights."""
    labels: dict[str, Array | float] = field(default_factory=dict)
    """Labels of the action, 0 to 1, over time or constant."""


def joints(angles: Angles, t: Array, build: float = 1.0) -> Array:
    """Return the positions of the joints of a body.

    Args:
        angles: Joint angles of the action.
        t: Times of the samples in seconds.
        build: Width of shoulders and hips relative to the average.

    Returns:
        ``[T, 15, 3]`` in body heights, before applying the path (``forward``, ``sideways``) and the heading.
    """
    a = {name: np.broadcast_to(value, t.shape) for name, value in vars(angles).items() if name != "labels"}
    position = np.zeros((len(t), NUM_JOINTS, 3))
    height = _THIGH + _SHANK + 0.02 - a["crouch"] + a["rise"]
    position[:, PELVIS, 2] = height
    torso = np.stack([np.sin(a["lean"]), np.sin(a["sway"]), np.cos(a["lean"]) * np.cos(a["sway"])], 1)
    position[:, NECK] = position[:, PELVIS] + _TORSO * torso
    position[:, HEAD] = position[:, NECK] + _HEAD * torso
    across = np.stack([-np.sin(a["twist"]), np.cos(a["twist"]), np.zeros_like(t)], 1)
    for side, shoulder, hip, name in ((1.0, L_SHOULDER, L_HIP, "l"), (-1.0, R_SHOULDER, R_HIP, "r")):
        position[:, shoulder] = position[:, NECK] + side * _HALF_SHOULDERS * build * across - 0.03 * torso
        raised, spread = a[f"{name}_arm"] + 0.6 * a["lean"], a[f"{name}_spread"]
        position[:, shoulder + 1] = position[:, shoulder] + _UPPER_ARM * _limb(raised, side * spread)
        position[:, shoulder + 2] = position[:, shoulder + 1] + _FOREARM * _limb(
            raised + a[f"{name}_elbow"], side * spread * 0.5
        )
        position[:, hip] = position[:, PELVIS] + side * _HALF_HIPS * build * np.array([0.0, 1.0, 0.0])
        position[:, hip + 1] = position[:, hip] + _THIGH * _limb(a[f"{name}_leg"], side * 0.04)
        position[:, hip + 2] = position[:, hip + 1] + _SHANK * _limb(a[f"{name}_leg"] - a[f"{name}_knee"], side * 0.04)
    sine, cosine = np.sin(a["tilt"])[:, None], np.cos(a["tilt"])[:, None]
    x, z = position[..., 0].copy(), position[..., 2].copy()
    position[..., 0], position[..., 2] = cosine * x + sine * z, np.abs(cosine * z - sine * x) + 0.03
    return position


def _limb(flexion: Array, spread: Array | float) -> Array:
    spread = np.broadcast_to(spread, flexion.shape)
    return np.stack([np.sin(flexion) * np.cos(spread), np.sin(spread), -np.cos(flexion) * np.cos(spread)], 1)
