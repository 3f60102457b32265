"""Alarm thresholds from a budget of false events, from footage that is taken to be normal.

Events are counted after all post-processing, at a threshold that falls until the budget could no longer be proven. With
k events in T days, the rate is below ``poisson_upper(k) / T`` a day with 95 % confidence. That the threshold was chosen
on the same footage does no harm: it lies above the peak of the (k + 1)-th highest event, where the expected number of
events is a gamma variable of shape k + 1, and the bound is the quantile of just that. It does take events to be
independent and the footage to be like the footage to come: bursts of alarms, or another season, are not covered.

Where even no event at all would not prove the budget (3 / T is above it), the threshold is the lowest one with no event
in the footage, which has the least bound that there is, and it is marked as not proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wsvad.errors import UsageError
from wsvad.events.config import EventSettings
from wsvad.events.sweep import Sweep, at_high
from wsvad.rates import LEVEL, poisson_upper

DAY_S = 86400.0
BUDGET_PER_DAY = 1.0
"""False events of a camera and day that people bear for long."""
OWN_DAYS = 7.0
"""Days of footage from which on a camera has a threshold of its own: they hold each hour of the week, and leave room
for two events where the budget is one a day. Three days of silence are the least that proves one a day."""


@dataclass(frozen=True)
class Footage:
    """Normal footage of one camera."""

    sweeps: tuple[Sweep, ...]
    """Its scores: one series, and one for each video of which no time of recording is known."""
    days: float
    """Footage that was scored, in days; holes do not count."""


@dataclass(frozen=True)
class Threshold:
    """Where events open and close, and what the footage says of their number."""

    high: float
    low: float
    events: int
    """In the footage at this threshold."""
    days: float
    """Of footage, all cameras together."""
    cameras: int
    """That were pooled; 1: the camera's own."""
    budget_per_day: float
    below_per_day: float
    """Upper bound of the events of a camera and day, with confidence ``LEVEL``; of the average camera if pooled."""

    @property
    def proven(self) -> bool:
        """Whether the footage proves the budget."""
        return self.below_per_day <= self.budget_per_day

    @property
    def statement(self) -> str:
        """What a person should know about it."""
        said = f"{self.events} events in {span_of(self.days)} of footage: below {self.below_per_day:.3g} a day"
        whose = "" if self.cameras == 1 else f", the average of {self.cameras} cameras"
        if self.proven:
            return f"{said} ({LEVEL:.0%} confidence{whose})"
        least = poisson_upper(0) / self.budget_per_day
        why = (
            f"at least {span_of(least)} without an event are needed"
            if self.days < least
            else "scores reach their highest value in normal footage"
        )
        return f"{said} ({LEVEL:.0%} confidence{whose}). This does not prove {self.budget_per_day:g} a day: {why}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, whether it is proven, and the statement, as JSON values."""
        return asdict(self) | {"proven": self.proven, "statement": self.statement}


@dataclass(frozen=True)
class Calibration:
    """Thresholds of the cameras of one model."""

    pooled: Threshold
    """From the footage of all cameras; for cameras with little footage, and for ones that are not known."""
    cameras: Mapping[str, Threshold]
    """Of cameras with at least ``OWN_DAYS`` of footage, and of those with a budget of their own."""

    def of(self, camera: str) -> Threshold:
        """Return the threshold of a camera: its own, else the pooled one."""
        return self.cameras.get(camera, self.pooled)


def calibrate(
    footage: Mapping[str, Footage],
    settings: EventSettings,
    budget_per_day: float = BUDGET_PER_DAY,
    budgets: Mapping[str, float] | None = None,
) -> Calibration:
    """Find the thresholds of a budget.

    Args:
        footage: by camera; its sweeps were made with the same settings.
        settings: the post-processing, ``low`` as a share of ``high``.
        budget_per_day: false events of a camera and day, above 0.
        budgets: by camera, of those that have another one.

    Raises:
        UsageError: no footage, or a budget that is not above 0.
    """
    every = list(footage.values())
    pooled = {budget_per_day: threshold_of(every, settings, budget_per_day)}
    cameras = {}
    for camera, part in sorted(footage.items()):
        budget = (budgets or {}).get(camera, budget_per_day)
        if part.days >= OWN_DAYS:
            cameras[camera] = threshold_of([part], settings, budget)
        elif budget != budget_per_day:
            if budget not in pooled:
                pooled[budget] = threshold_of(every, settings, budget)
            cameras[camera] = pooled[budget]
    return Calibration(pooled[budget_per_day], cameras)


def threshold_of(footage: Sequence[Footage], settings: EventSettings, budget_per_day: float) -> Threshold:
    """Find the lowest threshold that the footage proves to keep the budget, or the one with the least bound.

    Raises:
        UsageError: no footage, or a budget that is not above 0.
    """
    days = sum(part.days for part in footage)
    if not 0 < budget_per_day < float("inf"):
        raise UsageError(f"the budget of false events a day must be above 0, got {budget_per_day:g}")
    if not days > 0 or not any(len(sweep.smooth_T) for part in footage for sweep in part.sweeps):
        raise UsageError("there is no footage to calibrate on; give scores of footage that is taken to be normal")
    most = _most_events(budget_per_day * days)
    high = _lowest(footage, max(most, 0))
    events = _events(footage, high)
    low = at_high(settings, high).low_level
    return Threshold(high, low, events, days, len(footage), budget_per_day, poisson_upper(events) / days)


def _most_events(expected: float) -> int:
    """The most events with which a mean of at most ``expected`` is proven; -1: not even none."""
    most = -1
    while poisson_upper(most + 1) <= expected:
        most += 1
    return most


def _lowest(footage: Sequence[Footage], most: int) -> float:
    """The lowest score at which, with a falling threshold, there are at most ``most`` events.

    Steps that double the number of scores above the threshold find where the number of events is exceeded first, and
    halving finds the place between the last two. Far below, where events merge, there may be few again.
    """
    scores = np.unique(np.concatenate([sweep.smooth_T for part in footage for sweep in part.sweeps]))[::-1]
    last = len(scores) - 1
    within = -1
    for beyond in (*(2**n - 1 for n in range(last.bit_length())), last):
        if _events(footage, float(scores[beyond])) > most:
            break
        within = beyond
    while beyond - within > 1:
        middle = (within + beyond) // 2
        if _events(footage, float(scores[middle])) > most:
            beyond = middle
        else:
            within = middle
    return float(scores[within]) if within >= 0 else _above(float(scores[0]))


def _above(score: float) -> float:
    """The next number above a score, at most 1: no score is higher, so that 1 is the highest threshold."""
    return float(min(np.nextafter(score, np.inf), 1.0))


def _events(footage: Sequence[Footage], high: float) -> int:
    return sum(len(sweep.at(high)) for part in footage for sweep in part.sweeps)


def span_of(days: float) -> str:
    """``30.0 minutes``, ``2.0 hours``, ``7.0 days``."""
    if days >= 2:
        return f"{days:.1f} days"
    return f"{24 * days:.1f} hours" if 24 * days >= 1 else f"{1440 * days:.1f} minutes"
