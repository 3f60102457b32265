"""SIGKILL of the driver at random moments of a sweep: every row occurs once, with values of an undisturbed sweep."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.extraction.harness import finish, start
from tests.tuning.sweeps import rows, sweep_command
from wsvad.storage import StoreOptions, open_store

SEED = 20261


def sweep(planted, out: str, *more: str) -> list[str]:
    """Return the command line of a sweep that saves states every third step."""
    return [*sweep_command(planted, out, "--no-winner"), "--save-every", "3", *more]


def killed_until_done(words: list[str], kills: int, longest_s: float, random_: random.Random) -> int:
    """Run a command repeatedly, kill it after random times, then let it finish.

    Return the number of kills.
    """
    hits = 0
    for _ in range(kills):
        process = start(*words, stderr=subprocess.DEVNULL)
        time.sleep(random_.uniform(1.5, longest_s))
        hits += process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    code, summary, log = finish(start(*words), timeout=600)
    assert code == 0, log
    assert summary["done"] > 0
    return hits


@pytest.mark.parametrize(
    ("kills", "trials", "seeds"), [(3, 8, 2), pytest.param(20, 30, 3, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_killed_driver_in_one_process(kills, trials, seeds, planted_sweep, tmp_path):
    """On local files."""
    more = ("--no-ray", "--trials", str(trials), "--seeds", str(seeds), "--steps", "40")
    calm = str(tmp_path / "calm")
    assert finish(start(*sweep(planted_sweep, calm, *more)), timeout=600)[0] == 0
    out = str(tmp_path / "out")
    hits = killed_until_done(sweep(planted_sweep, out, *more), kills, 9.0, random.Random(SEED))
    assert hits > kills / 2
    _check(out, calm, trials, seeds)


@pytest.mark.slow
def test_killed_driver_on_object_storage(planted_sweep, s3_bucket, moto_server, tmp_path):
    """On a bucket."""
    more = ("--no-ray", "--trials", "30", "--seeds", "3", "--steps", "40")
    calm = str(tmp_path / "calm")
    assert finish(start(*sweep(planted_sweep, calm, *more)), timeout=600)[0] == 0
    far = ("--s3-endpoint-url", moto_server.url)
    words = sweep(planted_sweep, f"s3://{s3_bucket}/out", *more, *far)
    assert killed_until_done(words, 20, 12.0, random.Random(SEED + 1)) > 10
    store = open_store(f"s3://{s3_bucket}/out", StoreOptions(endpoint_url=moto_server.url))
    for name in ("trials.parquet", "val_scores.parquet"):
        (tmp_path / name).write_bytes(store.read(name))
    _check(str(tmp_path), calm, 30, 3)


@pytest.mark.slow
def test_killed_driver_on_ray(planted_sweep, tmp_path):
    """The actors end with their Ray session; the next driver starts its own session."""
    more = ("--trials", "12", "--seeds", "3", "--steps", "40")
    calm = str(tmp_path / "calm")
    assert finish(start(*sweep(planted_sweep, calm, "--no-ray", *more)), timeout=600)[0] == 0
    out = str(tmp_path / "out")
    assert killed_until_done(sweep(planted_sweep, out, *more), 5, 30.0, random.Random(SEED + 2)) > 2
    _check(out, calm, 12, 3)


def test_sigterm_on_ray_saves_states(planted_sweep, tmp_path):
    """SIGTERM gives exit code 143 and a message that the same command resumes, which it does."""
    more = ("--trials", "6", "--steps", "300")
    out = str(tmp_path / "out")
    process = start(*sweep(planted_sweep, out, *more))
    until = time.monotonic() + 120
    while not list(Path(out).glob("trials/*/seed-0/step-*.json")):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    code, _, log = finish(process, timeout=120)
    assert code == 143
    assert "run the same command again to continue" in log
    assert finish(start(*sweep(planted_sweep, out, *more, "--no-ray")), timeout=300)[0] == 0
    assert finish(start(*sweep(planted_sweep, str(tmp_path / "calm"), *more, "--no-ray")), timeout=300)[0] == 0
    assert rows(out) == rows(tmp_path / "calm")


def _check(out: str, calm: str, trials: int, seeds: int) -> None:
    found = rows(out)
    screening = [(row["trial"], row["seed"]) for row in found if row["stage"] == "screening"]
    assert screening == [(n, s) for n in range(trials) for s in range(seeds)]
    assert found == rows(calm)
    assert Path(out, "val_scores.parquet").read_bytes() == Path(calm, "val_scores.parquet").read_bytes()
