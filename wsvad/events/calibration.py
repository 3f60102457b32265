"""Calibration of alarm thresholds to a budget of false events, on footage that is assumed to be normal.

* Events are counted after all post-processing, at the lowest threshold for which the budget can still be proven.
* With k events in T days, the rate is below ``poisson_upper(k) / T`` per day with 95 % confidence.
* Choosing the threshold on the same footage does not invalidate the bound: the threshold lies above the peak of the
  (k + 1)-th highest event, where the expected number of events is a gamma variable of shape k + 1, and the bound is a
  quantile of exactly that distribution.
* The bound assumes that events are independent and that future footage resembles the calibration footage. Bursts of
  alarms and seasonal changes are not covered.
* If even zero events would not prove the budget (3 / T is above it), the threshold is the lowest one without any event
  in the footage, which gives the smallest possible bound, and it is marked as not proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wsvad.errors import UsageError
from wsvad.events.config import EventSettings
from wsvad.events.sweep import Sweep, with_high
from wsvad.rates import LEVEL, poisson_upper

DAY_S = 86400.0
BUDGET_PER_DAY = 1.0
"""Default budget of false events per camera and day: a rate that operators tolerate in the long run."""
OWN_DAYS = 7.0
"""Days of footage from which a camera gets its own threshold. A week contains each hour of the week, and allows two
events at a budget of one per day. At least three days without events are needed to prove one per day."""


@dataclass(frozen=True)
class Footage:
    """Normal footage of one camera."""

    sweeps: tuple[Sweep, ...]
    """Its scores: one series of all videos with a known recording time, and one per video without."""
    days: float
    """Days of scored footage, without gaps."""


@dataclass(frozen=True)
class Threshold:
    """Scores at which events open and close, and the rate of events that the footage proves."""

    high: float
    low: float
    events: int
    """Number of events in the footage at this threshold."""
    days: float
    """Total days of footage of all cameras."""
    cameras: int
    """Number of pooled cameras; 1 for a camera's own threshold."""
    budget_per_day: float
    below_per_day: float
    """Upper bound of the events per camera and day at confidence ``LEVEL``; if pooled, of the average camera."""

    @property
    def proven(self) -> bool:
        """Whether the footage proves the budget."""
        return self.below_per_day <= self.budget_per_day

    @property
    def statement(self) -> str:
        """Summary of the result in one sentence."""
        text = f"{self.events} events in {format_days(self.days)} of footage: below {self.below_per_day:.3g} per day"
        whose = "" if self.cameras == 1 else f", the average of {self.cameras} cameras"
        if self.proven:
            return f"{text} ({LEVEL:.0%} confidence{whose})"
        least = poisson_upper(0) / self.budget_per_day
        why = (
            f"at least {format_days(least)} without an event are needed"
            if self.days < least
            else "scores reach their highest value in normal footage"
        )
        return f"{text} ({LEVEL:.0%} confidence{whose}). This does not prove {self.budget_per_day:g} per day: {why}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ``proven`` and ``statement`` as JSON values."""
        return asdict(self) | {"proven": self.proven, "statement": self.statement}


@dataclass(frozen=True)
class Calibration:
    """Thresholds of all cameras of one model."""

    pooled: Threshold
    """Threshold from the footage of all cameras; used for cameras with little footage and for unknown cameras."""
    cameras: Mapping[str, Threshold]
    """Thresholds of cameras with at least ``OWN_DAYS`` of footage, and of those with their own budget."""

    def of(self, camera: str) -> Threshold:
        """Return the threshold of a camera: its own, or the pooled one if it has none."""
        return self.cameras.get(camera, self.pooled)


def calibrate(
    footage: Mapping[str, Footage],
    settings: EventSettings,
    budget_per_day: float = BUDGET_PER_DAY,
    budgets: Mapping[str, float] | None = None,
) -> Calibration:
    """Compute the thresholds that meet a budget of false events.

    Args:
        footage: footage by camera; its sweeps were made with the same settings.
        settings: post-processing; ``low`` is kept at the same ratio to ``high``.
        budget_per_day: false events per camera and day, above 0.
        budgets: budgets by camera, where they differ.

    Raises:
        UsageError: there is no footage, or a budget is not above 0.
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
    """Return the lowest threshold that the footage proves to meet the budget, or else the one with the smallest bound.

    Raises:
        UsageError: there is no footage, or the budget is not above 0.
    """
    days = sum(part.days for part in footage)
    if not 0 < budget_per_day < float("inf"):
        raise UsageError(f"the budget of false events per day must be above 0, got {budget_per_day:g}")
    if not days > 0 or not any(len(sweep.smooth_T) for part in footage for sweep in part.sweeps):
        raise UsageError("there is no footage to calibrate on; provide scores of footage that is assumed to be normal")
    most = _most_events(budget_per_day * days)
    high = _lowest(footage, max(most, 0))
    events = _events(footage, high)
    low = with_high(settings, high).low_level
    return Threshold(high, low, events, days, len(footage), budget_per_day, poisson_upper(events) / days)


def _most_events(expected: float) -> int:
    """Return the largest event count that proves a mean of at most ``expected``; -1 if not even zero events do."""
    most = -1
    while poisson_upper(most + 1) <= expected:
        most += 1
    return most


def _lowest(footage: Sequence[Footage], most: int) -> float:
    """Return the lowest score that a falling threshold can reach with at most ``most`` events.

    Exponential search from the highest score finds where the count is first exceeded, and bisection refines it. At much
    lower thresholds events merge and the count may fall again; those are not considered.
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
    """Return the next larger float, at most 1. Scores do not exceed 1, so 1 is the highest threshold."""
    return float(min(np.nextafter(score, np.inf), 1.0))


def _events(footage: Sequence[Footage], high: float) -> int:
    return sum(len(sweep.at(high)) for part in footage for sweep in part.sweeps)


def format_days(days: float) -> str:
    """Return a duration as ``30.0 minutes``, ``2.0 hours`` or ``7.0 days``."""
    if days >= 2:
        return f"{days:.1f} days"
    return f"{24 * days:.1f} hours" if 24 * days >= 1 else f"{1440 * days:.1f} minutes"
