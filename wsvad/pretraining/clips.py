"""Render a clip and its ground truth from a seed."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wsvad.pretraining.degradation import degrade
from wsvad.pretraining.poses import Rng
from wsvad.pretraining.scenes import Scene, make_scene
from wsvad.pretraining.targets import CAMERA, SIDE, Placed, Targets, measure

FRAMES = 16
_SAMPLES = FRAMES + 2


class RenderedClip(NamedTuple):
    """A clip and its ground truth."""

    frames_THW: NDArray[np.uint8]
    """Grey frames, ``[16, 224, 224]``."""
    targets: Targets


class Tile(NamedTuple):
    """A part of a picture with its own camera, in pixels."""

    left: int
    top: int
    width: int
    height: int


def _tiles(rng: Rng, width: int, height: int) -> list[Tile]:
    """Divide a picture like a monitor wall: mostly undivided; else 2x2, 3x3, or one large and five small tiles."""
    draw = rng.random()
    if draw < 0.66:
        return [Tile(0, 0, width, height)]
    if draw < 0.84:
        w, h = width // 2, height // 2
        return [Tile(x * w, y * h, w, h) for y in range(2) for x in range(2)]
    w, h = width // 3, height // 3
    small = [Tile(x * w, y * h, w, h) for y in range(3) for x in range(3)]
    if draw < 0.92:
        return small
    return [Tile(0, 0, 2 * w, 2 * h), *(tile for tile in small if tile.left == 2 * w or tile.top == 2 * h)]


def render_clip(seed: int, index: int) -> RenderedClip:
    """Render one clip.

    Args:
        seed: Seed of the data set.
        index: Index of the clip; seed and index determine the clip, wherever and in whatever order it is rendered.
    """
    rng = np.random.default_rng([seed, index])
    height = 2 * int(rng.integers(80, 150))
    width = 2 * int(height * rng.choice([4 / 3, 4 / 3, 1.25, 1.5, 16 / 9]) / 2)
    t = np.arange(_SAMPLES) * np.exp(rng.uniform(np.log(0.03), np.log(0.075)))
    frames = np.zeros((FRAMES, height, width), np.uint8)
    bodies: list[Placed] = []
    camera = dict.fromkeys(CAMERA, 0.0)
    for tile in _tiles(rng, width, height):
        cut = int(rng.integers(1, FRAMES)) if rng.random() < 0.12 else FRAMES
        camera["cut"] = max(camera["cut"], float(cut < FRAMES))
        for first, last in ((0, cut), (cut, FRAMES)):
            if first == last:
                continue
            shown = make_scene(rng, tile.width, tile.height, t)
            for number in range(first, last):
                region = frames[number, tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
                region[:] = shown.draw(number + 1)
            bodies += _placed(shown, tile, width, height, first, last)
            for name, value in shown.camera.items():
                camera[name] = max(camera[name], value)
    frames = degrade(rng, frames)
    small = np.stack([cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for frame in frames])
    return RenderedClip(small.astype(np.uint8, copy=False), measure(bodies, camera))


def _placed(shown: Scene, tile: Tile, width: int, height: int, first: int, last: int) -> list[Placed]:
    """Return the bodies of a scene in pixels of the whole picture."""
    scale = np.array([SIDE / width, SIDE / height])
    number = np.arange(_SAMPLES)
    on = (number >= first + 1) & (number < last + 1)
    placed = []
    for actor in shown.actors:
        points = actor.body.points_TP2
        moved = np.einsum("tij,tpj->tpi", shown.moves_T23[:, :, :2], points) + shown.moves_T23[:, None, :, 2]
        inside = ((moved >= 0) & (moved < (tile.width, tile.height))).all(2) & on[:, None]
        if actor.body.seen_T is not None:
            inside &= actor.body.seen_T[:, None]
        velocity = np.gradient(points, axis=0) * scale
        positions = (moved + np.array([tile.left, tile.top])) * scale
        body = actor.body
        body.mass_P = body.mass_P * scale.prod()
        placed.append(Placed(body, positions, velocity, body.size * scale[1], inside))
    return placed
