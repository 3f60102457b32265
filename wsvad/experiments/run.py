"""Trials on Ray: every one is a task."""

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
    """Run all trials, as many at once as the cluster has room for, and yield each as it ends.

    Raises:
        WsvadError: what a trial raised; the others are stopped, and go on in the next call.
        ClusterError: Ray failed.
    """
    with connected(address, verbose=verbose):
        # a lost node's trials are run again elsewhere; what they had written is taken up
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
