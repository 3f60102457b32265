"""Training on Ray Train: two workers give the curve of one, and a killed worker costs only time."""

from __future__ import annotations

import csv
import json
import signal
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray

from tests.extraction.harness import finish, start, until
from tests.services.fault_proxy import Fault, Rule
from tests.training.factories import QUICK, run_train
from tests.training.recorder import Recorder
from wsvad.cli import main

STILL = ("--model", "sultani", "--set", "dropout=0")
SLOW_STEPS = ("--steps", "400", *QUICK[2:6], "--eval-every", "100", "--save-every", "20", "--json")


def curve(out: Path) -> np.ndarray:
    """Return the numbers of ``metrics.csv``, NaN if missing."""
    rows = list(csv.reader((out / "metrics.csv").read_text().splitlines()))[1:]
    return np.array([[float(value or "nan") for value in row] for row in rows])


def train_on_ray(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """Run the command on the tests' Ray with two workers; return its summary."""
    capsys.readouterr()
    assert main(["train", *words, "--workers", "2"]) == 0
    out = capsys.readouterr().out  # Ray also prints here when workers die
    summary: dict[str, object] = json.loads(out[out.index("{\n") :])
    return summary


def test_two_workers_give_the_curve_of_one(planted, capsys, tmp_path, ray_session, monkeypatch):
    """With gloo: losses, gradient norms and measures agree except for rounding, and are reported to Ray."""
    monkeypatch.setattr("wsvad.loop.ray_train._MetricExporter", lambda: Recorder(tmp_path / "reports"))
    words = (*planted.words, *STILL, *QUICK, "--report-test")
    assert run_train(capsys, *words, "--out", str(tmp_path / "one"))[0] == 0
    summary = train_on_ray(capsys, *words, "--out", str(tmp_path / "two"))
    assert (summary["workers"], summary["device"], summary["steps_done"]) == (2, "cpu", 12)
    np.testing.assert_allclose(curve(tmp_path / "two"), curve(tmp_path / "one"), rtol=1e-3, atol=1e-5)
    *_, report = map(json.loads, (tmp_path / "reports").read_text().splitlines())
    assert report["run"] == "wsvad-two"
    assert len(report["metrics"]) == 2
    for told in report["metrics"]:
        np.testing.assert_allclose(list(told.values()), curve(tmp_path / "two")[-1], rtol=1e-6)
    state = ray.get_actor("train_v2_state_actor", namespace="_train_state_actor")
    runs = {run.name: run.status.value for run in ray.get(state.get_train_runs.remote()).values()}
    assert runs["wsvad-two"] == "FINISHED"  # as listed in the dashboard
    assert main(["train", *words, "--out", str(tmp_path / "three"), "--workers", "3"]) == 2
    assert main(["train", *words, "--out", str(tmp_path / "all"), "--workers", "2", "--preset", "all_pairs"]) == 2
    for refused in ("three", "all"):
        assert not (tmp_path / refused / "metrics.csv").exists()


def test_relative_paths_are_relative_to_the_driver(planted, capsys, tmp_path, ray_session, monkeypatch):
    """Workers of Ray have other working directories; states and the checkpoint are in the folder of the command."""
    monkeypatch.chdir(tmp_path)
    summary = train_on_ray(capsys, *planted.words, *STILL, *QUICK, "--out", "run", "--cache-folder", "cache")
    assert (summary["workers"], summary["steps_done"]) == (2, 12)
    assert (tmp_path / "run" / "checkpoint" / "model.safetensors").exists()
    assert any((tmp_path / "cache").iterdir())


def test_a_store_that_denies_states_ends_the_run(planted, s3_bucket, fault_proxy, capsys, ray_session):
    """A new group of workers would be denied as well: no restart, exit code 4 and the store's error."""
    fault_proxy.add(Rule(Fault.DENY, method="PUT", path="/state/", times=None))
    words = (*planted.words, *STILL, *QUICK, "--workers", "1", "--out", f"s3://{s3_bucket}/out")
    assert main(["train", *words, "--s3-endpoint-url", fault_proxy.url]) == 4
    assert "AccessDenied" in capsys.readouterr().err
    assert fault_proxy.injected[Fault.DENY] == 1


def kill_a_worker(out: Path) -> None:
    """SIGKILL one of the training processes once there is a state to resume from."""
    until(lambda: list(out.glob("state/*/state.json")), timeout=240)
    workers = [p for p in psutil.Process().children(recursive=True) if p.name().startswith("ray::RayTrain")]
    assert len(workers) == 2
    workers[1].kill()


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(planted, capsys, tmp_path, ray_session):
    """Ray Train restarts the group, which resumes: the curve of an undisturbed run, bit for bit."""
    words = (*planted.words, "--model", "sultani", *SLOW_STEPS)
    train_on_ray(capsys, *words, "--out", str(tmp_path / "calm"))
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "stormy",))
    killer.start()
    train_on_ray(capsys, *words, "--out", str(tmp_path / "stormy"))
    killer.join()
    assert (tmp_path / "stormy/metrics.csv").read_bytes() == (tmp_path / "calm/metrics.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_driver_resumes(planted, tmp_path, number, code):
    """Ctrl-C and a killed driver, each with a local Ray of its own; then the same command finishes."""
    words = ("train", *planted.words, "--model", "sultani", *SLOW_STEPS, "--out")
    process = start(*words, str(tmp_path / "out"))
    until(lambda: list((tmp_path / "out").glob("state/*/state.json")), timeout=240)
    process.send_signal(number)
    found, _, log = finish(process)
    assert found == code, log
    found, summary, log = finish(start(*words, str(tmp_path / "out")))
    assert (found, summary["steps_done"]) == (0, 400), log
    assert summary["steps_before"] > 0
    found, _, log = finish(start(*words, str(tmp_path / "calm")))
    assert found == 0, log
    assert (tmp_path / "out/metrics.csv").read_bytes() == (tmp_path / "calm/metrics.csv").read_bytes()
