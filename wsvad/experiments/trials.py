"""Run trials one after the other in this process, or in parallel on Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from wsvad.experiments.trial import Figures, Trial, run_trial
from wsvad.manifest.names import Split

Key = TypeVar("Key")


def run_trials(
    trials: Mapping[Key, Trial], *, use_ray: bool, address: str | None = None, verbose: bool = False
) -> Iterator[tuple[Key, dict[Split, Figures]]]:
    """Run trials and yield the key and metrics of each as it finishes.

    Raises:
        WsvadError: raised by a trial. Finished trials are not repeated by the next call.
        ClusterError: Ray failed.
    """
    if use_ray:
        from wsvad.experiments.on_ray import run_on_ray  # imports Ray

        yield from run_on_ray(trials, address, verbose=verbose)
        return
    for key, trial in trials.items():
        yield key, run_trial(trial)
