"""Scenarios: groups of actors in a scene and their interactions.

Each scenario adds one group of actors to a scene. Half of the scenarios show violence or similar events, and each of
these has a peaceful counterpart of the same appearance: a close talk for a brawl, runners for a chase, sport for
blows, traffic for a crash. They therefore differ only in how things move.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wsvad.pretraining.actors import Actor, Blob, Person, Vehicle, View
from wsvad.pretraining.poses import ACTIONS, Rng, wander
from wsvad.pretraining.skeleton import Angles, Array

Place = tuple[float, float]
Scenario = Callable[[Rng, View, Array, Place], list[Actor]]


def _act(rng: Rng, t: Array, *names: str) -> Angles:
    return ACTIONS[str(rng.choice(names))](rng, t)


def _position_near(rng: Rng, view: View, at: Place, distance: float, bearing: float) -> Place:
    """Return the position at a distance (body heights, on the ground) from another position."""
    size = view.size(at[1])
    return at[0] + size * distance * np.cos(bearing), at[1] - size * distance * np.sin(bearing) * np.sin(view.pitch)


def _person(rng: Rng, view: View, t: Array, at: Place, heading: float, angles: Angles, **labels: float) -> Person:
    return Person(rng, view, t, at, heading, angles, rng.normal(1.0, 0.07), labels)


def alone(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """One person with an everyday action."""
    angles = _act(rng, t, "stand", "sit", "walk", "walk", "walk", "gesture", "bend", "run", "jump")
    return [_person(rng, view, t, at, rng.uniform(0, 2 * np.pi), angles)]


def together(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """Two to five people walk in the same direction, close to each other."""
    heading, seed = rng.uniform(0, 2 * np.pi), int(rng.integers(1 << 31))
    name = str(rng.choice(["walk", "walk", "run"]))
    people: list[Actor] = []
    for _ in range(rng.integers(2, 6)):
        angles = ACTIONS[name](np.random.default_rng(seed + len(people) * int(rng.integers(0, 2))), t)
        position = _position_near(rng, view, at, rng.uniform(0, 1.2), rng.uniform(0, 2 * np.pi))
        people.append(_person(rng, view, t, position, heading + rng.normal(0, 0.1), angles))
    return people


def crowd(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """Many people who move independently."""
    people: list[Actor] = []
    for _ in range(rng.integers(4, 11)):
        position = _position_near(rng, view, at, rng.uniform(0, 3.5), rng.uniform(0, 2 * np.pi))
        angles = _act(rng, t, "walk", "walk", "stand", "gesture", "stand")
        people.append(_person(rng, view, t, position, rng.uniform(0, 2 * np.pi), angles))
    return people


def talk(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """Two to four people close together and facing each other: they talk, hand things over, embrace, dance."""
    names = (("stand", "gesture"), ("hold",), ("stand", "gesture", "walk"), ("jump",))[
        rng.choice(4, p=[0.5, 0.2, 0.2, 0.1])
    ]
    people: list[Actor] = []
    count = int(rng.integers(2, 5))
    turn = rng.uniform(0, 2 * np.pi)
    for i in range(count):
        bearing = turn + 2 * np.pi * i / count + rng.normal(0, 0.2)
        position = _position_near(rng, view, at, rng.uniform(0.2, 0.6), bearing)
        people.append(_person(rng, view, t, position, bearing + np.pi + rng.normal(0, 0.3), _act(rng, t, *names)))
    return people


def fight(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """Two to seven people fight: blows, wrestling, a person on the ground who is kicked, onlookers."""
    people: list[Actor] = []
    turn = rng.uniform(0, 2 * np.pi)
    count = int(rng.choice([2, 2, 2, 3, 4, 5, 7]))
    down = rng.random() < 0.3
    drift = rng.normal(0, 0.4, 2)
    for i in range(count):
        bearing = turn + 2 * np.pi * i / count + rng.normal(0, 0.3)
        distance = rng.uniform(0.18, 0.5) + 0.06 * count
        if down and i == 0:
            angles, distance = _act(rng, t, "fall", "lie", "lie"), 0.1
            angles.labels["fight"] = 1.0
        else:
            angles = _act(rng, t, "strike", "strike", "wrestle", "recoil")
        angles.forward = angles.forward + drift[0] * t * np.cos(bearing)
        position = _position_near(rng, view, at, distance, bearing)
        people.append(_person(rng, view, t, position, bearing + np.pi + rng.normal(0, 0.3), angles))
    for _ in range(rng.integers(0, 4)):
        bearing = rng.uniform(0, 2 * np.pi)
        position = _position_near(rng, view, at, rng.uniform(1.0, 2.2), bearing)
        angles = _act(rng, t, "stand", "walk", "gesture", "run")
        people.append(_person(rng, view, t, position, bearing + np.pi, angles))
    return people


def chase(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """One person runs, others run after them."""
    heading = rng.uniform(0, 2 * np.pi)
    people: list[Actor] = []
    for i in range(rng.integers(2, 5)):
        position = _position_near(rng, view, at, i * rng.uniform(0.5, 1.0), heading + np.pi)
        people.append(_person(rng, view, t, position, heading + rng.normal(0, 0.15), ACTIONS["run"](rng, t), chase=1.0))
    return people


def panic(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """Everybody runs away from one position."""
    people: list[Actor] = []
    for _ in range(rng.integers(4, 9)):
        bearing = rng.uniform(0, 2 * np.pi)
        position = _position_near(rng, view, at, rng.uniform(0.3, 2.0), bearing)
        people.append(
            _person(rng, view, t, position, bearing + rng.normal(0, 0.4), ACTIONS["run"](rng, t), chase=1.0)
        )  # fmt: skip
    return people


def drop(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """A person falls, or lies on the ground; others may come."""
    people: list[Actor] = [_person(rng, view, t, at, rng.uniform(0, 2 * np.pi), _act(rng, t, "fall", "fall", "lie"))]
    if rng.random() < 0.5:
        bearing = rng.uniform(0, 2 * np.pi)
        position = _position_near(rng, view, at, rng.uniform(0.8, 2.5), bearing)
        people.append(_person(rng, view, t, position, bearing + np.pi, _act(rng, t, "walk", "run", "bend")))
    return people


def traffic(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """Vehicles drive steadily."""
    heading = rng.uniform(0, 2 * np.pi)
    cars: list[Actor] = []
    for i in range(rng.integers(1, 4)):
        speed = rng.uniform(0.5, 8.0)
        way = speed * t + 0.5 * rng.normal(0, 1.5) * t * t
        position = _position_near(rng, view, at, i * rng.uniform(3.0, 5.0), heading + np.pi * rng.integers(0, 2))
        spin = rng.normal(0, 0.2) * t
        course = heading + np.pi * (rng.random() < 0.3)
        cars.append(Vehicle(rng, view, t, position, course, way, spin, {"drive": float(speed > 1.0)}))
    return cars


def crash(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """Two vehicles collide, or one hits a person or a wall: sudden stop, spin, recoil."""
    moment = rng.uniform(0.1, 0.5) * t[-1]
    after = np.clip(t - moment, 0, None)
    actors: list[Actor] = []
    for i in range(2):
        heading = rng.uniform(0, 2 * np.pi)
        speed = rng.uniform(2.0, 8.0) if i == 0 else rng.choice([0.0, rng.uniform(1.0, 6.0)])
        kept = rng.uniform(-0.3, 0.25)
        way = speed * (np.minimum(t, moment) - moment) + kept * speed * (1 - np.exp(-4 * after)) / 4
        spin = rng.normal(0, 2.5) * (1 - np.exp(-3 * after)) / 3
        labels: dict[str, Array | float] = {"collision": 1.0, "drive": (t < moment).astype(float)}
        position = _position_near(rng, view, at, 0.9, heading + np.pi)
        if i == 1 and rng.random() < 0.35:
            angles = ACTIONS["fall"](rng, t)
            actors.append(_person(rng, view, t, at, rng.uniform(0, 2 * np.pi), angles, collision=1.0))
        else:
            actors.append(Vehicle(rng, view, t, position, heading, way, spin, labels))
    return actors


def creature(rng: Rng, view: View, t: Array, at: Place) -> list[Actor]:
    """Animals, birds, balls, bags with steady, darting, or bouncing motion."""
    actors: list[Actor] = []
    for _ in range(rng.integers(1, 4)):
        size = view.size(at[1]) * rng.uniform(0.1, 0.6)
        heading, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 6.0) * size
        erratic = rng.random() < 0.5
        path = np.stack([at[0] + speed * t * np.cos(heading), at[1] - speed * t * np.sin(heading)], 1)
        if erratic:
            path += size * rng.uniform(0.3, 1.5) * np.stack([wander(rng, t, 0.5, 3.0), wander(rng, t, 0.5, 3.0)], 1)
        elif rng.random() < 0.4:
            path[:, 1] -= 2 * size * np.abs(np.sin(2 * np.pi * rng.uniform(0.5, 1.5) * t + rng.uniform(0, 3)))
        actors.append(Blob(rng, path, size, {"erratic": float(erratic)}))
    return actors


SCENARIOS: dict[Scenario, float] = {
    alone: 3.0, together: 2.0, crowd: 1.5, talk: 3.0, fight: 4.0, chase: 0.8, panic: 0.5, drop: 1.0, traffic: 1.5,
    crash: 0.7, creature: 0.8,
}  # fmt: skip
"""Every scenario, with its relative frequency."""


def populate(rng: Rng, view: View, t: Array, width: int, height: int) -> list[Actor]:
    """Add zero to four scenarios to a scene; in some scenes an actor appears or vanishes abruptly.

    Args:
        rng: Random generator for all choices.
        view: Viewpoint of the scene.
        t: Times of the samples in seconds.
        width: Width of the scene in pixels.
        height: Height of the scene in pixels.
    """
    actors: list[Actor] = []
    chosen = list(SCENARIOS)
    weight = np.array(list(SCENARIOS.values()))
    for _ in range(rng.choice(5, p=[0.07, 0.4, 0.3, 0.15, 0.08])):
        scenario = chosen[rng.choice(len(chosen), p=weight / weight.sum())]
        row = rng.uniform(0.3, 1.05) * height
        row = max(row, min(0.75 * view.size(row), 0.95 * height))
        actors += scenario(rng, view, t, (rng.uniform(0.08, 0.92) * width, row))
    for actor in actors:
        if rng.random() < 0.03:
            moment = rng.integers(2, len(t) - 2)
            seen = np.arange(len(t)) < moment
            actor.body.seen_T = seen if rng.random() < 0.5 else ~seen
            actor.body.labels["appear"] = 1.0
    return actors
