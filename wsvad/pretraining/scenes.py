"""Scenes: backgrounds, irrelevant motion, camera motion, and lighting.

A detector should ignore all of this, so none of it is part of the targets, except the camera's motion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from wsvad.pretraining.actors import Actor, Picture, View, line, polygon
from wsvad.pretraining.poses import Rng, wander
from wsvad.pretraining.scenarios import populate
from wsvad.pretraining.skeleton import Array

Overlay = Callable[[Picture, int], None]


def background(rng: Rng, width: int, height: int) -> Picture:
    """Return a still background: floor, walls, tiles, furniture, of random tone and contrast."""
    tone, spread = rng.uniform(30, 200), rng.uniform(8, 60)
    total = np.full((height, width), tone, np.float32)
    for cells in (2, 4, 9, 25, 70):
        grid = rng.normal(0, 1, (max(2, cells * height // width), cells)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(
            spread * rng.uniform(0, 1) / cells**0.4
        )
    picture: Picture = np.clip(total, 0, 255).astype(np.uint8)
    horizon = rng.uniform(-0.1, 0.6) * height
    if horizon > 0:
        for _ in range(rng.integers(0, 7)):
            left, across = rng.uniform(-0.2, 1.0) * width, rng.uniform(0.05, 0.5) * width
            top = horizon - rng.uniform(0.1, 1.0) * height
            polygon(picture, _box(left, top, across, horizon + rng.uniform(0, 0.1) * height - top), _shade(rng))
    if rng.random() < 0.35:  # tiles or lanes, converging
        centre, shade, gap = rng.uniform(0, width), _shade(rng), rng.uniform(0.08, 0.4) * width
        for i in range(-8, 9):
            line(
                picture,
                np.array([centre + 0.2 * i * gap, horizon]),
                np.array([centre + 2.0 * i * gap, float(height)]),
                rng.uniform(1, 3),
                shade,
            )
    for _ in range(rng.integers(0, 14)):
        left, top = rng.uniform(-0.1, 1.0) * width, rng.uniform(0, 1.0) * height
        across, down = rng.uniform(0.02, 0.3) * width, rng.uniform(0.02, 0.3) * height
        polygon(picture, _box(left, top, across, down) + rng.normal(0, 0.01 * width, (4, 2)), _shade(rng))
    if rng.random() < 0.7:
        fine = rng.normal(0, rng.uniform(1, 14), (height, width)).astype(np.float32)
        picture = np.clip(picture + cv2.blur(fine, (3, 3)) * 2, 0, 255).astype(np.uint8)
    return picture


def _shade(rng: Rng) -> int:
    return int(rng.integers(5, 250))


def _box(left: float, top: float, width: float, height: float) -> Array:
    return np.array([[left, top], [left + width, top], [left + width, top + height], [left, top + height]])


def _foliage(rng: Rng, still: Picture, t: Array) -> Overlay:
    """Return an overlay of a swinging patch, like leaves, flags and curtains."""
    height, width = still.shape
    w, h = max(8, int(rng.uniform(0.1, 0.5) * width)), max(8, int(rng.uniform(0.1, 0.5) * height))
    left, top = int(rng.uniform(0, width - w)), int(rng.uniform(0, height - h))
    leaves = rng.normal(0, rng.uniform(10, 50), (max(2, h // 3), max(2, w // 3))).astype(np.float32)
    texture = cv2.resize(leaves, (w, h), interpolation=cv2.INTER_CUBIC) + np.float32(rng.uniform(20, 160))
    swing_x = rng.uniform(0.2, 3.0) * wander(rng, t, 0.2, 2.0)
    swing_y = rng.uniform(0.1, 1.5) * wander(rng, t, 0.2, 2.0)
    patch = np.clip(texture, 0, 255).astype(np.uint8)

    def draw(picture: Picture, index: int) -> None:
        move = np.array([[1, 0, swing_x[index]], [0, 1, swing_y[index]]], np.float32)
        picture[top : top + h, left : left + w] = cv2.warpAffine(patch, move, (w, h), borderMode=cv2.BORDER_REFLECT)

    return draw


def _screen(rng: Rng, still: Picture, t: Array) -> Overlay:
    """Return an overlay of a screen, a lamp or a sign with changing brightness."""
    height, width = still.shape
    w, h = max(4, int(rng.uniform(0.05, 0.3) * width)), max(4, int(rng.uniform(0.05, 0.3) * height))
    left, top = int(rng.uniform(0, width - w)), int(rng.uniform(0, height - h))
    hz = rng.uniform(0.3, 8.0)
    glow = rng.uniform(5, 90) * np.sign(np.sin(2 * np.pi * hz * t + rng.uniform(0, 6)))

    def draw(picture: Picture, index: int) -> None:
        region = picture[top : top + h, left : left + w]
        region[:] = np.clip(region + glow[index], 0, 255).astype(np.uint8)

    return draw


def _headlight(rng: Rng, still: Picture, t: Array) -> Overlay:
    """Return an overlay of a soft patch of light that moves over the scene."""
    height, width = still.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    start, way = rng.uniform(0, 1, 2) * (width, height), rng.normal(0, 0.8, 2) * width
    wide, bright = rng.uniform(0.1, 0.4) * width, rng.uniform(-70, 90)

    def draw(picture: Picture, index: int) -> None:
        x, y = start + way * t[index]
        light = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * wide * wide)) * bright
        picture[:] = np.clip(picture + light, 0, 255).astype(np.uint8)

    return draw


def _clock(rng: Rng, still: Picture, t: Array) -> Overlay:
    """Return an overlay of text burnt in by a recorder, with a running counter."""
    height, width = still.shape
    position = (int(rng.uniform(0, 0.6) * width), int(rng.choice([0.08, 0.97]) * height))
    scale, shade, first = rng.uniform(0.3, 0.6) * height / 240, int(rng.choice([10, 250])), int(rng.integers(10**6))
    step = rng.uniform(0.0, 1.0)

    def draw(picture: Picture, index: int) -> None:
        text = f"CAM {first % 17:02d} {first + int(index * step):08d}"
        cv2.putText(picture, text, position, cv2.FONT_HERSHEY_PLAIN, 2 * scale, shade, 1, cv2.LINE_8)

    return draw


_OVERLAYS = ((_foliage, 0.2), (_screen, 0.15), (_headlight, 0.06), (_clock, 0.35))


@dataclass
class Scene:
    """One camera's view during a clip: still background, actors, overlays, camera motion, lighting."""

    still: Picture
    actors: list[Actor]
    overlays: list[Overlay]
    """Drawn behind the actors, except the last one, which is in front of everything (usually the clock)."""
    moves_T23: Array
    """Affine motion of the camera, from scene to picture; the identity for a fixed camera."""
    gain_T: Array
    front: list[tuple[Array, int]]
    camera: dict[str, float]
    """``shake``, ``pan``, ``zoom``, ``flicker``: 1 if present, else 0."""

    def draw(self, index: int) -> Picture:
        """Render one frame, ``[height, width]``."""
        picture = self.still.copy()
        height, width = picture.shape
        for overlay in self.overlays[:-1]:
            overlay(picture, index)
        seen = [a for a in self.actors if a.body.seen_T is None or a.body.seen_T[index]]
        for actor in sorted(seen, key=lambda one: one.depth(index)):
            actor.draw(picture, index)
        for corners, shade in self.front:
            polygon(picture, corners, shade)
        if self.camera["shake"] or self.camera["pan"] or self.camera["zoom"]:
            move = self.moves_T23[index].astype(np.float32)
            picture = cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REFLECT).astype(np.uint8)
        if self.camera["flicker"]:
            picture = np.clip(picture * self.gain_T[index], 0, 255).astype(np.uint8)
        for overlay in self.overlays[-1:]:
            overlay(picture, index)
        return picture


