"""The harness finds planted bugs, and complains about a fault that never happens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import Trial, sample
from tests.faults.kinds import PLACES, Fault, Plan
from tests.faults.scenarios import SCENARIOS
from tests.faults.state import comparable, comparable_after_part
from tests.faults.zygote import Zygote


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """One for all tests of this file."""
    with Zygote() as made:
        yield made


def test_a_fault_that_never_happens_is_an_error(zygote: Zygote, tmp_path: Path) -> None:
    """Otherwise points behind the end of a run would pass."""
    trial = Trial(SCENARIOS["import"], "bucket", tmp_path / "trial", zygote)
    with pytest.raises(AssertionError, match="never happened"):
        trial.check(Plan(Fault.DENIED, len(trial.operations) + 1))


@pytest.mark.parametrize(
    ("bug", "fault", "operation", "found"),
    [
        ("torn_writes", Fault.KILL_DURING, "write", "is neither old nor new"),
        ("ignored_errors", Fault.DENIED, "link", "is missing or a phantom"),
    ],
)
def test_planted_bugs_are_found(
    zygote: Zygote, tmp_path: Path, bug: str, fault: Fault, operation: str, found: str
) -> None:
    """Half an object, and a unit that counts as written although its write was refused."""
    trial = Trial(SCENARIOS["import"], "folder", tmp_path / "trial", zygote, bug)
    problem = ""
    for plan in trial.plans((fault,)):
        if trial.operations[plan.number - 1].startswith(operation):
            try:
                trial.check(plan)
            except AssertionError as error:
                problem = str(error)
                break
    assert found in problem


def _published(*lists: str) -> dict[str, bytes]:
    """Return a data set with one snapshot per list, in order."""
    found = {"out/dataset.json": b"{}", **{f"out/lists/{name}": name.encode() for name in lists}}
    for number, name in enumerate(lists, 1):
        body = {"number": number, "run_id": "x", "lists": [{"key": f"lists/{name}"}]}
        found[f"out/snapshots/{number:08d}.json"] = json.dumps(body).encode()
    return found


def test_after_a_part_was_published_the_newest_snapshot_counts() -> None:
    """A lost list, other content of the newest snapshot, or a lost snapshot of before the command is still found."""
    old, whole = _published("old"), comparable_after_part(_published("old", "whole"), _published("old"))
    repeated = _published("old", "part", "whole")
    assert comparable_after_part(repeated, old) == whole
    assert comparable(repeated) != comparable(_published("old", "whole"))
    assert comparable_after_part(_published("old", "whole", "part"), old) != whole
    for lost in ("out/lists/whole", "out/lists/old", "out/snapshots/00000001.json"):
        assert comparable_after_part({key: data for key, data in repeated.items() if key != lost}, old) != whole


def test_the_sample_has_every_verb_and_fault() -> None:
    """Also every kind of store; it is the same in every run."""
    points = sample(100)
    assert points == sample(100)
    assert {verb for verb, *_ in points} == set(SCENARIOS)
    for place, can in PLACES.items():
        counts = Counter(fault for _, where, fault, _ in points if where == place)
        assert counts.keys() == {fault for faults in can.values() for fault in faults}
    assert len(set(points)) == 100
