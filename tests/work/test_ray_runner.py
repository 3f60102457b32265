"""Units on Ray Data: a real Ray, and stages that take no time."""

import os
import time
import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import ray
from prometheus_client.parser import text_string_to_metric_families

from wsvad.work.pool import Pool
from wsvad.work.ray_runner import RayRunner
from wsvad.work.receipt import Receipt

pytestmark = pytest.mark.usefixtures("ray_session")
POOL = Pool(workers=1, cpus_per_worker=1.0, gpus_per_worker=0.0, memory_per_worker=0, in_flight=2)


class _Unit:
    def __init__(self, name):
        self.unit_id = name
        self.num_clips = 3

    def to_row(self):
        return {"unit_id": self.unit_id}


class _Deed:
    """A stage that does what a unit's name says."""

    def __init__(self, config, payload, report):
        self._greeting, self._payload, self._report = config, payload, report

    def __call__(self, row):
        name = row["unit_id"]
        with open(self._payload["log"], "a") as log:
            log.write(f"{name}\n")
        if name.startswith("kills its worker"):
            os._exit(1)
        if name.startswith("raises"):
            raise RuntimeError("a bug of the stage")
        if name.startswith("fails"):
            return Receipt(name, "failed", kind="StorageError").to_row()
        self._report(name, 3)
        return Receipt(name, "done", clips=3, message=f"{self._greeting} {self._payload['weights']}").to_row()


@pytest.fixture
def payload(tmp_path):
    """What workers get; they write down which units they begin."""
    (tmp_path / "log").touch()
    return {"weights": 7, "log": str(tmp_path / "log")}


def begun(payload):
    """How often each unit was begun."""
    return Counter(Path(payload["log"]).read_text().splitlines())


def test_unit_that_kills_its_workers_gets_no_receipt_and_its_neighbours_are_done(payload):
    """Ray restarts workers and repeats rows for ever; the row itself stops after two tries, and nothing hangs."""
    runner = RayRunner(_Deed, "hello", payload, POOL)
    receipts = list(runner([_Unit(n) for n in ("a", "kills its worker", "b", "c")], False))
    assert sorted((r.unit_id, r.status, r.message) for r in receipts) == [(n, "done", "hello 7") for n in "abc"]
    assert set(runner.in_progress()) >= {"a"}


def test_a_pack_with_units_of_every_kind(payload):
    """Two that end their workers, one that fails, one that raises: each of the others is done once, in one row."""
    names = ["a", "fails", "b", "kills its worker", "c", "raises", "kills its worker too", *map(str, range(20)), "d"]
    runner = RayRunner(_Deed, "hello", payload, POOL, pack_clips=1000)
    runner._pool = replace(POOL, workers=1)
    with mock.patch("wsvad.work.packs._PACKS_FOR_A_WORKER", 1):
        receipts = list(runner([_Unit(n) for n in names], False))
    wanted = {n: "failed" if n == "fails" else "done" for n in names if not n.startswith(("kills", "raises"))}
    assert len(receipts) == len(wanted)
    assert {r.unit_id: r.status for r in receipts} == wanted
    times = begun(payload)
    assert {n for n in names if times[n] == 1} >= {"d", *map(str, range(19))}
    assert times.keys() == set(names)
    assert all(times[n] in (2, 3) for n in names if n.startswith("kills"))
    assert sum(times.values()) <= len(names) + 6, "only what was under way when a worker went down is begun again"


def test_the_next_round_runs_again_what_is_asked_for(payload):
    """Receipts of a round say nothing in the next: what failed for want of a store is tried again."""
    runner = RayRunner(_Deed, "", payload, POOL, pack_clips=1000)
    for number in (1, 2):
        assert [r.status for r in runner([_Unit("fails"), _Unit("fails too")], False)] == ["failed"] * 2
        assert set(begun(payload).values()) == {number}


def test_lost_books_of_a_run_are_not_evidence_against_videos(payload):
    """The actor that counts tries dies (a full head node): units fail, none is quarantined."""
    runner = RayRunner(_Deed, "", payload, POOL, pack_clips=1000)
    ray.kill(runner._board)
    assert {r.status for r in runner([_Unit("a"), _Unit("b")], False)} == {"failed"}


class _Counted(_Deed):
    """Another name, so that what other tests ran is not counted."""


def test_what_workers_did_is_in_the_metrics_of_ray(payload):
    """Units by what became of them, clips, seconds: at the port that Prometheus reads from a node."""
    runner = RayRunner(_Counted, "hello", payload, POOL, pack_clips=100)
    list(runner([_Unit("one"), _Unit("two"), _Unit("fails")], alone=False))
    (node,) = ray.nodes()
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    found: dict[str, float] = {}
    deadline = time.monotonic() + 60
    while sum(found.values()) < 3 and time.monotonic() < deadline:  # Ray passes them on every few seconds
        with urllib.request.urlopen(url, timeout=10) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        samples = [s for f in families for s in f.samples if s.labels.get("stage") == "_Counted"]
        found = {s.labels["status"]: s.value for s in samples if s.name.startswith("ray_wsvad_units")}
        time.sleep(0.5)
    assert found == {"done": 2, "failed": 1}
    assert [s.value for s in samples if s.name.startswith("ray_wsvad_clips")] == [6]
