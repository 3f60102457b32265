"""Nights that are killed, repeated, started twice or resumed late: readers see complete nights and one final state."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.nightly.footage import write_scene
from tests.nightly.reader import Watcher, digests, look, shown
from wsvad.errors import ConflictError
from wsvad.nightly import job
from wsvad.nightly.published import current
from wsvad.storage import StoreOptions, open_store

REPO = Path(__file__).resolve().parents[2]
# stand-in for the network, in a separate process
COMMAND = """
import sys, pytest
from tests.extraction.in_process import patch_all
patch_all(pytest.MonkeyPatch())
from wsvad.cli import main
sys.exit(main(sys.argv[1:]))
"""


def start(*words: str) -> subprocess.Popen[bytes]:
    """Start a command in its own process group."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        cwd=REPO,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.fixture
def words(tmp_path, archive, model):
    """Command line of a night."""
    fixed = ("--archive", str(archive), "--checkpoint", model, "--cameras", str(tmp_path / "cameras.toml"), "--no-ray")
    return ("rescore", *fixed, "--smooth", "0", "--gap", "1", "--root")


def killed_until_done(words: tuple[str, ...], kills: int, whole_s: float, seed: int) -> int:
    """Run a command repeatedly, kill it after a random fraction of its full duration, then let it finish.

    Return the number of kills.
    """
    hits, rng = 0, random.Random(seed)
    for _ in range(kills):
        process = start(*words)
        time.sleep(rng.uniform(0.3, 0.9) * whole_s)
        hits += process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert start(*words).wait(300) == 0
    return hits


@pytest.mark.parametrize(
    ("kills", "cameras"), [(2, 1), pytest.param(20, 6, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_killed_night(kills, cameras, words, archive, tmp_path):
    """SIGKILL at random moments of two nights: the final state equals that of undisturbed nights, byte for byte."""
    calm, root, hits = str(tmp_path / "calm"), str(tmp_path / "root"), 0
    with Watcher(root) as watcher:
        for night in range(2):
            for camera in range(cameras):
                write_scene(archive / f"cam{camera}" / f"2026030{night + 2}_120000.mp4", 8, (2, 4))
            began = time.monotonic()
            assert start(*words, calm).wait(300) == 0
            hits += killed_until_done((*words, root), kills, time.monotonic() - began, seed=kills + night)
            assert shown(root) == shown(calm)
    assert hits >= kills / 2
    assert set(watcher.numbers) - {0}, "nobody looked while a night was there"
    assert start(*words, root).wait(300) == 0
    assert current(open_store(root)).number == current(open_store(calm)).number


def test_two_runs_at_once(night, tmp_path, monkeypatch, caplog):
    """The second run is refused and changes nothing; the first continues."""
    began, go_on = threading.Event(), threading.Event()
    real, codes = job.extract_and_score, []

    def waits(*args):
        began.set()
        assert go_on.wait(60)
        return real(*args)

    monkeypatch.setattr(job, "extract_and_score", waits)
    first = threading.Thread(target=lambda: codes.append(night()[0]))
    first.start()
    assert began.wait(60)
    monkeypatch.setattr(job, "extract_and_score", real)
    before = digests(tmp_path / "root")
    assert night()[0] == 5
    assert "another driver is working" in caplog.text
    assert digests(tmp_path / "root") == before
    go_on.set()
    first.join(120)
    assert codes == [0]
    assert look(open_store(str(tmp_path / "root"))).number == 1


def test_late_writer_publishes_nothing(night, archive, tmp_path, monkeypatch):
    """A run that was presumed dead while another one published does not publish."""
    night()
    root = open_store(str(tmp_path / "root"))
    real = job._publish
    newer = []

    def sleeps(night_, *rest):
        if not newer:
            newer.append(True)
            write_scene(archive / "yard" / "20260301_140000.mp4", 8, (1, 3))
            # the newer run does not see the heartbeat of this one
            with monkeypatch.context() as patched:
                patched.setattr("wsvad.work.lease.Lease._alive", lambda self, number: False)
                assert night()[1]["published"]
        return real(night_, *rest)

    monkeypatch.setattr(job, "_publish", sleeps)
    write_scene(archive / "yard" / "20260301_130000.mp4", 8, (1, 3))
    code, _ = night()
    assert code == 5
    found = look(root)
    assert found.number == 2
    assert night()[1]["nothing_to_do"]
    assert look(root).number == 2


def test_first_publisher_wins_without_lease(tmp_path):
    """If two runs hold the lease at once, only one of them creates the pointer."""
    from wsvad.nightly.pointers import point

    store = open_store(str(tmp_path))
    base = point(store, "current/", None, {"a": 1})
    point(store, "current/", base, {"a": 2})
    with pytest.raises(ConflictError):
        point(store, "current/", base, {"a": 3})


def test_unreliable_store(words, archive, tmp_path, s3_bucket, moto_server, fault_proxy, capsys):
    """503s, resets and lost replies: two nights on a bucket give the same result as in a folder."""
    from tests.extraction.harness import run_here
    from tests.services.fault_proxy import Fault, Rule

    calm, far = str(tmp_path / "calm"), f"s3://{s3_bucket}/root"
    fault_proxy.add(
        *(Rule(Fault.SLOW_DOWN, method=m, probability=0.1, times=None) for m in ("GET", "PUT", "HEAD")),
        Rule(Fault.RESET, probability=0.03, times=None),
        Rule(Fault.LOST_REPLY, method="PUT", path="current/", times=2),
        Rule(Fault.LOST_REPLY, method="PUT", path="snapshots/", times=2),
    )
    clean = StoreOptions(endpoint_url=moto_server.url)
    with Watcher(far, clean) as watcher:
        for night in range(2):
            write_scene(archive / "cam" / f"2026030{night + 2}_120000.mp4", 8, (2, 4))
            assert run_here(capsys, *words, calm, "--json")[0] == 0
            code, summary = run_here(capsys, *words, far, "--json", "--s3-endpoint-url", fault_proxy.url)
            assert (code, summary["published"]) == (0, True)
    assert shown(far, clean) == shown(calm)
    assert watcher.numbers[-1] == 2
