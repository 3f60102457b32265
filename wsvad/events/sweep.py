"""Events of one score series at many thresholds: smoothing runs once, and recent results are cached.

Axes: T clips, E events.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wsvad.events.config import EventSettings
from wsvad.events.smoothing import Floats, smooth
from wsvad.events.spans import find_events


def with_high(settings: EventSettings, high: float) -> EventSettings:
    """Return the settings with another ``high``, and ``low`` at the same ratio to it."""
    if settings.low is None:
        return replace(settings, high=high)
    ratio = settings.low / settings.high if settings.high else 1.0
    return replace(settings, high=high, low=min(ratio * high, high))


class Sweep:
    """The clips of one camera or video. Caches the events at the last threshold."""

    def __init__(self, times_T2: npt.ArrayLike, scores_T: npt.ArrayLike, settings: EventSettings) -> None:
        """Smooth the scores. ``find_events`` validates the input.

        Args:
            times_T2: start and end of each clip in seconds, ascending by start.
            scores_T: score of each clip in [0, 1].
            settings: post-processing; ``high`` is ignored, ``low`` counts as a ratio to it.
        """
        self._times_T2 = np.asarray(times_T2, np.float64).reshape(-1, 2)
        self.smooth_T: Floats = smooth(self._times_T2[:, 0], scores_T, settings.smooth_s)
        self._sorted_T = np.sort(self.smooth_T)
        self._settings = replace(settings, smooth_s=0.0)
        self._cached: tuple[tuple[int, int], Floats] | None = None

    def at(self, high: float) -> Floats:
        """Return the events that :func:`wsvad.events.spans.find_events` finds at ``high``, ``[E, 2]`` in seconds."""
        settings = with_high(self._settings, high)
        bounds = np.searchsorted(self._sorted_T, [settings.high, settings.low_level])
        key = (int(bounds[0]), int(bounds[1]))
        if key[0] == len(self._sorted_T):
            return np.empty((0, 2))
        if self._cached is None or self._cached[0] != key:
            spans = find_events(self._times_T2, self.smooth_T, settings)
            self._cached = key, np.array([(s.start_s, s.end_s) for s in spans], dtype=np.float64).reshape(-1, 2)
        return self._cached[1]
