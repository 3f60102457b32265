"""Workers that end: by what their job does, or because their node is gone and Ray has not noticed it yet.

Ray begins a job again where it was, and for half a minute that may be a node that is gone: all of its tries are then
over within seconds. So tries that end in quick succession are followed by a pause, and by more tries.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from ray.tune import Callback

from wsvad.tuning.schedule import Job
from wsvad.tuning.trial import Task

QUICK_S = 60.0
"""All tries within so long say more of where a job ran than of the job."""
PAUSES_S = (10.0, 30.0, 60.0)
"""Before further tries of a job."""


class Losses(Callback):
    """Notes when workers end, and keeps the jobs that are to be begun anew later."""

    def __init__(self) -> None:
        self._ended: dict[str, list[float]] = defaultdict(list)
        self._pauses: dict[Job, int] = defaultdict(int)
        self._later: list[tuple[float, Task]] = []

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out of the files that Tune writes about itself."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Losses:
        return self

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note that a worker has ended, and that Tune begins its job again."""
        self._ended[trial.trial_id].append(time.monotonic())

    def put_off(self, trial_id: str, task: Task) -> bool:
        """Say whether a job of which Tune has given up is to be begun anew after a pause."""
        ended = self._ended.pop(trial_id, [])
        now = time.monotonic()
        pauses = self._pauses[task.job]
        if not ended or now - ended[0] > QUICK_S or pauses == len(PAUSES_S):
            return False
        self._later.append((now + PAUSES_S[pauses], task))
        self._pauses[task.job] += 1
        return True

    def due(self) -> Task | None:
        """Return a job whose pause is over."""
        for number, (when, task) in enumerate(self._later):
            if when <= time.monotonic():
                del self._later[number]
                return task
        return None
