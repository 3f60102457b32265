"""Training targets of a clip: motion measures in each of 7x7 cells, and labels of the actions there.

The ground truth is exact, because every body is rendered. Speeds are in pixels of a 224x224 picture per frame, and also
in body heights, because a distant fight moves fewer pixels than a stroll right below the camera.

Axes: W windows of four frames in a clip (4), Y rows and X columns of cells (7), M measures of motion, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsvad.backbones.compact import LABELS, MEASURES
from wsvad.pretraining.actors import Body
from wsvad.pretraining.skeleton import Array

SIDE, GRID, WINDOWS = 224, 7, 4
CAMERA = ("shake", "pan", "zoom", "flicker", "cut")


class Targets(NamedTuple):
    """Ground truth of one clip."""

    motion_WYXM: NDArray[np.float16]
    """Measures on a logarithmic scale; 0 where nothing moves."""
    labels_YXL: NDArray[np.uint8]
    """1 if a body with the label is in the cell."""
    clip: NDArray[np.float16]
    """``[L + 5 + 2]``: labels anywhere, camera motion, log(1 + bodies), log(1 + moving bodies)."""


class Placed(NamedTuple):
    """A body at its position in the picture, for the frames in which it is visible."""

    body: Body
    points_TP2: Array
    """Pixels of the 224x224 picture; with one sample before the first frame and one after the last."""
    velocity_TP2: Array
    """Velocity relative to the ground, in the same units per frame."""
    size: float
    shown_TP: NDArray[np.bool_]


def _log(x: Array) -> Array:
    return np.sign(x) * np.log1p(np.abs(x))


def measure(bodies: Sequence[Placed], camera: dict[str, float]) -> Targets:
    """Compute the targets of a clip.

    Args:
        bodies: All bodies in the clip; of 16 frames, plus one sample at either end.
        camera: 0 or 1 for each of ``CAMERA``.
    """
    frames = 4 * WINDOWS
    cells = WINDOWS * GRID * GRID
    labels = np.zeros((GRID * GRID, len(LABELS)), np.uint8)
    sums = np.zeros((8, cells))
    peak, body_peak = np.zeros(cells), np.zeros(cells)
    moving = 0
    for placed in bodies:
        inner = slice(1, frames + 1)
        points, velocity = placed.points_TP2[inner], placed.velocity_TP2[inner]
        shown = placed.shown_TP[inner] & ((points >= 0) & (points < SIDE)).all(2)
        if not shown.any():
            continue
        column, row = np.clip(points // (SIDE // GRID), 0, GRID - 1).astype(np.int64).transpose(2, 0, 1)
        position = row * GRID + column
        mass = np.where(shown, placed.body.mass_P, 0.0)
        _label(labels, placed.body, position, mass)
        speed = np.hypot(velocity[..., 0], velocity[..., 1])
        mass = mass * (speed > 0.15)
        moving += bool(mass.any())
        change = np.gradient(placed.velocity_TP2, axis=0)[inner]
        own = velocity - velocity.mean(1, keepdims=True)
        flat = ((np.arange(frames) // 4 * GRID * GRID)[:, None] + position).ravel()
        relative = speed / placed.size
        for index, value in enumerate((
            np.ones_like(speed), velocity[..., 0], velocity[..., 1], speed, speed**2,
            np.hypot(change[..., 0], change[..., 1]), relative, np.hypot(own[..., 0], own[..., 1]) / placed.size,
        )):  # fmt: skip
            sums[index] += np.bincount(flat, (mass * value).ravel(), cells)
        solid = mass > 0
        np.maximum.at(peak, flat, np.where(solid, speed, 0).ravel())
        np.maximum.at(body_peak, flat, np.where(solid, relative, 0).ravel())
    total = np.maximum(sums[0], 1e-9)
    there = sums[0] > 1.0
    right, down, speed = sums[1] / total, sums[2] / total, sums[3] / total
    deviation = np.sqrt(np.maximum(sums[4] / total - right**2 - down**2, 0))
    crossing = 1 - np.hypot(right, down) / np.maximum(speed, 1e-9)
    fields = (
        _log(sums[0] / 40), _log(right), _log(down), _log(speed), _log(deviation), _log(peak), _log(sums[5] / total),
        _log(30 * sums[6] / total), _log(30 * body_peak), _log(30 * sums[7] / total), crossing,
    )  # fmt: skip
    motion = np.where(there[:, None], np.stack(fields, 1), 0).reshape(WINDOWS, GRID, GRID, len(MEASURES))
    labels_YXL = labels.reshape(GRID, GRID, len(LABELS))
    counts = _log(np.array([len(bodies), moving], float))
    clip = np.concatenate([labels_YXL.max((0, 1)), [camera[name] for name in CAMERA], counts])
    return Targets(motion.astype(np.float16), labels_YXL, clip.astype(np.float16))


def _label(labels_CL: NDArray[np.uint8], body: Body, cell_TP: NDArray[np.int64], mass_TP: Array) -> None:
    """Mark the cells that contain a large part of a body, or enough of it to be visible."""
    frames = len(cell_TP)
    for name, value in body.labels.items():
        weight = mass_TP * np.broadcast_to(value, (frames + 2,))[1:-1, None]
        inside = np.bincount(cell_TP.ravel(), weight.ravel(), GRID * GRID)
        whole = body.mass_P.sum() * frames
        found = (inside > 0.12 * whole) | (inside > 30.0 * frames * 0.5)
        labels_CL[found, LABELS.index(name)] = 1
