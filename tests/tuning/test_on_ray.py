"""Sweeps on Ray Tune: same rows as in one process, lost workers, object storage, no stored credentials."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.services.fault_proxy import Fault, FaultProxy, Rule
from tests.services.moto_server import CREDENTIALS
from tests.tuning.sweeps import QUICK, rows, run_tune, sweep_command
from wsvad.storage import StoreOptions, open_store
from wsvad.tuning import job, lost_workers
from wsvad.tuning.history import Outcome
from wsvad.tuning.trial import JobContext, Task


@pytest.fixture(scope="module")
def calm(planted_sweep, tmp_path_factory):
    """A sweep in one process, for comparison."""
    from wsvad.cli import main

    out = tmp_path_factory.mktemp("calm") / "out"
    assert main(sweep_command(planted_sweep, str(out), "--no-ray", "--no-winner")) == 0
    return out


def test_same_rows_as_in_one_process(planted_sweep, calm, tmp_path, capsys, ray_session):
    """On two actors, in any order of completion, and with halving."""
    code, summary = run_tune(capsys, *sweep_command(planted_sweep, str(tmp_path / "out"), "--no-winner"))
    assert (code, summary["done"]) == (0, 12)
    assert rows(tmp_path / "out") == rows(calm)
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    halved = ("--no-winner", "--halving", "2", "--trials", "6")
    assert run_tune(capsys, *sweep_command(planted_sweep, here, "--no-ray", *halved))[0] == 0
    assert run_tune(capsys, *sweep_command(planted_sweep, there, *halved))[0] == 0
    assert rows(here) == rows(there)


def test_killed_worker_loses_no_row(planted_sweep, tmp_path, capsys, ray_session):
    """Killed actors are replaced, and the rows equal those of an undisturbed sweep."""
    out, killed, over = tmp_path / "out", [], threading.Event()

    def kill() -> None:
        while not over.wait(0.05) and len(killed) < 2:
            for process in psutil.process_iter(["cmdline"]):
                if any(word == "ray::ResourceTrainable.train" for word in process.info["cmdline"] or ()):
                    process.send_signal(signal.SIGKILL)
                    killed.append(process.pid)
                    over.wait(2)
                    break

    words = [*sweep_command(planted_sweep, str(out), "--no-winner"), "--steps", "300"]
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    code, summary = run_tune(capsys, *words)
    over.set()
    killer.join()
    assert killed, "no actor was seen at work"
    assert (code, summary["done"], summary["lost"]) == (0, 12, 0)
    straight = [*sweep_command(planted_sweep, str(tmp_path / "calm"), "--no-ray", "--no-winner"), "--steps", "300"]
    assert run_tune(capsys, *straight)[0] == 0
    assert rows(out) == rows(tmp_path / "calm")


def test_worker_that_always_dies(planted_sweep, tmp_path, capsys, ray_session, monkeypatch, caplog):
    """Its training gets the status lost, the others have values; the same command retries it."""
    monkeypatch.setattr(lost_workers, "PAUSES_S", (0.5,))
    path = tmp_path / "deadly"
    path.touch()
    real = job._job_context
    monkeypatch.setattr(job, "_job_context", lambda *args: Deadly(**vars(real(*args)), path=str(path)))
    out = str(tmp_path / "out")
    code, summary = run_tune(capsys, *sweep_command(planted_sweep, out, "--no-winner"))
    assert (code, summary["lost"]) == (3, 1)
    (lost,) = [row for row in rows(out) if row["status"] == "lost"]
    assert (lost["trial"], lost["seed"]) == (1, 0)
    assert "its worker died repeatedly" in lost["error"]
    assert "it will be retried" in caplog.text
    path.unlink()
    code, summary = run_tune(capsys, *sweep_command(planted_sweep, out, "--no-winner"))
    assert (code, summary["lost"]) == (0, 0)
    assert not [row for row in rows(out) if row["status"] == "lost"]


@dataclass(frozen=True)
class Deadly(JobContext):
    """Kills the process that runs configuration 1 with seed 0, as long as a file exists."""

    path: str = ""

    def run(self, task: Task) -> Outcome:
        if (task.job.number, task.job.seed) == (1, 0) and Path(self.path).exists():
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        return super().run(task)


def test_object_storage(planted_sweep, calm, s3_bucket, moto_server, fault_proxy, capsys, ray_session, tmp_path):
    """From bucket to bucket through 503s, resets and lost replies: same rows, and a bounded number of requests."""
    options = StoreOptions(endpoint_url=moto_server.url)
    bucket = open_store(f"s3://{s3_bucket}", options)
    for root, prefix in ((planted_sweep.features, "features/"), (planted_sweep.manifest.rpartition("/")[0], "")):
        store = open_store(root)
        for info in store.list() if prefix else [store.stat("manifest.csv"), store.stat("space.toml")]:
            bucket.create(prefix + info.key, store.read(info.key))
    fault_proxy.add(
        *(Rule(Fault.SLOW_DOWN, method=m, probability=0.05, times=None) for m in ("GET", "PUT", "HEAD")),
        Rule(Fault.RESET, probability=0.02, times=None),
        Rule(Fault.LOST_REPLY, method="PUT", path="trials/", times=4),
    )
    words = [
        "tune", "--features", f"s3://{s3_bucket}/features", "--manifest", f"s3://{s3_bucket}/manifest.csv",
        "--space", f"s3://{s3_bucket}/space.toml", *QUICK, "--no-winner", "--s3-endpoint-url", fault_proxy.url,
    ]  # fmt: skip
    code, _ = run_tune(capsys, *words, "--out", f"s3://{s3_bucket}/out")
    assert code == 0
    (tmp_path / "trials.parquet").write_bytes(bucket.read("out/trials.parquet"))
    assert rows(tmp_path) == rows(calm)


@pytest.mark.parametrize("trials", [1, 12, pytest.param(50, marks=pytest.mark.slow)])
def test_features_are_read_once_per_node(trials, planted_sweep, s3_bucket, moto_server, capsys, tmp_path, monkeypatch):
    """The number of reads is equal for 1 and for 12 trials; every training makes three writes."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # a node without caches
    monkeypatch.setattr("tempfile.tempdir", None)
    bucket = open_store(f"s3://{s3_bucket}", StoreOptions(endpoint_url=moto_server.url))
    store = open_store(planted_sweep.features)
    for info in store.list():
        bucket.create(f"features/{info.key}", store.read(info.key))
    with FaultProxy(moto_server.url) as proxy:
        words = sweep_command(planted_sweep, f"s3://{s3_bucket}/out", "--no-ray", "--no-winner", "--finalists", "0")
        words += ["--features", f"s3://{s3_bucket}/features", "--s3-endpoint-url", proxy.url]
        units: list[str] = []
        puts: list[str] = []
        real = proxy.choose

        def choose(method, path, headers, has_body):
            if has_body is None:
                (units if "features/units" in path else puts if method == "PUT" and "trials/" in path else []).append(
                    path
                )
            return real(method, path, headers, has_body)

        monkeypatch.setattr(proxy, "choose", choose)
        assert run_tune(capsys, *words, "--trials", str(trials), "--seeds", "1")[0] == 0
    units_there = sum(1 for _ in bucket.list("features/units/"))
    # every unit of training and validation videos once, and one unit to determine the shape of the features
    assert len(units) <= units_there + 1
    assert len(puts) == 3 * trials


