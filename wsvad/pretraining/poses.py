"""Actions of people: joint angles over time, from rules with random parameters designed for this project.

Axes: T samples in time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wsvad.pretraining.skeleton import Angles, Array

Rng = np.random.Generator


def wander(rng: Rng, t: Array, low_hz: float, high_hz: float) -> Array:
    """Return smooth noise of deviation about 1: three sines of random frequency and phase."""
    hz = rng.uniform(low_hz, high_hz, 3)
    phase = rng.uniform(0, 2 * np.pi, 3)
    weight: Array = rng.dirichlet(np.ones(3)) ** 0.5 * 1.4
    return np.asarray((weight[:, None] * np.sin(2 * np.pi * hz[:, None] * t + phase[:, None])).sum(0))


def pulses(rng: Rng, t: Array, rate_hz: float, rise_s: tuple[float, float], fall_s: tuple[float, float]) -> Array:
    """Return strikes at random times, each from 0 to 1 and back; where they overlap, the larger value counts."""
    total = np.zeros_like(t)
    start = t[0] - rng.exponential(1 / rate_hz)
    while start < t[-1]:
        rise, fall = rng.uniform(*rise_s), rng.uniform(*fall_s)
        peak = rng.uniform(0.6, 1.0)
        since = t - start
        up = np.clip(since / rise, 0, 1)
        down = np.clip(1 - (since - rise) / fall, 0, 1)
        total = np.maximum(total, peak * np.where(since < rise, up * up * (3 - 2 * up), down * down * (3 - 2 * down)))
        start += rng.exponential(1 / rate_hz)
    return total


def _ramp(t: Array, start: float, length: float) -> Array:
    x = np.clip((t - start) / length, 0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def stand(rng: Rng, t: Array) -> Angles:
    """Stand, with weight shifts and small hand motion."""
    calm = rng.uniform(0.0, 0.06)
    return Angles(
        l_arm=rng.uniform(-0.2, 0.8) + calm * wander(rng, t, 0.2, 1.0),
        r_arm=rng.uniform(-0.2, 0.8) + calm * wander(rng, t, 0.2, 1.0),
        l_elbow=rng.uniform(0.1, 1.6),
        r_elbow=rng.uniform(0.1, 1.6),
        l_leg=rng.uniform(-0.1, 0.1),
        r_leg=rng.uniform(-0.1, 0.1),
        lean=rng.uniform(-0.05, 0.15) + 0.3 * calm * wander(rng, t, 0.2, 0.8),
        sway=0.3 * calm * wander(rng, t, 0.2, 0.8),
        turn=calm * wander(rng, t, 0.1, 0.5),
    )


def sit(rng: Rng, t: Array) -> Angles:
    """Sit, with small motion of hands and head."""
    base = stand(rng, t)
    base.crouch, base.l_leg, base.r_leg = 0.24, 1.45, 1.45
    base.l_knee = base.r_knee = 1.45
    base.l_arm = rng.uniform(0.2, 0.9) + rng.uniform(0, 0.2) * wander(rng, t, 0.2, 1.5)
    base.r_arm = rng.uniform(0.2, 0.9) + rng.uniform(0, 0.2) * wander(rng, t, 0.2, 1.5)
    return base


def _stride(rng: Rng, t: Array, hz: float, swing: float, knee: float, arm: float, elbow: float, speed: float) -> Angles:
    phase = 2 * np.pi * hz * t + rng.uniform(0, 2 * np.pi)
    left, right = np.sin(phase), np.sin(phase + np.pi)
    return Angles(
        l_leg=swing * left,
        r_leg=swing * right,
        l_knee=0.08 + knee * np.clip(np.cos(phase), 0, 1),
        r_knee=0.08 + knee * np.clip(np.cos(phase + np.pi), 0, 1),
        l_arm=arm * right,
        r_arm=arm * left,
        l_elbow=elbow,
        r_elbow=elbow,
        twist=0.12 * left,
        crouch=0.02 + 0.02 * np.cos(2 * phase),
        forward=speed * t,
        turn=rng.normal(0, 0.25) * t,
    )


def walk(rng: Rng, t: Array) -> Angles:
    """Walk, slowly to briskly; sometimes one arm carries something and does not swing."""
    pace = rng.uniform(0.4, 1.15)
    gait = _stride(
        rng, t, 0.95 * pace**0.5, 0.5 * pace**0.6, 0.7, rng.uniform(0.1, 0.55), rng.uniform(0.1, 0.6), 0.85 * pace
    )
    if rng.random() < 0.3:
        gait.r_arm, gait.r_elbow = rng.uniform(0, 0.7), rng.uniform(0.2, 1.6)
    gait.lean = rng.uniform(0, 0.1)
    gait.labels = {"walk": 1.0}
    return gait


def run(rng: Rng, t: Array) -> Angles:
    """Run."""
    pace = rng.uniform(0.8, 1.5)
    gait = _stride(rng, t, 1.45 * pace**0.4, 0.85, 1.5, 0.8, 1.4, 2.0 * pace)
    gait.lean = rng.uniform(0.1, 0.3)
    gait.rise = 0.03 * (1 + np.cos(4 * np.pi * 1.45 * t))
    gait.labels = {"run": 1.0}
    return gait


def gesture(rng: Rng, t: Array) -> Angles:
    """Work or talk with the hands while standing: busy arms, quiet feet."""
    base = stand(rng, t)
    size, hz = rng.uniform(0.15, 0.7), rng.uniform(0.6, 2.0)
    base.l_arm = rng.uniform(0.3, 1.6) + size * wander(rng, t, 0.3, hz)
    base.r_arm = rng.uniform(0.3, 1.6) + size * wander(rng, t, 0.3, hz) * rng.integers(0, 2)
    base.l_elbow = np.clip(1.0 + size * wander(rng, t, 0.3, hz), 0, 2.4)
    base.sway = 0.08 * wander(rng, t, 0.2, 0.8)
    base.labels = {"gesture": 1.0}
    return base


def bend(rng: Rng, t: Array) -> Angles:
    """Bend down to pick something up, or straighten up."""
    base = stand(rng, t)
    way = _ramp(t, rng.uniform(-0.6, 0.4), rng.uniform(0.5, 1.2))
    down = way if rng.random() < 0.5 else 1 - way
    base.lean = 0.1 + rng.uniform(0.8, 1.4) * down
    base.crouch = rng.uniform(0.0, 0.25) * down
    base.l_knee = base.r_knee = 0.1 + 1.2 * down * rng.random()
    base.l_arm, base.r_arm = 0.2 + 1.0 * down, 0.2 + 0.8 * down
    base.labels = {"bend": 1.0}
    return base


def jump(rng: Rng, t: Array) -> Angles:
    """Dance, hop, exercise: fast and rhythmic, without contact."""
    hz = rng.uniform(0.8, 2.0)
    phase = 2 * np.pi * hz * t + rng.uniform(0, 6)
    base = stand(rng, t)
    base.rise = rng.uniform(0.0, 0.2) * np.clip(np.sin(phase), 0, 1)
    base.l_arm = rng.uniform(0, 1.5) + rng.uniform(0.3, 1.0) * np.sin(phase)
    base.r_arm = rng.uniform(0, 1.5) + rng.uniform(0.3, 1.0) * np.sin(phase + rng.choice([0.0, np.pi]))
    base.l_spread = base.r_spread = 0.3 + rng.uniform(0, 0.8) * np.clip(np.cos(phase), 0, 1)
    base.crouch = 0.08 * np.clip(-np.sin(phase), 0, 1)
    base.sideways = rng.uniform(0, 0.2) * np.sin(phase / 2)
    base.labels = {"exercise": 1.0}
    return base


def strike(rng: Rng, t: Array) -> Angles:
    """Attack a person in front: punches, kicks, shoves, lunges, with constantly moving feet."""
    fury = rng.uniform(0.6, 1.3)
    rate = rng.uniform(1.0, 2.6) * fury
    left = pulses(rng, t, rate, (0.06, 0.16), (0.12, 0.3))
    right = pulses(rng, t, rate, (0.06, 0.16), (0.12, 0.3))
    kick = pulses(rng, t, rng.choice([0.05, 0.8]), (0.1, 0.2), (0.15, 0.35))
    reach = rng.uniform(1.2, 1.8)
    guard = rng.uniform(0.2, 1.0)
    over = rng.uniform(0, 1.2) * (rng.random() < 0.4)
    rock = 0.12 * wander(rng, t, 0.8, 2.5) * fury
    return Angles(
        l_arm=guard + (reach + over - guard) * left,
        r_arm=guard + (reach + over - guard) * right,
        l_elbow=1.9 - 1.8 * left,
        r_elbow=1.9 - 1.8 * right,
        l_spread=0.2 + 0.5 * rng.random() * left,
        r_spread=0.2 + 0.5 * rng.random() * right,
        r_leg=1.4 * kick - 0.3 * (left - right) + 0.25 * wander(rng, t, 0.8, 2.0),
        l_leg=-0.35 * kick + 0.25 * wander(rng, t, 0.8, 2.0),
        r_knee=np.clip(0.3 + 0.8 * kick * (1 - kick) * 4, 0, 2),
        l_knee=0.2 + 0.1 * (1 + wander(rng, t, 0.8, 2.0)),
        lean=0.15 + 0.25 * np.maximum(left, right) + rock,
        twist=0.6 * (left - right),
        sway=0.12 * wander(rng, t, 0.8, 2.2) * fury,
        forward=0.16 * fury * wander(rng, t, 0.6, 1.8) + 0.12 * np.maximum(np.maximum(left, right), kick),
        sideways=0.1 * fury * wander(rng, t, 0.6, 1.8),
        turn=0.4 * wander(rng, t, 0.3, 1.2) * fury,
        crouch=0.04 + 0.03 * wander(rng, t, 0.6, 1.8),
        labels={"fight": 1.0},
    )


def recoil(rng: Rng, t: Array) -> Angles:
    """Be hit: jerk back, shield the head, stagger."""
    hit = pulses(rng, t, rng.uniform(1.0, 2.5), (0.05, 0.12), (0.2, 0.5))
    shield = rng.uniform(0.8, 1.9)
    return Angles(
        l_arm=shield + 0.4 * wander(rng, t, 0.8, 2.2),
        r_arm=shield + 0.4 * wander(rng, t, 0.8, 2.2),
        l_elbow=1.7 + 0.3 * wander(rng, t, 0.8, 2.0),
        r_elbow=1.7 + 0.3 * wander(rng, t, 0.8, 2.0),
        lean=rng.uniform(-0.1, 0.6) - 0.45 * hit,
        sway=0.3 * hit * rng.choice([-1, 1]) + 0.1 * wander(rng, t, 0.8, 2.0),
        forward=-0.25 * hit - rng.uniform(0, 0.9) * t + 0.08 * wander(rng, t, 0.6, 1.6),
        sideways=0.1 * wander(rng, t, 0.6, 1.6),
        l_leg=0.35 * wander(rng, t, 0.8, 2.2),
        r_leg=0.35 * wander(rng, t, 0.8, 2.2),
        l_knee=0.3,
        r_knee=0.3,
        turn=0.5 * wander(rng, t, 0.3, 1.2),
        crouch=0.06 + 0.05 * hit,
        labels={"fight": 1.0},
    )


def wrestle(rng: Rng, t: Array) -> Angles:
    """Hold on to another person and pull, push, swing."""
    force = rng.uniform(0.6, 1.3)
    return Angles(
        l_arm=1.3 + 0.4 * force * wander(rng, t, 0.8, 2.4),
        r_arm=1.3 + 0.4 * force * wander(rng, t, 0.8, 2.4),
        l_elbow=0.8 + 0.4 * wander(rng, t, 0.8, 2.4),
        r_elbow=0.8 + 0.4 * wander(rng, t, 0.8, 2.4),
        lean=rng.uniform(0.2, 0.8) + 0.2 * force * wander(rng, t, 0.7, 2.0),
        sway=0.25 * force * wander(rng, t, 0.7, 2.0),
        twist=0.4 * force * wander(rng, t, 0.7, 2.0),
        l_leg=0.45 * force * wander(rng, t, 0.8, 2.0),
        r_leg=0.45 * force * wander(rng, t, 0.8, 2.0),
        l_knee=0.3 + 0.2 * wander(rng, t, 0.8, 2.0),
        r_knee=0.3 + 0.2 * wander(rng, t, 0.8, 2.0),
        forward=0.15 * force * wander(rng, t, 0.6, 1.8),
        sideways=0.12 * force * wander(rng, t, 0.6, 1.8),
        turn=0.7 * force * wander(rng, t, 0.3, 1.2),
        crouch=0.06 + 0.06 * wander(rng, t, 0.6, 1.6),
        labels={"fight": 1.0, "contact": 1.0},
    )


def hold(rng: Rng, t: Array) -> Angles:
    """Embrace, shake hands, support: contact without force."""
    base = stand(rng, t)
    base.l_arm = rng.uniform(0.8, 1.5) + 0.08 * wander(rng, t, 0.3, 1.0)
    base.r_arm = rng.uniform(0.8, 1.5) + 0.08 * wander(rng, t, 0.3, 1.0)
    base.l_elbow = base.r_elbow = rng.uniform(0.3, 1.4)
    base.sway = 0.05 * wander(rng, t, 0.2, 0.8)
    base.forward = 0.03 * wander(rng, t, 0.2, 0.8)
    base.labels = {"contact": 1.0}
    return base


def fall(rng: Rng, t: Array) -> Angles:
    """Fall forward or backward, arms flung out."""
    way = _ramp(t, rng.uniform(-0.4, 0.3), rng.uniform(0.35, 0.8)) ** 1.3
    side = rng.choice([-1.0, 1.0])
    return Angles(
        tilt=side * way * rng.uniform(1.2, 1.55),
        l_arm=0.4 + 1.4 * way * rng.random(),
        r_arm=0.4 + 1.4 * way * rng.random(),
        l_spread=0.2 + 0.8 * way,
        r_spread=0.2 + 0.8 * way,
        l_leg=0.5 * way * rng.normal(),
        r_leg=0.5 * way * rng.normal(),
        l_knee=0.2 + way * rng.random(),
        r_knee=0.2 + way * rng.random(),
        forward=side * rng.uniform(0, 0.8) * t,
        labels={"fall": ((way > 0.02) & (way < 0.98)).astype(float), "down": (way > 0.9).astype(float)},
    )


def lie(rng: Rng, t: Array) -> Angles:
    """Lie on the ground, writhing or still."""
    writhe = rng.uniform(0, 0.5) * (rng.random() < 0.6)
    return Angles(
        tilt=rng.choice([-1.5, 1.5]),
        l_arm=0.8 + writhe * wander(rng, t, 0.5, 2.0),
        r_arm=0.8 + writhe * wander(rng, t, 0.5, 2.0),
        l_leg=0.3 + writhe * wander(rng, t, 0.5, 2.0),
        r_leg=0.1 + writhe * wander(rng, t, 0.5, 2.0),
        l_knee=0.6 + writhe,
        r_knee=0.4,
        turn=0.3 * writhe * wander(rng, t, 0.3, 1.0),
        labels={"down": 1.0},
    )


ACTIONS: dict[str, Callable[[Rng, Array], Angles]] = {
    action.__name__: action
    for action in (stand, sit, walk, run, gesture, bend, jump, strike, recoil, wrestle, hold, fall, lie)
}
"""Actions by name."""
