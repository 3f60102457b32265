"""Numbers that describe the motion in each cell of a 7x7 grid over a clip.

Axes: P pairs of successive frames, H x W pixels, K cells (49, row-major), C channels.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]

GRID = 7
DIRECTIONS = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
"""Of the histogram's bins, each centred on its direction; rows of a picture count downwards."""
FLOW_CHANNELS = (
    "speed mean",
    "speed deviation",
    "speed maximum",
    "speed 90 % quantile",
    "horizontal speed",
    "vertical speed",
    *(f"speed {direction}" for direction in DIRECTIONS),
    "coherence",
    "divergence",
    "curl",
    "speed deviation in time",
    "acceleration",
)
"""The 19 statistics. All are at least 0; speeds are in pixels a frame."""
ENERGY_CHANNELS = ("motion energy",)
COARSER = 4
"""Pixels along a side that one flow vector stands for: DIS itself computes every fourth and interpolates."""
_STILL = 1e-3
"""Pixels a frame below which there is no direction to agree about."""


def dense_flow(frames_THW: Grey) -> Floats:
    """Return DIS optical flow (Kroeger et al. 2016, OpenCV's preset ``fast``) of each frame to the next.

    Args:
        frames_THW: grey frames; sides are multiples of 28.

    Returns:
        ``[T - 1, H / 4, W / 4, 2]``: u to the right and v downwards, in pixels of the frames.
    """
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    _, height, width = frames_THW.shape
    size = (width // COARSER, height // COARSER)
    flows = [np.zeros((0, *size[::-1], 2), np.float32)]
    for one, following in pairwise(frames_THW):
        flow = dis.calc(one, following, None)
        flows.append(cv2.resize(flow, size, interpolation=cv2.INTER_AREA)[None])
    return np.concatenate(flows)


def flow_statistics(flow_PHWT: Floats, spacing: float = COARSER) -> Floats:
    """Describe the flow in each cell over all pairs of a clip; without a pair everything is 0.

    In a cell and clip, over pixels and pairs: mean, standard deviation, maximum and 90 % quantile of speed; mean |u|
    and |v|; the mean over all pixels of the speed of those that move in each of eight directions, so that the eight add
    up to the mean speed; coherence, the length of the mean vector over the mean speed, 1 where all moves alike; mean
    absolute divergence and curl (1/frame; differences to the next vector right and below, across cells); standard
    deviation over pairs of the cell's mean speed; acceleration, the mean length of the change of a pixel's vector from
    a pair to the next.

    Args:
        flow_PHWT: ``[P, H, W, 2]``; H and W are multiples of 7.
        spacing: pixels from one vector to the next.

    Returns:
        ``[49, 19]`` in the order of ``FLOW_CHANNELS``.
    """
    if not len(flow_PHWT):
        return np.zeros((GRID * GRID, len(FLOW_CHANNELS)), np.float32)
    u, v = flow_PHWT[..., 0], flow_PHWT[..., 1]
    speed = np.hypot(u, v)
    speed_KN, mean_K = _cells(speed), _mean(speed)
    sector = np.rint(np.arctan2(v, u) / (np.pi / 4)).astype(np.int8) % 8
    by_direction = [_mean(np.where(sector == number, speed, 0)) for number in range(8)]
    drift_K = np.hypot(_mean(u), _mean(v))
    steps = np.diff(flow_PHWT, axis=0)
    acceleration_K = _mean(np.hypot(steps[..., 0], steps[..., 1])) if len(steps) else np.zeros_like(mean_K)
    channels = [
        mean_K,
        speed_KN.std(1),
        speed_KN.max(1),
        np.quantile(speed_KN, 0.9, axis=1),
        _mean(np.abs(u)),
        _mean(np.abs(v)),
        *by_direction,
        np.where(mean_K > _STILL, drift_K / np.maximum(mean_K, _STILL), 0),
        _mean(np.abs(_along(u, 2) + _along(v, 1)) / spacing),
        _mean(np.abs(_along(v, 2) - _along(u, 1)) / spacing),
        np.stack([_mean(pair[None]) for pair in speed]).std(0),
        acceleration_K,
    ]
    return np.stack(channels, axis=1).astype(np.float32)


def motion_energy(frames_THW: Grey) -> Floats:
    """Return the mean absolute difference of successive frames in each cell, grey levels, ``[49, 1]``."""
    if len(frames_THW) < 2:
        return np.zeros((GRID * GRID, 1), np.float32)
    differences = [cv2.absdiff(a, b) for a, b in pairwise(frames_THW)]
    return _mean(np.stack(differences).astype(np.float32))[:, None]


def pooled(cells_TKC: Floats) -> Floats:
    """Return mean, maximum and standard deviation over cells, ``[T, 3 C]``, the channels of each side by side."""
    return np.concatenate([cells_TKC.mean(1), cells_TKC.max(1), cells_TKC.std(1)], axis=1)


def _cells(values_PHW: Floats) -> Floats:
    """Cut pictures into the grid: ``[K, N]``, N pixels of all pictures."""
    P, H, W = values_PHW.shape
    cut = values_PHW.reshape(P, GRID, H // GRID, GRID, W // GRID)
    return cut.transpose(1, 3, 0, 2, 4).reshape(GRID * GRID, -1)


def _mean(values_PHW: Floats) -> Floats:
    return _cells(values_PHW).mean(1)


def _along(values_PHW: Floats, axis: int) -> Floats:
    """Difference to the next value along an axis; at the picture's end that of the one before."""
    steps = np.diff(values_PHW, axis=axis)
    return np.concatenate([steps, np.take(steps, [-1], axis=axis)], axis=axis)
