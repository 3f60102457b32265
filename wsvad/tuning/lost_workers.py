"""Retry of jobs whose workers died, because of the job itself or because of a lost node.

Ray retries a job where it was, which can be a lost node until Ray detects the loss after about half a minute. All tries
of the job then fail within seconds. So after tries that fail in quick succession, the job is retried after a pause.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from ray.tune import Callback

from wsvad.tuning.schedule import Job
from wsvad.tuning.trial import Task

QUICK_S = 60.0
"""If all tries fail within this time, the node is suspected rather than the job."""
PAUSES_S = (10.0, 30.0, 60.0)
"""Pauses before further tries of a job, in seconds."""


class LostWorkers(Callback):
    """Records when workers die, and keeps the jobs to retry later."""

    def __init__(self) -> None:
        self._ended: dict[str, list[float]] = defaultdict(list)
        self._pauses: dict[Job, int] = defaultdict(int)
        self._later: list[tuple[float, Task]] = []

    def __getstate__(self) -> dict[str, Any]:
        """Exclude everything from the files that Tune writes about itself."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> LostWorkers:
        return self

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record that a worker died and that Tune retries its job."""
        self._ended[trial.trial_id].append(time.monotonic())

    def schedule_retry(self, trial_id: str, task: Task) -> bool:
        """Schedule a job that Tune gave up for a retry after a pause; return whether it will be retried."""
        ended = self._ended.pop(trial_id, [])
        now = time.monotonic()
        pauses = self._pauses[task.job]
        if not ended or now - ended[0] > QUICK_S or pauses == len(PAUSES_S):
            return False
        self._later.append((now + PAUSES_S[pauses], task))
        self._pauses[task.job] += 1
        return True

    def next_retry(self) -> Task | None:
        """Return a job whose pause is over, or ``None``."""
        for number, (when, task) in enumerate(self._later):
            if when <= time.monotonic():
                del self._later[number]
                return task
        return None
