"""A body: fifteen joints, the angles between them, and where that puts them.

A body stands at the origin of its own frame, one unit high: x forward, y to its left, z up. The proportions are those
of any anatomy book.

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
    """Joint angles and the path of a body, each an array over time or a number that holds throughout."""

    l_arm: Array | float = 0.0
    """Shoulder flexion, 0 hanging, pi/2 straight ahead."""
    r_arm: Array | float = 0.0
    l_elbow: Array | float = 0.2
    r_elbow: Array | float = 0.2
    l_spread: Array | float = 0.1
    """Arm away from the body, sideways."""
    r_spread: Array | float = 0.1
    l_leg: Array | float = 0.0
    r_leg: Array | float = 0.0
    l_knee: Array | float = 0.05
    r_knee: Array | float = 0.05
    lean: Array | float = 0.0
    """Torso forward."""
    sway: Array | float = 0.0
    """Torso to the left."""
    twist: Array | float = 0.0
    """Shoulders about the spine."""
    tilt: Array | float = 0.0
    """The whole body about its feet, forward; pi/2 lies on its face."""
    crouch: Array | float = 0.0
    """Height lost, in body heights."""
    forward: Array | float = 0.0
    """Way along the body's own heading, body heights."""
    sideways: Array | float = 0.0
    turn: Array | float = 0.0
    """Heading, relative to the first one."""
    rise: Array | float = 0.0
    """Feet above the ground."""
    labels: dict[str, Array | float] = field(default_factory=dict)
    """What the action is, 0 to 1 over time."""


def joints(angles: Angles, t: Array, build: float = 1.0) -> Array:
    """Place the joints of a body.

    Args:
        angles: what it does.
        t: times of the samples, seconds.
        build: width of shoulders and hips against the usual.

    Returns:
        ``[T, 15, 3]`` in body heights, before the path (``forward``, ``sideways``) and the heading.
    """
    a = {name: np.broadcast_to(value, t.shape) for name, value in vars(angles).items() if name != "labels"}
    place = np.zeros((len(t), NUM_JOINTS, 3))
    height = _THIGH + _SHANK + 0.02 - a["crouch"] + a["rise"]
    place[:, PELVIS, 2] = height
    torso = np.stack([np.sin(a["lean"]), np.sin(a["sway"]), np.cos(a["lean"]) * np.cos(a["sway"])], 1)
    place[:, NECK] = place[:, PELVIS] + _TORSO * torso
    place[:, HEAD] = place[:, NECK] + _HEAD * torso
    across = np.stack([-np.sin(a["twist"]), np.cos(a["twist"]), np.zeros_like(t)], 1)
    for side, shoulder, hip, name in ((1.0, L_SHOULDER, L_HIP, "l"), (-1.0, R_SHOULDER, R_HIP, "r")):
        place[:, shoulder] = place[:, NECK] + side * _HALF_SHOULDERS * build * across - 0.03 * torso
        raised, spread = a[f"{name}_arm"] + 0.6 * a["lean"], a[f"{name}_spread"]
        place[:, shoulder + 1] = place[:, shoulder] + _UPPER_ARM * _limb(raised, side * spread)
        place[:, shoulder + 2] = place[:, shoulder + 1] + _FOREARM * _limb(
            raised + a[f"{name}_elbow"], side * spread * 0.5
        )
        place[:, hip] = place[:, PELVIS] + side * _HALF_HIPS * build * np.array([0.0, 1.0, 0.0])
        place[:, hip + 1] = place[:, hip] + _THIGH * _limb(a[f"{name}_leg"], side * 0.04)
        place[:, hip + 2] = place[:, hip + 1] + _SHANK * _limb(a[f"{name}_leg"] - a[f"{name}_knee"], side * 0.04)
    sine, cosine = np.sin(a["tilt"])[:, None], np.cos(a["tilt"])[:, None]
    x, z = place[..., 0].copy(), place[..., 2].copy()
    place[..., 0], place[..., 2] = cosine * x + sine * z, np.abs(cosine * z - sine * x) + 0.03
    return place


def _limb(flexion: Array, spread: Array | float) -> Array:
    spread = np.broadcast_to(spread, flexion.shape)
    return np.stack([np.sin(flexion) * np.cos(spread), np.sin(spread), -np.cos(flexion) * np.cos(spread)], 1)