def make_scene(rng: Rng, width: int, height: int, t: Array) -> Scene:
    """Generate a random scene.

    Args:
        rng: Random generator for all choices.
        width: Width in pixels.
        height: Height in pixels.
        t: Times of the frames in seconds.
    """
    near = np.exp(rng.uniform(np.log(0.14), np.log(0.95))) * height
    view = View(rng.uniform(0.1, 1.25), near * rng.uniform(0.4, 1.0), near, height)
    still = background(rng, width, height)
    overlays = [make(rng, still, t) for make, chance in _OVERLAYS if rng.random() < chance]
    actors = populate(rng, view, t, width, height)
    front: list[tuple[Array, int]] = []
    if rng.random() < 0.15:
        for _ in range(rng.integers(1, 4)):
            left, across = rng.uniform(0, width), rng.uniform(0.01, 0.12) * width
            front.append((_box(left, rng.uniform(-0.5, 0.5) * height, across, 2.0 * height), _shade(rng)))
    moves, camera = _camera(rng, width, height, t)
    gain = np.ones_like(t)
    camera["flicker"] = float(rng.random() < 0.12)
    if camera["flicker"]:
        step = rng.uniform(0.6, 1.5)
        gain = np.where(t > rng.choice(t), step, 1.0) if rng.random() < 0.4 else 1 + 0.1 * wander(rng, t, 0.3, 9.0)
    return Scene(still, actors, overlays, moves, gain, front, camera)


def _camera(rng: Rng, width: int, height: int, t: Array) -> tuple[Array, dict[str, float]]:
    moves = np.tile(np.eye(2, 3), (len(t), 1, 1))
    kinds = dict.fromkeys(("shake", "pan", "zoom"), 0.0)
    draw = rng.random()
    if draw < 0.10:
        kinds["shake"] = 1.0
        size = np.exp(rng.uniform(np.log(0.3), np.log(5.0))) * height / 240
        for axis in (0, 1):
            moves[:, axis, 2] += size * wander(rng, t, 0.5, 6.0)
    if 0.07 < draw < 0.16:
        kinds["pan"] = 1.0
        speed = rng.normal(0, 0.25, 2) * height
        moves[:, :, 2] += speed * (t - t.mean())[:, None]
    if 0.14 < draw < 0.19:
        kinds["zoom"] = 1.0
        factor = np.exp(rng.normal(0, 0.25) * (t - t.mean()))
        moves[:, 0, 0] = moves[:, 1, 1] = factor
        moves[:, 0, 2] += (1 - factor) * width / 2
        moves[:, 1, 2] += (1 - factor) * height / 2
    return moves, kinds