def test_credentials_are_not_stored(planted_sweep, s3_bucket, moto_server, tmp_path, capsys, ray_session, monkeypatch):
    """Not in any object, nor in Tune's own files, nor in the runtime environment of a trial."""
    from ray.tune.execution import class_cache

    secrets = [value.encode() for name, value in CREDENTIALS.items() if "KEY" in name]
    assert secrets
    kept, environments = tmp_path / "kept", []
    real_get = class_cache._ActorClassCache.get

    def get(self, trainable):
        found = {name: os.environ[name] for name in class_cache.ENV_VARS_TO_PROPAGATE if name in os.environ}
        environments.append(found)
        return real_get(self, trainable)

    class Kept(tempfile.TemporaryDirectory):
        def __init__(self, *args, **kwargs):
            kept.mkdir(exist_ok=True)
            super().__init__(*args, **{**kwargs, "dir": kept})

        def cleanup(self):
            return None

        def __exit__(self, *_):
            self._finalizer.detach()

    monkeypatch.setattr(class_cache._ActorClassCache, "get", get)
    monkeypatch.setattr("wsvad.tuning.on_ray.tempfile.TemporaryDirectory", Kept)
    words = sweep_command(planted_sweep, f"s3://{s3_bucket}/out", "--no-winner", "--s3-endpoint-url", moto_server.url)
    assert run_tune(capsys, *words)[0] == 0
    assert environments
    assert not [name for found in environments for name in found if name.startswith("AWS_")]
    bucket = open_store(f"s3://{s3_bucket}", StoreOptions(endpoint_url=moto_server.url))
    contents = [bucket.read(info.key) for info in bucket.list()]
    files = [p.read_bytes() for p in kept.rglob("*") if p.is_file()]
    assert len(contents) > 24
    assert files, "Tune wrote nothing that could be looked at"
    assert not [secret for secret in secrets for data in (*contents, *files) if secret in data]


def test_metrics_on_rays_dashboard(planted_sweep, tmp_path, capsys, ray_session, monkeypatch):
    """Progress and best value, under the sweep's name."""
    seen: dict[str, list[float]] = {}

    class Recorded:
        def __init__(self, name, description, tag_keys):
            assert (name, tag_keys) == ("wsvad_tune", ("sweep", "figure"))

        def set(self, value, tags):
            assert tags["sweep"] == "out"
            seen.setdefault(tags["figure"], []).append(value)

    monkeypatch.setattr("wsvad.tuning.on_ray.Gauge", Recorded)
    code, _ = run_tune(capsys, *sweep_command(planted_sweep, str(tmp_path / "out"), "--no-winner", "--finalists", "0"))
    assert code == 0
    assert seen["done"] == [float(n) for n in range(1, 9)]
    assert seen["running"][-1] == 0
    best = max(row["value"] for row in rows(tmp_path / "out"))
    assert seen["best"][-1] == best
    assert seen["best"] == sorted(seen["best"])


def test_missing_cores(planted_sweep, tmp_path, capsys, ray_session, caplog):
    """Refused immediately; the message names the available cores."""
    words = sweep_command(planted_sweep, str(tmp_path / "out"), "--cpus-per-trial", "64")
    assert run_tune(capsys, *words)[0] == 2
    assert "no node can hold one" in caplog.text
