"""One driver at a time: refusal, takeover from a dead driver, and no writes by a driver that lost its lease."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time

import pytest

from wsvad.errors import ConflictError
from wsvad.storage import open_store
from wsvad.work.lease import Lease


def lease(root, heartbeat_s: float = 0.1) -> Lease:
    """A lease on a folder of the test."""
    return Lease(open_store(str(root)), "drivers/", "a sweep", heartbeat_s)


def test_a_second_driver_is_refused(tmp_path):
    """The message names the owner; after the first driver has ended, the second starts immediately."""
    with lease(tmp_path) as first:
        first.notes = {"elapsed_s": 3.5}
        with pytest.raises(ConflictError, match=rf"process {os.getpid()} on .*Nothing was changed"):
            lease(tmp_path).__enter__()
    with lease(tmp_path) as second:
        assert second.number == 2
        assert second.previous_notes == {"elapsed_s": 3.5}
        second.check()


def _hold(root: str) -> None:
    with lease(root):
        time.sleep(60)


def test_a_killed_local_driver_is_taken_over_immediately(tmp_path):
    """On the same machine the process id is checked, without waiting for a heartbeat."""
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(str(tmp_path),))
    process.start()
    while not list(tmp_path.glob("drivers/*.beat")):
        time.sleep(0.02)
    with pytest.raises(ConflictError):
        lease(tmp_path, heartbeat_s=60).__enter__()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    started = time.monotonic()
    with lease(tmp_path, heartbeat_s=60) as mine:
        assert mine.number == 2
    assert time.monotonic() - started < 30


def _elsewhere(root, beat: bool) -> None:
    store = open_store(str(root))
    store.create("drivers/00000001.json", json.dumps({"host": "other", "machine": "m", "pid": 1, "born": "1"}).encode())
    if beat:
        store.replace("drivers/00000001.beat", json.dumps({"state": "", "token": "t", "notes": {}}).encode())


@pytest.mark.parametrize("beat", [False, True])
def test_a_dead_driver_of_another_machine_is_taken_over(tmp_path, beat):
    """After three intervals without a heartbeat."""
    _elsewhere(tmp_path, beat)
    with lease(tmp_path) as mine:
        assert mine.number == 2


def test_a_live_driver_of_another_machine_keeps_its_lease(tmp_path, monkeypatch):
    """Its heartbeat changes while it is watched."""
    with lease(tmp_path) as first:
        monkeypatch.setattr("wsvad.work.lease._machine_id", lambda: "another machine")
        with pytest.raises(ConflictError):
            lease(tmp_path, heartbeat_s=1.0).__enter__()
        first.check()


def test_a_driver_that_lost_its_lease_is_stopped(tmp_path):
    """It must not overwrite newer results."""
    first = lease(tmp_path)
    with first:
        open_store(str(tmp_path)).create("drivers/00000002.json", b"{}")
        with pytest.raises(ConflictError, match=r"took over a sweep at .*"):
            first.check()
