"""Units on Ray Data: a real Ray, and stages that take no time."""

import os

import pytest
import ray

from wsvad.cluster import Pool, living_nodes
from wsvad.work.receipt import Receipt
from wsvad.work.rounds import CRASH_KIND, run_rounds
from wsvad.work.run import UnitRunner

pytestmark = pytest.mark.usefixtures("ray_session")
POOL = Pool(workers=2, cpus_per_worker=1.0, gpus_per_worker=0.0, memory_per_worker=0, in_flight=2)


class _Unit:
    def __init__(self, name):
        self.unit_id = name

    def to_row(self):
        return {"unit_id": self.unit_id}


class _Deed:
    """A stage that does what a unit's name says."""

    def __init__(self, config, payload, report):
        self._greeting, self._payload, self._report = config, payload, report

    def __call__(self, row):
        name = row["unit_id"]
        if name.startswith("kills its worker"):
            os._exit(1)
        self._report(name, 3)
        return Receipt(name, "done", clips=3, message=f"{self._greeting} {self._payload['weights']}").to_row()


def _run(runner, names):
    settled = {}

    def on_receipt(unit, receipt):
        assert unit.unit_id not in settled, "a unit was settled twice"
        settled[unit.unit_id] = receipt

    run_rounds([_Unit(n) for n in names], runner, on_receipt, living_nodes=living_nodes, pause_s=0)
    return settled


def test_unit_that_kills_its_workers_is_found_out_and_its_neighbours_are_done():
    """Ray repeats rows for ever; only the unit that takes workers down again and again, also alone, is bad."""
    runner = UnitRunner(_Deed, "hello", {"weights": 7}, POOL)
    settled = _run(runner, ["a", "kills its worker", "b", "c", "d"])
    bad = settled.pop("kills its worker")
    assert (bad.status, bad.kind) == ("quarantined", CRASH_KIND)
    assert {(r.status, r.message) for r in settled.values()} == {("done", "hello 7")}
    assert runner.in_progress().keys() == settled.keys()


def test_lost_books_of_a_run_are_not_evidence_against_videos():
    """The actor that counts tries dies (a full head node): units fail, none is quarantined."""
    runner = UnitRunner(_Deed, "", {"weights": 0}, POOL)
    ray.kill(runner._board)
    assert {r.status for r in _run(runner, ["a", "b"]).values()} == {"failed"}
