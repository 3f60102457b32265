"""Units on Ray Data: a real Ray, and stages that take no time."""

import os

import pytest
import ray

from wsvad.work.pool import Pool
from wsvad.work.receipt import Receipt
from wsvad.work.run import UnitRunner

pytestmark = pytest.mark.usefixtures("ray_session")
POOL = Pool(workers=1, cpus_per_worker=1.0, gpus_per_worker=0.0, memory_per_worker=0, in_flight=2)


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


def test_unit_that_kills_its_workers_gets_no_receipt_and_its_neighbours_are_done():
    """Ray restarts workers and repeats rows for ever; the row itself stops after two tries, and nothing hangs."""
    runner = UnitRunner(_Deed, "hello", {"weights": 7}, POOL)
    receipts = list(runner([_Unit(n) for n in ("a", "kills its worker", "b", "c")], False))
    assert sorted((r.unit_id, r.status, r.message) for r in receipts) == [(n, "done", "hello 7") for n in "abc"]
    assert set(runner.in_progress()) >= {"a"}


def test_lost_books_of_a_run_are_not_evidence_against_videos():
    """The actor that counts tries dies (a full head node): units fail, none is quarantined."""
    runner = UnitRunner(_Deed, "", {"weights": 0}, POOL)
    ray.kill(runner._board)
    assert {r.status for r in runner([_Unit("a"), _Unit("b")], False)} == {"failed"}
