"""Wiring of a comparison to Ray: every run is a task of one core."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import ray
from ray.exceptions import RayError, RayTaskError

from wsvad.errors import ClusterError, WsvadError
from wsvad.experiments.options import CompareOptions, Trial
from wsvad.experiments.trial import Figures, run_trial
from wsvad.work.cluster import connected

log = logging.getLogger(__name__)


def run_on_ray(options: CompareOptions, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Figures]]:
    """Run all trials, as many at once as the cluster has cores, and yield each as it ends.

    Raises:
        WsvadError: what a trial raised; the others are stopped, and go on in the next call.
        ClusterError: Ray failed.
    """
    with connected(options.address, verbose=options.verbose):
        # a lost node's trials are run again elsewhere; what they had written is taken up
        task = ray.remote(run_trial).options(num_cpus=1, max_retries=3)
        where = ray.put(options)
        waiting = {task.remote(where, trial): trial for trial in trials}
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
