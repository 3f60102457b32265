"""Scenes: a pinhole camera above a floor, and its still picture.

World coordinates are metres: X to the right of the camera, Z away from it, height above the floor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsvad.demo.draw import Canvas, Field, stroke, value_noise

Texture = Callable[["Surface", Field], Field]


@dataclass(frozen=True)
class Surface:
    """A visible surface: its two coordinates in metres at every pixel, and its distance."""

    u: Field
    """Horizontal coordinate: X, or Z on a side wall."""
    v: Field
    """Z on the floor and the ceiling, height above the floor on a wall."""
    z: Field
    """Distance from the camera along its axis."""


@dataclass(frozen=True)
class Scene:
    """A scene and its camera."""

    name: str
    floor: Texture
    back: Texture
    side: Texture | None = None
    """Walls at ``X = ±half_width``; ``None`` outdoors."""
    width: int = 320
    """Width in pixels."""
    height: int = 240
    """Height in pixels."""
    horizon: float = 58.0
    """Row of the camera's eye level, pixels from the top."""
    focal: float = 235.0
    """Focal length in pixels."""
    eye: float = 3.4
    """Height of the camera above the floor, metres."""
    back_z: float = 17.0
    """Distance of the wall (or row of trees) at the back, metres."""
    half_width: float = 3.0
    """Metres from the middle to a side wall, if any."""
    ceiling: float = 3.9
    """Height of the ceiling in metres, if there are side walls."""
    near_z: float = 5.2
    """Minimum distance of people from the camera, metres."""
    far_z: float = 12.5
    """Maximum distance of people from the camera, metres."""
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Colour cast of the camera."""

    def project(self, x: float, z: float, up: float = 0.0) -> tuple[float, float]:
        """Return the pixel ``(x, y)`` of a point ``up`` metres above the floor."""
        return self.width / 2 + self.focal * x / z, self.horizon + self.focal * (self.eye - up) / z

    def half_view(self, z: float) -> float:
        """Return how many metres to each side the camera sees at distance ``z``."""
        return self.width / 2 / self.focal * z


def paint(scene: Scene, rng: np.random.Generator) -> Canvas:
    """Return the empty scene, ``[height, width, 3]`` float32 in 0..255, with one ray per pixel."""
    table = rng.random((64, 64), dtype=np.float32)
    dx = ((np.arange(scene.width, dtype=np.float32) - scene.width / 2) / scene.focal)[None, :]
    dy = ((np.arange(scene.height, dtype=np.float32) - scene.horizon) / scene.focal)[:, None]
    dx, dy = np.broadcast_arrays(dx, dy)
    with np.errstate(divide="ignore"):
        to_floor = np.where(dy > 0, scene.eye / dy, np.inf).astype(np.float32)
        above = (scene.ceiling - scene.eye) if scene.side else np.inf
        to_ceiling = np.where(dy < 0, above / -dy, np.inf).astype(np.float32)
        to_side = np.where(dx != 0, scene.half_width / np.abs(dx), np.inf).astype(np.float32)
    if scene.side is None:
        to_side = np.full_like(to_floor, np.inf)
    z = np.minimum.reduce([to_floor, to_ceiling, to_side, np.full_like(to_floor, scene.back_z)])
    x, up = dx * z, scene.eye - dy * z
    canvas = scene.back(Surface(x, up, z), table)
    floor = scene.floor(Surface(x, z, z), table)
    canvas = np.where((z == to_floor)[..., None], floor, canvas)
    if scene.side is not None:
        canvas = np.where((z == to_side)[..., None], scene.side(Surface(z * np.sign(dx), up, z), table), canvas)
        canvas = np.where((z == to_ceiling)[..., None], _ceiling(Surface(x, z, z), table), canvas)
    corner = np.hypot(dx / dx.max(), (dy - dy.mean()) / (dy.max() - dy.mean()))[..., None]
    shaded = canvas * (1.03 - 0.13 * corner**2) * np.asarray(scene.tint, np.float32)
    return np.ascontiguousarray(np.clip(_soften(shaded), 0, 255), dtype=np.float32)


def _soften(canvas: Field) -> Field:
    """Blur slightly, like an imperfect lens; this also hides aliasing from one ray per pixel."""
    padded = np.pad(canvas, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    blurred: Field = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
    return blurred


def _rgb(r: float, g: float, b: float, weight: Field) -> Field:
    return np.asarray((r, g, b), np.float32) * weight[..., None]


def _mix(base: Field, over: Field, mask: NDArray[np.bool_]) -> Field:
    return np.where(mask[..., None], over, base)


def _grain(table: Field, u: Field, v: Field) -> Field:
    """Return rough noise around 1 with three octaves."""
    octaves = [value_noise(table, u * f + f, v * f) / g for f, g in ((0.7, 1.0), (2.9, 2.0), (11.0, 3.0))]
    rough: Field = np.float32(0.72) + np.float32(0.31) * np.add.reduce(octaves)
    return rough


def _steps(u: Field, scale: float) -> Field:
    """Return one number per slab or brick, far enough apart for distinct noise."""
    stepped: Field = np.floor(u) * np.float32(scale)
    return stepped


def _paving(s: Surface, table: Field) -> Field:
    """Stone slabs of one metre in different greys."""
    slab = value_noise(table, _steps(s.u + 32, 7.3), _steps(s.v, 5.1))
    stone = _rgb(158, 152, 143, _grain(table, s.u, s.v) * (0.88 + 0.2 * slab))
    joint = np.minimum(np.abs(s.u - np.round(s.u)), np.abs(s.v - np.round(s.v))) < 0.022 + 0.0018 * s.z
    return _mix(stone, stone * 0.78, joint)


def _road(s: Surface, table: Field) -> Field:
    """A pavement in front, a road with a broken line and a crossing, and a pavement behind."""
    asphalt = _rgb(92, 94, 98, _grain(table, s.u * 1.7, s.v * 1.7))
    line = (np.abs(s.v - 10.2) < 0.09) & (np.mod(s.u, 2.4) < 1.3)
    zebra = (np.abs(s.u + 2.2) < 1.5) & (np.mod(s.u + 3.7, 0.86) < 0.46) & (s.v > 8.1) & (s.v < 12.6)
    road = _mix(asphalt, _rgb(205, 203, 192, _grain(table, s.u, s.v)), line | zebra)
    walk = (s.v < 7.9) | (s.v > 12.8)
    kerb = (np.abs(s.v - 7.9) < 0.1) | (np.abs(s.v - 12.8) < 0.1)
    return _mix(_mix(road, _paving(s, table), walk), _rgb(176, 174, 168, np.ones_like(s.u)), kerb)


def _meadow(s: Surface, table: Field) -> Field:
    """Grass with a winding gravel path."""
    grass = _rgb(98, 128, 66, _grain(table, s.u * 2.3, s.v * 2.3) * (0.85 + 0.3 * value_noise(table, s.u, s.v * 0.33)))
    bend = s.v - 9.4 - np.sin(s.u * 0.35) * 0.8
    path = np.abs(bend) < 1.5 + 0.12 * value_noise(table, s.u * 3, s.v * 3)
    return _mix(grass, _rgb(186, 170, 138, _grain(table, s.u * 3, s.v * 3)), path)


def _tiles(s: Surface, table: Field) -> Field:
    """Polished checks with weak reflections of the lamps."""
    check = (np.floor(s.u * 1.25) + np.floor(s.v * 1.25)) % 2
    gloss = 0.12 * np.exp(-(s.u**2) / 0.8) * (0.5 + 0.5 * np.cos(s.v * 1.9))
    return _rgb(150, 146, 138, (0.84 + 0.18 * check + gloss) * (0.75 + 0.25 * _grain(table, s.u, s.v)))


def _facade(s: Surface, table: Field) -> Field:
    """Brick with a row of shop windows and a door."""
    course = _steps(s.v / 0.24, 1.0)
    brick = value_noise(table, _steps(s.u / 0.5 + 0.5 * (course % 2), 3.7), course * 1.9)
    wall = _rgb(146, 96, 78, _grain(table, s.u, s.v) * (0.82 + 0.3 * brick))
    wall = _mix(wall, wall * 0.86, np.mod(s.v, 0.24) < 0.05)
    bay = np.mod(s.u + 2.0, 4.0) - 2.0
    glass = (np.abs(bay) < 1.35) & (s.v > 0.7) & (s.v < 2.5)
    frame = (np.abs(bay) < 1.47) & (s.v > 0.58) & (s.v < 2.62)
    pane = _rgb(70, 84, 96, 0.8 + 0.5 * value_noise(table, s.u * 0.9 + s.v, s.v * 0.7))
    sign = (s.v > 2.75) & (s.v < 3.25)
    return _mix(_mix(_mix(wall, _rgb(58, 76, 88, _grain(table, s.u, s.v)), sign), wall * 0.45, frame), pane, glass)


def _plaster(s: Surface, table: Field) -> Field:
    """A plastered wall with a plinth and dark arches."""
    wall = _rgb(196, 180, 150, 0.6 + 0.4 * _grain(table, s.u * 0.6, s.v * 0.6))
    bay = np.mod(s.u + 2.6, 5.2) - 2.6
    arch = (np.abs(bay) < 1.1) & ((s.v < 1.9) | (np.hypot(bay, s.v - 1.9) < 1.1))
    wall = _mix(wall, _rgb(74, 66, 60, 0.8 + 0.5 * value_noise(table, s.u * 2, s.v)), arch)
    return _mix(wall, wall * 0.72, s.v < 0.35)


def _trees(s: Surface, table: Field) -> Field:
    """Sky, far hills and a row of trees."""
    sky = _rgb(168, 190, 214, 0.9 + 0.1 * value_noise(table, s.u * 0.2, s.v * 0.5) + 0.012 * s.v)
    hills = s.v < 2.9 + 1.1 * value_noise(table, s.u * 0.11, s.u * 0.0 + 3.0)
    land = _mix(sky, _rgb(126, 146, 132, 0.8 + 0.3 * value_noise(table, s.u, s.v)), hills)
    crown_edge = 2.0 + 2.6 * value_noise(table, s.u * 0.45, s.u * 0.0) + 0.6 * value_noise(table, s.u * 2.5, s.v * 2.5)
    leaves = _rgb(66, 92, 50, 0.55 + 0.75 * value_noise(table, s.u * 3.1, s.v * 3.1))
    return _mix(land, leaves, (s.v < crown_edge) & (s.v > 0.0))


def _office(s: Surface, table: Field) -> Field:
    """Painted wall with doors, a darker band and a rail, for the side walls and the end."""
    wall = _rgb(190, 192, 186, 0.75 + 0.25 * _grain(table, s.u, s.v))
    band = s.v < 1.0
    wall = _mix(wall, _rgb(118, 138, 142, 0.75 + 0.25 * _grain(table, s.u, s.v)), band)
    door = np.mod(s.u + 0.4, 4.2) - 2.1
    leaf = (np.abs(door) < 0.5) & (s.v < 2.15)
    frame = (np.abs(door) < 0.58) & (s.v < 2.23)
    wall = _mix(wall, wall * 0.6, frame)
    wall = _mix(wall, _rgb(134, 102, 74, 0.7 + 0.3 * _grain(table, s.u * 2, s.v * 0.5)), leaf)
    dimmed: Field = wall * (0.72 + 0.28 * np.clip(1.2 - s.z / 26, 0, 1, dtype=np.float32))[..., None]
    return dimmed


def _ceiling(s: Surface, table: Field) -> Field:
    panel = _rgb(196, 197, 192, 0.9 + 0.06 * value_noise(table, s.u, s.v))
    lamp = (np.abs(s.u) < 0.5) & (np.mod(s.v, 3.2) < 1.2)
    return _mix(panel, _rgb(250, 250, 240, np.ones_like(s.u)), lamp)


SCENES = (
    Scene("courtyard", _paving, _plaster, tint=(1.03, 1.0, 0.95)),
    Scene("street", _road, _facade, horizon=52.0, eye=3.9, back_z=16.0, far_z=14.0, tint=(0.96, 1.0, 1.04)),
    Scene(
        "park", _meadow, _trees, width=384, height=216, horizon=62.0, focal=250.0, eye=3.2, back_z=24.0, far_z=11.5
    ),
    Scene(
        "corridor", _tiles, _office, side=_office, horizon=66.0, focal=210.0, eye=3.1, back_z=24.0, half_width=3.1,
        ceiling=3.7, near_z=4.9, far_z=12.0, tint=(0.98, 1.02, 0.97),
    ),
)  # fmt: skip


def furnish(scene: Scene, canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw lamp posts at the back of an outdoor scene, at random positions."""
    if scene.side is not None:
        return
    z = scene.far_z + 1.2
    for x in (-0.75, 0.2, 0.8):
        at = (x + 0.12 * float(rng.standard_normal())) * scene.half_view(z)
        foot, head = scene.project(at, z), scene.project(at, z, 3.3)
        arm = scene.project(at + 0.5, z, 3.45)
        stroke(canvas, foot, head, 1.2, (70, 72, 74))
        stroke(canvas, head, arm, 0.9, (70, 72, 74))
        stroke(canvas, arm, arm, 2.0, (226, 220, 196))
