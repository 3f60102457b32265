"""Run trials on Ray, each as a task."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from wsvad.errors import ClusterError, WsvadError
from wsvad.experiments.trial import Figures, Trial, run_trial
from wsvad.manifest.names import Split
from wsvad.work.cluster import connected

log = logging.getLogger(__name__)
Key = TypeVar("Key")


def run_on_ray(
    trials: Mapping[Key, Trial], address: str | None, *, verbose: bool
) -> Iterator[tuple[Key, dict[Split, Figures]]]:
    """Run all trials in parallel as far as the cluster has room, and yield the metrics of each as it finishes.

    Raises:
        WsvadError: raised by a trial. The others are stopped and resume in the next call.
        ClusterError: Ray failed.
    """
    with connected(address, verbose=verbose):
        # after the loss of a node its trials are retried elsewhere, and resume from what they had written
        task = ray.remote(run_trial)
        waiting = {
            task.options(num_cpus=trial.cpus, num_gpus=trial.gpus, max_retries=3).remote(trial): key
            for key, trial in trials.items()
        }
        try:
            while waiting:
                ready, _ = ray.wait(list(waiting), num_returns=1, timeout=5.0)
                for reference in ready:
                    yield waiting.pop(reference), ray.get(reference)
        except RayTaskError as error:
            if isinstance(error.cause, WsvadError):
                raise error.cause from error
            raise ClusterError(f"a run failed on Ray: {str(error).strip().splitlines()[-1]}") from error
        except RayError as error:
            raise ClusterError(f"Ray failed: {error}; run the same command again") from error
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)
