"""A walking, running, fighting figure: twelve strokes whose joints are computed from a few angles.

Lengths are fractions of the body height. Angles are in radians, 0 straight down (limbs) or up (trunk), positive
forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np

from wsvad.demo.draw import Canvas, Color, shadow, stroke
from wsvad.demo.scenes import Scene

_HIP, _THIGH, _SHIN, _FOOT = 0.50, 0.25, 0.25, 0.08
_TRUNK, _NECK_TO_HEAD, _UPPER_ARM, _FOREARM = 0.31, 0.11, 0.165, 0.15
_HALF_SHOULDERS, _HALF_HIPS = 0.105, 0.055

Box = tuple[int, int, int, int]


class Arm(NamedTuple):
    """One arm: angle of the upper arm, and forward bend of the elbow."""

    shoulder: float
    elbow: float


@dataclass(frozen=True)
class Look:
    """Clothes and height of a person."""

    height_m: float
    top: Color
    trousers: Color
    skin: Color
    hair: Color


@dataclass(frozen=True)
class Pose:
    """Position of a person and posture of the body."""

    x: float
    """Metres to the right of the camera."""
    z: float
    """Metres away from the camera."""
    heading: float
    """Direction of the face: 0 to the right, pi/2 away from the camera."""
    phase: float = 0.0
    """Phase of the gait; 2 pi is two steps."""
    swing: float = 0.0
    """Swing of the legs: 0 standing, about 0.45 walking, 0.95 running."""
    lean: float = 0.05
    """Forward lean of the trunk."""
    arms: tuple[Arm, Arm] | None = None
    """Left and right arm; ``None`` swings them against the legs."""
    fall: float = 0.0
    """0 upright to 1 flat on the ground."""


class Limb(NamedTuple):
    """One stroke in body coordinates ``(forward, up, left)``."""

    a: tuple[float, float, float]
    b: tuple[float, float, float]
    radius: float
    color: Color


class Mark(NamedTuple):
    """One stroke in pixels."""

    a: tuple[float, float]
    b: tuple[float, float]
    radius: float
    color: Color


def random_look(rng: np.random.Generator) -> Look:
    """Return random clothes and a random height."""
    tops = ((178, 58, 52), (62, 92, 150), (206, 196, 178), (74, 116, 84), (196, 158, 66), (96, 84, 120), (52, 54, 60))
    trousers = ((48, 52, 70), (70, 66, 62), (108, 96, 80), (40, 42, 46))
    skins = ((226, 184, 154), (198, 148, 114), (142, 98, 72), (98, 68, 52))
    hairs = ((46, 36, 30), (92, 66, 44), (28, 26, 26), (150, 132, 108))
    pick = [group[int(rng.integers(len(group)))] for group in (tops, trousers, skins, hairs)]
    return Look(float(rng.uniform(1.6, 1.88)), pick[0], pick[1], pick[2], pick[3])


def draw_figure(canvas: Canvas, scene: Scene, look: Look, pose: Pose) -> None:
    """Draw a person and the shadow at their feet; nothing if they are outside the picture."""
    if _bounds(marks := _marks(scene, look, pose), scene) is None:
        return
    foot_x, foot_y = scene.project(pose.x, pose.z)
    scale = _scale(scene, look, pose)
    shadow(canvas, (foot_x + 0.06 * scale, foot_y), ((0.2 + 0.3 * pose.fall) * scale, 0.07 * scale + 1), 0.5)
    for a, b, radius, color in marks:
        stroke(canvas, a, b, radius, color)


def figure_box(scene: Scene, look: Look, pose: Pose) -> Box | None:
    """Return the pixels that :func:`draw_figure` covers, ``(x1, y1, x2, y2)``, half-open, clipped to the picture.

    ``None`` if the person is outside the picture. The shadow does not count.
    """
    return _bounds(_marks(scene, look, pose), scene)


def _scale(scene: Scene, look: Look, pose: Pose) -> float:
    """Return the height of the body in pixels."""
    return scene.focal / pose.z * look.height_m


def _marks(scene: Scene, look: Look, pose: Pose) -> list[Mark]:
    """Return the strokes in the picture; none if the person is behind the camera, the wall, or far to a side."""
    if not 1.5 < pose.z < scene.back_z - 0.3 or abs(pose.x) > scene.half_view(pose.z) + 2.0:
        return []
    foot_x, foot_y = scene.project(pose.x, pose.z)
    scale = _scale(scene, look, pose)
    ahead, aside = cos(pose.heading), -sin(pose.heading)
    depth = 0.35 * scene.eye / pose.z  # the camera looks down: nearer points are lower in the picture

    def pixel(point: tuple[float, float, float]) -> tuple[float, float]:
        forward, up, left = point
        farther = left * ahead - forward * aside
        return foot_x + scale * (forward * ahead + left * aside), foot_y - scale * (up + depth * farther)

    limbs = _limbs(look, pose)
    return [Mark(pixel(limb.a), pixel(limb.b), max(limb.radius * scale, 0.6), limb.color) for limb in limbs]


def _bounds(marks: list[Mark], scene: Scene) -> Box | None:
    if not marks:
        return None
    x1 = min(min(m.a[0], m.b[0]) - m.radius for m in marks)
    y1 = min(min(m.a[1], m.b[1]) - m.radius for m in marks)
    x2 = max(max(m.a[0], m.b[0]) + m.radius for m in marks)
    y2 = max(max(m.a[1], m.b[1]) + m.radius for m in marks)
    left, top = max(0, int(x1)), max(0, int(y1))
    right, bottom = min(scene.width, int(x2) + 1), min(scene.height, int(y2) + 1)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _limbs(look: Look, pose: Pose) -> list[Limb]:
    """Return the strokes from the far side to the near one."""
    legs = {side: _leg(pose, side) for side in (1, -1)}
    sink = min(min(point[1] for point in leg[1:]) for leg in legs.values()) - 0.025
    hip = (0.0, _HIP - sink)
    neck = _add(hip, _TRUNK, pose.lean, up=True)
    head = _add(neck, _NECK_TO_HEAD, pose.lean * 0.6, up=True)
    near = 1 if cos(pose.heading) < 0 else -1  # the left side is near if the person walks to the left
    face = look.hair if sin(pose.heading) > 0.6 else look.skin
    limbs: list[Limb] = []
    for side in (-near, near):
        dim = 1.0 if side == near else 0.78
        knee, ankle, toe = ((f, u - sink) for f, u in legs[side][1:])
        width = side * _HALF_HIPS
        trousers, shoe, sleeve = (_dim(c, dim) for c in (look.trousers, (42, 38, 36), look.top))
        leg = [
            Limb((*hip, width), (*knee, width), 0.052, trousers),
            Limb((*knee, width), (*ankle, width), 0.040, trousers),
            Limb((*ankle, width), (*toe, width), 0.030, shoe),
        ]
        elbow, hand = _arm(pose, side, neck)
        width = side * _HALF_SHOULDERS
        shoulder = (neck[0], neck[1] - 0.015, width)
        arm = [
            Limb(shoulder, (*elbow, width * 1.15), 0.034, sleeve),
            Limb((*elbow, width * 1.15), (*hand, width), 0.027, _dim(look.skin, dim)),
        ]
        trunk = [
            Limb((*hip, 0.0), (hip[0], hip[1] + 0.05, 0.0), 0.080, look.trousers),
            Limb((hip[0], hip[1] + 0.06, 0.0), (neck[0], neck[1] - 0.06, 0.0), 0.086, look.top),
            Limb((neck[0], neck[1], 0.0), (*head, 0.0), 0.034, look.skin),
            Limb((head[0] + 0.008, head[1] - 0.008, 0.0), (head[0] + 0.008, head[1] + 0.012, 0.0), 0.054, face),
            Limb((head[0] - 0.012, head[1] + 0.022, 0.0), (head[0] - 0.004, head[1] + 0.03, 0.0), 0.050, look.hair),
        ]
        limbs += [*arm, *leg, *trunk] if side != near else [*leg, *arm]
    return [limb._replace(a=_fallen(limb.a, pose.fall), b=_fallen(limb.b, pose.fall)) for limb in limbs]


def _leg(pose: Pose, side: int) -> list[tuple[float, float]]:
    """Return hip, knee, ankle and toe as ``(forward, up)``; the knee bends while the leg swings forward."""
    phase = pose.phase + (0.0 if side > 0 else pi)
    thigh = pose.swing * sin(phase) + 0.12 * pose.swing
    bend = 0.06 + pose.swing * (0.22 + 1.15 * max(0.0, cos(phase)))
    knee = _add((0.0, _HIP), _THIGH, thigh)
    ankle = _add(knee, _SHIN, thigh - bend)
    toe = _add(ankle, _FOOT, pi / 2 + 0.5 * (thigh - bend))
    return [(0.0, _HIP), knee, ankle, toe]


def _arm(pose: Pose, side: int, neck: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return elbow and hand as ``(forward, up)``."""
    if pose.arms is not None:
        shoulder, bend = pose.arms[0 if side > 0 else 1]
    else:
        phase = pose.phase + (0.0 if side > 0 else pi)
        shoulder, bend = -0.85 * pose.swing * sin(phase) + pose.lean * 0.5, 0.22 + 1.3 * max(0.0, pose.swing - 0.3)
    elbow = _add((neck[0], neck[1] - 0.015), _UPPER_ARM, shoulder)
    return elbow, _add(elbow, _FOREARM, shoulder + bend)


def _add(origin: tuple[float, float], length: float, angle: float, *, up: bool = False) -> tuple[float, float]:
    return origin[0] + length * sin(angle), origin[1] + length * (cos(angle) if up else -cos(angle))


def _fallen(point: tuple[float, float, float], fall: float) -> tuple[float, float, float]:
    """Rotate the whole body backwards about its feet."""
    if fall <= 0.0:
        return point
    forward, up, left = point
    angle = -1.45 * fall
    return forward * cos(angle) + up * sin(angle), max(0.03, up * cos(angle) - forward * sin(angle)), left


def _dim(color: Color, factor: float) -> Color:
    return color[0] * factor, color[1] * factor, color[2] * factor
