"""One driver at a time: refusals, take-over from the dead, and nothing from one that was taken over from."""

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
    """A lease on a folder of the tests."""
    return Lease(open_store(str(root)), "drivers/", "a sweep", heartbeat_s)


def test_two_at_once(tmp_path):
    """The second is refused and told who is at work; after the first has ended it begins at once."""
    with lease(tmp_path) as first:
        first.notes = {"elapsed_s": 3.5}
        with pytest.raises(ConflictError, match=rf"process {os.getpid()} on .*Nothing was changed"):
            lease(tmp_path).__enter__()
    with lease(tmp_path) as second:
        assert second.number == 2
        assert second.earlier == {"elapsed_s": 3.5}
        second.check()


def _hold(root: str) -> None:
    with lease(root):
        time.sleep(60)


def test_a_killed_driver_is_taken_over_from_at_once(tmp_path):
    """On the same machine the process is looked for: nobody waits for a heartbeat."""
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
def test_one_of_another_machine_is_watched(tmp_path, beat):
    """No sign of life for three beats: taken over."""
    _elsewhere(tmp_path, beat)
    with lease(tmp_path) as mine:
        assert mine.number == 2


def test_a_live_one_of_another_machine_is_left_alone(tmp_path, monkeypatch):
    """It writes signs of life while it is watched."""
    with lease(tmp_path) as first:
        monkeypatch.setattr("wsvad.work.lease._machine_id", lambda: "another machine")
        with pytest.raises(ConflictError):
            lease(tmp_path, heartbeat_s=1.0).__enter__()
        first.check()


def test_a_driver_that_wakes_up_late_is_told(tmp_path):
    """Taken over from meanwhile, it must not write results over newer ones."""
    first = lease(tmp_path)
    with first:
        open_store(str(tmp_path)).create("drivers/00000002.json", b"{}")
        with pytest.raises(ConflictError, match=r"took over a sweep at .*"):
            first.check()
