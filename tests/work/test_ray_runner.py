"""Units on Ray Data, with a real Ray and trivial stages."""

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


class _ScriptedStage:
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
    """Payload of the workers, which record the units that they start."""
    (tmp_path / "log").touch()
    return {"weights": 7, "log": str(tmp_path / "log")}


def started(payload):
    """Return how often each unit was started."""
    return Counter(Path(payload["log"]).read_text().splitlines())


def test_a_unit_that_kills_its_workers_gets_no_receipt(payload):
    """Its neighbours finish. Ray would retry rows without limit; the row itself stops after two attempts."""
    runner = RayRunner(_ScriptedStage, "hello", payload, POOL)
    receipts = list(runner([_Unit(n) for n in ("a", "kills its worker", "b", "c")], False))
    assert sorted((r.unit_id, r.status, r.message) for r in receipts) == [(n, "done", "hello 7") for n in "abc"]
    assert set(runner.in_progress()) >= {"a"}


def test_a_pack_with_units_of_every_kind(payload):
    """Two units crash their workers, one fails, one raises; all others are done once, in one row."""
    names = ["a", "fails", "b", "kills its worker", "c", "raises", "kills its worker too", *map(str, range(20)), "d"]
    runner = RayRunner(_ScriptedStage, "hello", payload, POOL, pack_clips=1000)
    runner._pool = replace(POOL, workers=1)
    with mock.patch("wsvad.work.packs._PACKS_FOR_A_WORKER", 1):
        receipts = list(runner([_Unit(n) for n in names], False))
    wanted = {n: "failed" if n == "fails" else "done" for n in names if not n.startswith(("kills", "raises"))}
    assert len(receipts) == len(wanted)
    assert {r.unit_id: r.status for r in receipts} == wanted
    times = started(payload)
    assert {n for n in names if times[n] == 1} >= {"d", *map(str, range(19))}
    assert times.keys() == set(names)
    assert all(times[n] in (2, 3) for n in names if n.startswith("kills"))
    assert sum(times.values()) <= len(names) + 6, "only units that ran when a worker was lost are restarted"


def test_the_next_round_repeats_units(payload):
    """Receipts of one round do not count in the next, so units whose store failed are retried."""
    runner = RayRunner(_ScriptedStage, "", payload, POOL, pack_clips=1000)
    for number in (1, 2):
        assert [r.status for r in runner([_Unit("fails"), _Unit("fails too")], False)] == ["failed"] * 2
        assert set(started(payload).values()) == {number}


def test_a_lost_tracker_quarantines_nothing(payload):
    """If the tracker actor dies (a full head node), units fail and none is quarantined."""
    runner = RayRunner(_ScriptedStage, "", payload, POOL, pack_clips=1000)
    ray.kill(runner._tracker)
    assert {r.status for r in runner([_Unit("a"), _Unit("b")], False)} == {"failed"}


class _Counted(_ScriptedStage):
    """Another class name, so that units of other tests are not counted."""


def test_workers_export_ray_metrics(payload):
    """Units by status, clips and seconds, at the node's Prometheus port."""
    runner = RayRunner(_Counted, "hello", payload, POOL, pack_clips=100)
    list(runner([_Unit("one"), _Unit("two"), _Unit("fails")], alone=False))
    (node,) = ray.nodes()
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    found: dict[str, float] = {}
    deadline = time.monotonic() + 60
    while sum(found.values()) < 3 and time.monotonic() < deadline:  # Ray exports them every few seconds
        with urllib.request.urlopen(url, timeout=10) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        samples = [s for f in families for s in f.samples if s.labels.get("stage") == "_Counted"]
        found = {s.labels["status"]: s.value for s in samples if s.name.startswith("ray_wsvad_units")}
        time.sleep(0.5)
    assert found == {"done": 2, "failed": 1}
    assert [s.value for s in samples if s.name.startswith("ray_wsvad_clips")] == [6]
