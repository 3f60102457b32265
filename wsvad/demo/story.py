"""Stories of the videos: people cross the scene, and a small group meets and talks, fights, or chases each other.

The normal and the anomalous video of a scene differ only in what the group does while it is together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import atan2, hypot, pi, sin
from typing import Literal, NamedTuple

import numpy as np

from wsvad.demo.figures import Arm, Look, Pose, random_look
from wsvad.demo.scenes import Scene

FPS = 25
Kind = Literal["normal", "fight", "chase"]
_STEP_M = 1.45  # metres per gait cycle when walking; longer when running


class Point(NamedTuple):
    """A position on the floor, metres."""

    x: float
    z: float


@dataclass(frozen=True)
class Person:
    """A person in the story; ``pose(frame)`` is a pure function."""

    look: Look
    pose: Callable[[float], Pose]
    takes_part: bool = False
    """True for members of the group; the truth boxes of an anomalous video contain them."""


@dataclass(frozen=True)
class Story:
    """All people, and the frames in which the group is together."""

    people: tuple[Person, ...]
    start_frame: int
    end_frame: int
    """End of the half-open frame interval."""


def make_story(scene: Scene, kind: Kind, num_frames: int, rng: np.random.Generator) -> Story:
    """Generate a story of ``num_frames`` frames; the group is together for 3 to 5 s (less in a very short video)."""
    together = int(min(rng.uniform(3.0, 5.0) * FPS, num_frames * 0.45))
    start = int(rng.uniform(0.3, 0.45) * num_frames)
    people = _passers_by(scene, num_frames, rng)
    people += _group(scene, kind, start, start + together, rng)
    return Story(tuple(people), start, start + together)


def _passers_by(scene: Scene, num_frames: int, rng: np.random.Generator) -> list[Person]:
    people = []
    frame = -float(rng.uniform(60, 120))
    while frame < num_frames:
        people.append(_passer_by(scene, frame, rng))
        frame += float(rng.uniform(70, 130))
    return people


def _passer_by(scene: Scene, enters: float, rng: np.random.Generator) -> Person:
    """Return a person who crosses in a straight line: across an open scene, along a corridor."""
    direction = 1.0 if rng.random() < 0.5 else -1.0
    if scene.side is None:
        z = float(rng.uniform(scene.near_z, scene.far_z))
        edge = scene.half_view(z) + 0.8
        a, b = Point(-direction * edge, z), Point(direction * edge, z + float(rng.uniform(-0.8, 0.8)))
    else:
        x = float(rng.uniform(-0.72, 0.72)) * scene.half_width
        ends = Point(x, 2.0), Point(x * 0.8, scene.back_z - 0.5)
        a, b = ends if direction > 0 else ends[::-1]
    speed = float(rng.uniform(1.05, 1.6)) * (2.0 if rng.random() < 0.12 else 1.0)  # some people jog
    offset = float(rng.uniform(0, 2 * pi))

    def pose(frame: float) -> Pose:
        walked = speed * (frame - enters) / FPS
        return _walking(a, b, walked, speed, offset)

    return Person(random_look(rng), pose)


def _walking(a: Point, b: Point, walked: float, speed: float, offset: float) -> Pose:
    """Return the pose on the way from ``a`` through ``b``, ``walked`` metres from ``a`` (negative: before ``a``)."""
    length = hypot(b.x - a.x, b.z - a.z)
    at = Point(a.x + (b.x - a.x) * walked / length, a.z + (b.z - a.z) * walked / length)
    swing = 0.34 + 0.09 * speed if speed < 2 else 0.75
    lean = 0.04 if speed < 2 else 0.16
    phase = offset + 2 * pi * walked / (_STEP_M * (1.0 if speed < 2 else 1.5))
    return Pose(at.x, at.z, atan2(b.z - a.z, b.x - a.x), phase, swing, lean)


def _group(scene: Scene, kind: Kind, start: int, end: int, rng: np.random.Generator) -> list[Person]:
    """Return two or three people who walk to one position, are together in ``[start, end)``, and walk on."""
    z = float(rng.uniform(scene.near_z + 0.6, scene.near_z + 2.2))
    middle = Point(float(rng.uniform(-0.3, 0.3)) * scene.half_view(z), z)
    count = 2 if kind == "chase" or rng.random() < 0.4 else 3
    room = min(2.1, 0.55 * scene.half_view(z))  # metres to each side; more would exceed a sprinter's speed
    looks = [random_look(rng) for _ in range(count)]
    people = []
    for number in range(count):
        place = Point(middle.x + 0.48 * (-1, 1, 0.1)[number], middle.z + (0.0, 0.05, 0.7)[number])
        enter, leave = _entry_and_exit(scene, place, number, rng)
        part = _Role(kind, number, middle, place, room, start, end, tuple(float(p) for p in rng.uniform(0, 2 * pi, 6)))
        people.append(Person(looks[number], _follow(part, enter, leave), takes_part=True))
    return people


def _entry_and_exit(scene: Scene, place: Point, number: int, rng: np.random.Generator) -> tuple[Point, Point]:
    """Return where a person comes from and goes to."""
    far = 30.0
    if scene.side is None:
        side = (-1.0, 1.0, 1.0)[number]
        return Point(side * far, place.z + float(rng.uniform(-2, 2))), Point(-side * far, place.z + 3.0)
    away = (1.0, -1.0, 1.0)[number]
    return Point(place.x * 0.6, place.z + away * far), Point(place.x * 0.6, place.z - away * far)


@dataclass(frozen=True)
class _Role:
    """Action of one member of the group while it is together."""

    kind: Kind
    number: int
    middle: Point
    place: Point
    room: float
    start: int
    end: int
    phases: tuple[float, ...]

    def pose(self, frame: float) -> Pose:
        """Return the pose at a frame of ``[start, end)``; at both ends it is at ``place``."""
        seconds = (frame - self.start) / FPS
        ramp = min(1.0, (frame - self.start) / 12, (self.end - frame) / 12)
        act = {"normal": self._talk, "fight": self._fight, "chase": self._run}[self.kind]
        return act(seconds, max(0.0, ramp))

    def _talk(self, s: float, ramp: float) -> Pose:
        sway, gesture = self.phases[0], self.phases[1]
        arm = 0.25 + 0.3 * ramp * max(0.0, sin(1.9 * s + gesture))
        at = Point(self.place.x + 0.03 * ramp * sin(1.1 * s + sway), self.place.z)
        arms = (Arm(arm, 0.5 + arm), Arm(0.05, 0.25))
        return Pose(at.x, at.z, self._facing(at), lean=0.03 + 0.02 * sin(0.9 * s + sway), arms=arms)

    def _fight(self, s: float, ramp: float) -> Pose:
        """Return a fighting pose: lunges at about 1 Hz, blows at 3 Hz, stumbling steps, one person falls."""
        p = self.phases
        lunge = 0.34 * ramp * sin(2 * pi * 1.15 * s + 2.4 * self.number)
        drift = 0.5 * ramp * sin(2 * pi * 0.4 * s)
        jolt_x, jolt_z = 0.2 * sin(2 * pi * 2.3 * s + p[0]), 0.24 * sin(2 * pi * 1.7 * s + p[1])
        inward = (1.0, -1.0, -0.4)[self.number]
        at = Point(self.place.x + inward * lunge + drift + ramp * jolt_x, self.place.z + ramp * jolt_z)
        blows = tuple(
            Arm(1.15 + 1.1 * sin(2 * pi * (2.9 + 0.3 * i) * s + p[2 + i]), 0.9 + 0.8 * sin(2 * pi * 3.3 * s + p[3 + i]))
            for i in (0, 1)
        )
        lean = 0.22 + 0.3 * ramp * sin(2 * pi * 1.6 * s + p[4])
        length = (self.end - self.start) / FPS
        fall = max(0.0, min(1.0, 4 * (s - 0.5 * length), 3.0 * (0.86 * length - s))) if self.number == 1 else 0.0
        return Pose(
            at.x, at.z, self._facing(at), 2 * pi * 2.2 * s + p[5], 0.55 * (1 - fall), lean, (blows[0], blows[1]), fall
        )

    def _run(self, s: float, ramp: float) -> Pose:
        """Return a pose of a chase in circles at a sprint, with the pursuer a third of a second behind."""

        def place_at(t: float) -> Point:
            wide, deep = sin(2 * pi * 0.36 * t) + 0.2 * sin(2 * pi * 0.9 * t), sin(2 * pi * 0.5 * t + 0.9)
            x = self.middle.x * (1 - 0.6 * ramp) + self.room * wide
            return Point(x, self.middle.z + 0.7 + 1.2 * deep)

        t = s - 0.36 * self.number
        goal, later = place_at(t), place_at(t + 0.04)
        at = Point(*(home + ramp * (there - home) for home, there in zip(self.place, goal, strict=True)))
        heading = atan2(later.z - goal.z, later.x - goal.x)
        arms = None
        if self.number == 1:
            reach = 1.3 + 0.25 * sin(2 * pi * 2.8 * s)
            arms = (Arm(reach, 0.3), Arm(reach - 0.2, 0.4))
        return Pose(at.x, at.z, heading, 2 * pi * 1.75 * s + self.phases[0], 0.95, 0.3, arms)

    def _facing(self, at: Point) -> float:
        """Return the direction to the middle of the group."""
        return atan2(self.middle.z + 0.12 - at.z, self.middle.x - at.x) if self.number != 0 else 0.15


def _follow(part: _Role, enter: Point, leave: Point) -> Callable[[float], Pose]:
    """Return the pose function of a person who arrives, takes part, and leaves."""
    speed, offset = 1.25 + 0.1 * part.number, part.phases[5]

    def pose(frame: float) -> Pose:
        if part.start <= frame < part.end:
            return part.pose(frame)
        if frame < part.start:
            way = hypot(part.place.x - enter.x, part.place.z - enter.z)
            return _walking(enter, part.place, way - speed * (part.start - frame) / FPS, speed, offset)
        return _walking(part.place, leave, speed * (frame - part.end) / FPS, speed, offset)

    return pose
