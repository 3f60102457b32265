"""Disturb a command at one operation, read what it left, repeat it, and compare the end with an undisturbed run."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.kinds import KILLS, PLACES, Fault, Plan, heals
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.state import comparable, comparable_after_part, problems, stored
from tests.faults.zygote import Ended, Zygote
from wsvad.errors import EXIT_STORAGE

BUCKET = "bucket"
"""Folder of the data of a run."""


@dataclass
class Trial:
    """A scenario in one kind of store, with the state before its command and that after an undisturbed run of it."""

    scenario: Scenario
    place: str
    folder: Path
    zygote: Zygote
    bug: str = ""
    """A bug that is planted in the store; see ``planted_bugs``."""
    operations: tuple[str, ...] = ()
    """Names and objects of the operations of the undisturbed run."""
    before: dict[str, bytes] = field(default_factory=dict)
    after: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare the data, keep a copy, and run the command undisturbed."""
        self.data.mkdir(parents=True)
        self.scenario.inputs(self.data)
        for step in self.scenario.before:
            if callable(step):
                step(self.data)
            else:
                self._ended(step, None, 0)
        self.before = stored(self.data)
        shutil.copytree(self.data, self._kept)
        self.operations = self._ended(self.scenario.words, None, self.scenario.codes[0]).done
        self.after = stored(self.data)

    @property
    def data(self) -> Path:
        """The bucket or folder."""
        return self.folder / BUCKET

    @property
    def _kept(self) -> Path:
        return self.folder / "kept"

    def _ended(self, words: Sequence[str], plan: Plan | None, *codes: int) -> Ended:
        uri = f"s3://{BUCKET}" if self.place == "bucket" else str(self.data)
        ended = self.zygote.run(self.scenario.command(tuple(words), uri), self.place, self.folder, plan, self.bug)
        assert not codes or ended.code in codes, f"ended with {ended.code} instead of {codes}:\n{ended.log[-3000:]}"
        return ended

    def plans(self, faults: Sequence[Fault] = tuple(Fault)) -> Iterator[Plan]:
        """Yield every fault that can happen, at every operation of the undisturbed run."""
        for number, done in enumerate(self.operations, 1):
            can = PLACES[self.place][done.partition(" ")[0]]
            yield from (Plan(fault, number) for fault in faults if fault in can)

    def spread(self, fault: Fault, most: int) -> list[Plan]:
        """Return at most this many plans of a fault, evenly spread over the operations to which it can happen."""
        plans = list(self.plans((fault,)))
        count = min(most, len(plans))
        return [plans[number * len(plans) // count] for number in range(count)]

    def at(self, fault: Fault, share: float) -> Plan:
        """Return the plan for the operation at this share, from 0 to 1, of those to which the fault can happen."""
        plans = list(self.plans((fault,)))
        assert plans, f"{fault.value} cannot happen in {self.scenario.name}"
        return plans[min(len(plans) - 1, int(share * len(plans)))]

    def restore(self) -> None:
        """Restore the data before the command."""
        for folder in (self.data, self.folder / "caches"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._kept, self.data)

    def check(self, plan: Plan) -> None:
        """Disturb the command, read what it left, repeat the command, and compare the end.

        Raises:
            AssertionError: something was lost, duplicated, half written or invented, or an exit code is wrong.
        """
        self.restore()
        first = self.scenario.codes[0]
        ended = self._ended(self.scenario.words, plan)
        log = f"\n{ended.log[-3000:]}"
        assert ended.fired, f"the fault never happened; the command ended with {ended.code}{log}"
        if plan.fault in KILLS:
            assert ended.code == -signal.SIGKILL, f"ended with {ended.code} instead of being killed{log}"
        elif heals(self.place, plan.fault):
            assert ended.code == first, f"ended with {ended.code}; the store must overcome this{log}"
        else:
            assert ended.code in (first, EXIT_STORAGE), f"ended with {ended.code} instead of 4{log}"
        assert "Traceback" not in ended.log, log
        wrong = problems(self.data, self.before, self.after, self.scenario.nightly)
        assert not wrong, f"a reader finds {wrong}{log}"
        if ended.code == first != EXIT_STORAGE:
            self._compare("after exit code 0", part=False)
            return
        self._ended(self.scenario.words, None, *self.scenario.codes)
        part = self.scenario.publishes_parts and ended.code == EXIT_STORAGE
        self._compare(f"after exit code {ended.code} and the same command again", part=part)

    def _compare(self, when: str, *, part: bool) -> None:
        states = (self.after, stored(self.data))
        expected, found = (comparable_after_part(s, self.before) if part else comparable(s) for s in states)
        named = {
            "lost": expected.keys() - found.keys(),
            "phantom": found.keys() - expected.keys(),
            "other": {key for key in expected.keys() & found.keys() if expected[key] != found[key]},
        }
        wrong = {name: sorted(keys) for name, keys in named.items() if keys}
        assert not wrong, f"{when}: {wrong} {differences(wrong.get('other', ()), expected, found)}"


def differences(keys: Sequence[str], expected: dict[str, Any], found: dict[str, Any]) -> str:
    """Return the first of the unequal values, shortened."""
    texts = [f"{key}: {_first(expected[key], found[key])}" for key in list(keys)[:3]]
    return "; ".join(texts)


def _first(one: Any, other: Any) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one.keys() | other.keys():
            if one.get(name) != other.get(name):
                return f"{name} {_first(one.get(name), other.get(name))}"
    return f"{one!r:.200} != {other!r:.200}"


class Sampled(tuple[str, str, Fault, float]):
    """Verb, place, fault and share of a sampled point; its text is the id of a test."""

    def __str__(self) -> str:
        verb, place, fault, share = self
        return f"{verb}-{place}-{fault.value}-{100 * share:.0f}%"


def sample(count: int, seed: int = 0) -> list[Sampled]:
    """Return points spread evenly over verbs, places, faults and operations; the same for the same seed."""
    rng = random.Random(seed)
    kinds = {
        place: sorted({f for can in PLACES[place].values() for f in can}, key=list(Fault).index) for place in PLACES
    }
    found: list[Sampled] = []
    for turn in range(count):
        verb = list(SCENARIOS)[turn % len(SCENARIOS)]
        of_verb = turn // len(SCENARIOS)
        place = "folder" if of_verb % 3 == 2 else "bucket"
        fault = kinds[place][(turn + of_verb) % len(kinds[place])]
        found.append(Sampled((verb, place, fault, (rng.random() + of_verb) % 1)))
    return found
