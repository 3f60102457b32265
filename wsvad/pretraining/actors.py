"""Actors of a scene: people, vehicles, animals, objects; how they are drawn, and the positions of their parts.

Pictures are grey. Coordinates are pixels of the scene, x to the right, y down.

Axes: T samples in time, P points of a body, 2 coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from wsvad.pretraining import skeleton
from wsvad.pretraining.poses import Rng
from wsvad.pretraining.skeleton import Angles, Array

Picture = NDArray[np.uint8]
_SHIFT = 4
_ONE = 1 << _SHIFT


@dataclass
class Body:
    """Positions of the parts of an actor, and its labels."""

    points_TP2: Array
    mass_P: Array
    """Approximate number of pixels that each point represents."""
    size: float
    """Height of the actor in pixels, the reference for its speed."""
    labels: dict[str, Array | float] = field(default_factory=dict)
    """Values from 0 to 1, over time or constant."""
    seen_T: NDArray[np.bool_] | None = None
    """Samples at which it is visible; ``None``: all."""


class Actor(Protocol):
    """An object that can be drawn."""

    body: Body

    def depth(self, index: int) -> float:
        """Return the row of its feet; actors with larger values are in front."""
        ...

    def draw(self, picture: Picture, index: int) -> None:
        """Draw it at sample ``index``."""
        ...


@dataclass(frozen=True)
class View:
    """Viewpoint of a scene: pitch of the camera, and the size of a person at each row."""

    pitch: float
    """Radians below the horizon; pi/2 is from straight above."""
    size_top: float
    """Height in pixels of a person standing at the upper edge, seen from the side."""
    size_bottom: float
    """Height in pixels of a person standing at the lower edge."""
    rows: int

    def size(self, row: float) -> float:
        """Return the height in pixels of a person whose feet are at a row."""
        share = min(max(row / self.rows, -0.2), 1.3)
        return self.size_top + (self.size_bottom - self.size_top) * share


def _pixel(point: Array) -> tuple[int, int]:
    return int(point[0] * _ONE), int(point[1] * _ONE)


def line(picture: Picture, a: Array, b: Array, width: float, shade: int) -> None:
    """Draw a round-ended stroke."""
    cv2.line(picture, _pixel(a), _pixel(b), shade, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def disc(picture: Picture, centre: Array, radius: float, shade: int) -> None:
    """Draw a disc."""
    cv2.circle(picture, _pixel(centre), max(_ONE // 2, int(radius * _ONE)), shade, -1, cv2.LINE_AA, _SHIFT)


def polygon(picture: Picture, corners: Array, shade: int) -> None:
    """Draw a convex polygon, ``[N, 2]``."""
    cv2.fillConvexPoly(picture, (corners * _ONE).astype(np.int32), shade, cv2.LINE_AA, _SHIFT)


_LIMBS = (  # from, to, width in body heights, key of the shade
    (skeleton.L_HIP, skeleton.L_KNEE, 0.105, "legs"),
    (skeleton.L_KNEE, skeleton.L_FOOT, 0.07, "legs"),
    (skeleton.R_HIP, skeleton.R_KNEE, 0.105, "legs"),
    (skeleton.R_KNEE, skeleton.R_FOOT, 0.07, "legs"),
    (skeleton.PELVIS, skeleton.NECK, 0.17, "top"),
    (skeleton.L_SHOULDER, skeleton.L_ELBOW, 0.07, "top"),
    (skeleton.L_ELBOW, skeleton.L_HAND, 0.055, "arms"),
    (skeleton.R_SHOULDER, skeleton.R_ELBOW, 0.07, "top"),
    (skeleton.R_ELBOW, skeleton.R_HAND, 0.055, "arms"),
)
_ALONG = np.array([0.15, 0.5, 0.85])
"""Relative positions of the tracked points along a limb."""


class Person:
    """A person in a scene.

    Args:
        rng: Random generator for the appearance.
        view: Viewpoint of the scene.
        t: Times of the samples in seconds.
        foot: Initial position of the feet.
        heading: Initial heading in radians on the ground; 0 is to the right, pi/2 away from the camera.
        angles: Joint angles of the action.
        scale: Size relative to other people.
        labels: Labels in addition to those of the action.
    """

    def __init__(
        self,
        rng: Rng,
        view: View,
        t: Array,
        foot: tuple[float, float],
        heading: float,
        angles: Angles,
        scale: float = 1.0,
        labels: dict[str, float] | None = None,
    ) -> None:
        size = view.size(foot[1]) * scale
        position = skeleton.joints(angles, t, rng.uniform(0.85, 1.2))
        turn = heading + np.broadcast_to(angles.turn, t.shape)
        ahead, aside = np.broadcast_to(angles.forward, t.shape), np.broadcast_to(angles.sideways, t.shape)
        step_x = np.diff(ahead, prepend=ahead[:1]) * np.cos(turn) - np.diff(aside, prepend=aside[:1]) * np.sin(turn)
        step_y = np.diff(ahead, prepend=ahead[:1]) * np.sin(turn) + np.diff(aside, prepend=aside[:1]) * np.cos(turn)
        cosine, sine = np.cos(turn)[:, None], np.sin(turn)[:, None]
        x = cosine * position[..., 0] - sine * position[..., 1] + np.cumsum(step_x)[:, None]
        y = sine * position[..., 0] + cosine * position[..., 1] + np.cumsum(step_y)[:, None]
        up = position[..., 2] * np.cos(view.pitch) + y * np.sin(view.pitch)
        self._joints = np.stack([foot[0] + size * x, foot[1] - size * up], 2)
        self._feet = foot[1] - size * np.sin(view.pitch) * np.cumsum(step_y)
        self._size = size
        self._shades = {
            "legs": int(rng.integers(10, 235)),
            "top": int(rng.integers(10, 245)),
            "skin": int(rng.integers(60, 230)),
            "hair": int(rng.integers(5, 200)),
        }
        self._shades["arms"] = self._shades["skin" if rng.random() < 0.4 else "top"]
        self._fold = int(rng.integers(-40, 41))
        self._stripes = int(rng.integers(10, 245)) if rng.random() < 0.3 else None
        self._bulk = rng.uniform(0.85, 1.25)
        self._shadow = rng.random() < 0.3
        from_, to = [limb[0] for limb in _LIMBS], [limb[1] for limb in _LIMBS]
        a, b = self._joints[:, from_, None], self._joints[:, to, None]
        # Integer sixteenths of a pixel, as lists: a clip draws thousands of strokes; converting arguments dominates.
        self._drawn = np.rint(self._joints * _ONE).astype(int).tolist()
        limbs = (a + (b - a) * _ALONG[:, None]).reshape(len(t), -1, 2)
        mass = np.repeat([limb[2] * (0.31 if limb[3] == "top" else 0.22) for limb in _LIMBS], len(_ALONG)) / 3
        self.body = Body(
            np.concatenate([limbs, self._joints[:, skeleton.HEAD : skeleton.HEAD + 1]], 1),
            np.append(mass, 0.014) * size**2,
            size,
            {"person": 1.0, **angles.labels, **(labels or {})},
        )

    def depth(self, index: int) -> float:
        """See :class:`Actor`."""
        return float(self._feet[index])

    def draw(self, picture: Picture, index: int) -> None:
        """See :class:`Actor`."""
        size, at = self._size, self._drawn[index]
        if self._shadow:
            _shadow(picture, self._joints[index, [skeleton.L_FOOT, skeleton.R_FOOT]].mean(0), size)
        for a, b, width, shade in _LIMBS:
            tone, wide = self._shades[shade], width * size * self._bulk
            cv2.line(picture, at[a], at[b], tone, max(1, round(wide)), cv2.LINE_AA, _SHIFT)
            if size > 30 and width > 0.06:  # a lighter side, so that a limb is not a flat bar
                x, y = int(0.25 * wide * _ONE), int(0.1 * wide * _ONE)
                from_, to = (at[a][0] - x, at[a][1] + y), (at[b][0] - x, at[b][1] + y)
                lit = min(max(tone + self._fold, 0), 255)
                cv2.line(picture, from_, to, lit, max(1, round(0.35 * wide)), cv2.LINE_AA, _SHIFT)
        if self._stripes is not None and size > 16:
            for share in (0.3, 0.65):
                middle = (1 - share) * self._joints[index, skeleton.PELVIS] + share * self._joints[index, skeleton.NECK]
                half = np.array([0.07 * size * self._bulk, 0.0])
                line(picture, middle - half, middle + half, 0.05 * size, self._stripes)
        head = self._joints[index, skeleton.HEAD]
        disc(picture, head, 0.062 * size, self._shades["skin"])
        if size > 14:
            disc(picture, head - np.array([0.0, 0.022 * size]), 0.052 * size, self._shades["hair"])


def _shadow(picture: Picture, foot: Array, size: float) -> None:
    x, y, across, down = foot[0], foot[1], 0.2 * size, 0.06 * size
    top, bottom = max(0, int(y - down)), min(picture.shape[0], int(y + down) + 1)
    left, right = max(0, int(x - across)), min(picture.shape[1], int(x + across) + 1)
    if top < bottom and left < right:
        picture[top:bottom, left:right] = (picture[top:bottom, left:right] * 0.75).astype(np.uint8)


class Vehicle:
    """A box on wheels that drives, brakes and turns; in a collision it stops abruptly and spins."""

    def __init__(
        self, rng: Rng, view: View, t: Array, foot: tuple[float, float], heading: float, way: Array, spin: Array,
        labels: dict[str, Array | float],
    ) -> None:  # fmt: skip
        size = view.size(foot[1])
        length, breadth, height = rng.uniform(1.8, 3.2), rng.uniform(0.9, 1.2), rng.uniform(0.75, 1.4)
        if rng.random() < 0.25:  # a motorbike or a bicycle with its rider
            length, breadth, height = rng.uniform(0.9, 1.2), 0.25, rng.uniform(0.8, 1.0)
        turn = heading + spin
        step = np.diff(way, prepend=way[:1])
        x, y = np.cumsum(step * np.cos(turn)), np.cumsum(step * np.sin(turn))
        corner = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * [length / 2, breadth / 2]
        cosine, sine = np.cos(turn)[:, None], np.sin(turn)[:, None]
        ground_x = x[:, None] + cosine * corner[:, 0] - sine * corner[:, 1]
        ground_y = y[:, None] + sine * corner[:, 0] + cosine * corner[:, 1]
        base = np.stack([foot[0] + size * ground_x, foot[1] - size * np.sin(view.pitch) * ground_y], 2)
        roof = base - np.array([0.0, height * size * np.cos(view.pitch)])
        self._base, self._roof = base, roof
        self._shades = [int(v) for v in rng.integers(15, 240, 4)]
        inner = np.concatenate([base, roof, (base + roof) / 2, (base + np.roll(base, 1, 1)) / 2], 1)
        span = np.ptp(base[0], 0)
        area = float(span[0] * (span[1] + height * size * np.cos(view.pitch)))
        self.body = Body(inner, np.full(inner.shape[1], area / inner.shape[1]), size, {"vehicle": 1.0, **labels})

    def depth(self, index: int) -> float:
        """See :class:`Actor`."""
        return float(self._base[index, :, 1].mean())

    def draw(self, picture: Picture, index: int) -> None:
        """See :class:`Actor`."""
        base, roof = self._base[index], self._roof[index]
        for side in np.argsort(base[:, 1] + np.roll(base[:, 1], -1)):
            other = (side + 1) % 4
            wall = np.array([base[side], base[other], roof[other], roof[side]])
            polygon(picture, wall, self._shades[side % 2])
            pane = 0.15 * wall[[0, 1, 1, 0]] + 0.85 * wall[[3, 2, 2, 3]]
            pane[:2] = 0.45 * wall[[0, 1]] + 0.55 * wall[[3, 2]]
            polygon(picture, 0.8 * pane + 0.2 * pane.mean(0), self._shades[2])
        polygon(picture, roof, self._shades[3])


class Blob:
    """A small shapeless object: a dog, a bird, a ball, a bag in the wind, an insect on the lens."""

    def __init__(self, rng: Rng, path_T2: Array, size: float, labels: dict[str, Array | float]) -> None:
        self._path, self._axes = path_T2, (size * rng.uniform(0.5, 1.0), size * rng.uniform(0.25, 0.6))
        step = np.gradient(path_T2, axis=0)
        self._angle = np.degrees(np.arctan2(step[:, 1], step[:, 0]))
        self._shade = int(rng.integers(5, 250))
        offsets = np.array([[0, 0], [0.3, 0], [-0.3, 0], [0, 0.2], [0, -0.2]]) * size
        area = np.pi * self._axes[0] * self._axes[1] / 4
        self.body = Body(path_T2[:, None] + offsets, np.full(5, area / 5), size, {"small": 1.0, **labels})

    def depth(self, index: int) -> float:
        """See :class:`Actor`."""
        return float(self._path[index, 1])

    def draw(self, picture: Picture, index: int) -> None:
        """See :class:`Actor`."""
        axes = tuple(max(_ONE // 2, int(axis * _ONE / 2)) for axis in self._axes)
        centre = _pixel(self._path[index])
        cv2.ellipse(
            picture, centre, axes, float(self._angle[index]), 0, 360, self._shade, -1, cv2.LINE_AA, _SHIFT
        )  # fmt: skip
