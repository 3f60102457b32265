"""Every verb that writes, disturbed at each of its operations of the store in each way, ends in the same state.

A point is a verb, a kind of store, a fault and the number of an operation. ``python -m tests.faults`` runs single ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import Sampled, Trial, sample
from tests.faults.kinds import PLACES, Fault
from tests.faults.scenarios import SCENARIOS
from tests.faults.zygote import Zygote

SAMPLE = sample(100)
FEW = 12
"""Operations per verb, place and fault, evenly spread, where not all are tested."""
MOST = dict.fromkeys(
    ((verb, "bucket") for verb in SCENARIOS if verb not in ("compare", "tune", "rescore", "purge")), 9999
)
"""The small runs, of which all operations are tested."""


class Trials:
    """The scenarios that the tests of this file have prepared so far."""

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self._folder = folder
        self._zygote = zygote
        self._made: dict[tuple[str, str], Trial] = {}

    def __call__(self, verb: str, place: str) -> Trial:
        """Return a scenario in a kind of store."""
        key = (verb, place)
        if key not in self._made:
            self._made[key] = Trial(SCENARIOS[verb], place, self._folder / place / verb, self._zygote)
        return self._made[key]


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """All scenarios; each is prepared when it is first needed."""
    with Zygote() as zygote:
        yield Trials(tmp_path_factory.mktemp("faults"), zygote)


@pytest.mark.parametrize("point", sorted(SAMPLE, key=str), ids=str)
def test_sample(trials: Trials, point: Sampled) -> None:
    """A hundred points, spread over verbs, kinds of stores, faults and operations."""
    verb, place, fault, share = point
    trial = trials(verb, place)
    trial.check(trial.at(fault, share))


def _groups() -> list[tuple[str, str, Fault]]:
    kinds = {place: {fault for can in of.values() for fault in can} for place, of in PLACES.items()}
    return [(verb, place, f) for verb in SCENARIOS for place in PLACES for f in Fault if f in kinds[place]]


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "place", "fault"), _groups(), ids=lambda value: getattr(value, "value", value))
def test_every_operation(trials: Trials, verb: str, place: str, fault: Fault) -> None:
    """Operations of a verb to which a fault can happen; the message names each that failed."""
    trial = trials(verb, place)
    failed = []
    for plan in trial.spread(fault, MOST.get((verb, place), FEW)):
        try:
            trial.check(plan)
        except Exception as error:
            failed.append(f"{plan.number} ({trial.operations[plan.number - 1]}): {error}")
    assert not failed, f"python -m tests.faults {verb} {place} {fault.value} NUMBER, for " + "\n".join(failed)


@pytest.mark.slow
def test_number_of_points(trials: Trials) -> None:
    """The test above has as many as ``docs/reliability.md`` states."""
    made = [(trials(verb, place), verb, place, fault) for verb, place, fault in _groups()]
    assert sum(len(trial.spread(fault, MOST.get((verb, place), FEW))) for trial, verb, place, fault in made) > 3500
