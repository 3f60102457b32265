"""Interrupted runs and failing stores: the same command resumes, with the curve of an undisturbed run."""

from __future__ import annotations

import signal

from tests.extraction.harness import finish, start, until
from tests.services.fault_proxy import Fault, Rule
from tests.training.factories import QUICK, plant, planted_records, run_train
from wsvad.errors import AccessDenied
from wsvad.storage import StoreOptions, open_store
from wsvad.storage.local import LocalStore

LONG = ("--steps", "600", "--pairs", "4", "--segments", "8", "--eval-every", "50", "--save-every", "5", "--json")


def test_terminated_and_killed_runs_resume(planted, tmp_path, capsys):
    """SIGTERM, then SIGKILL, then to the end: curve and checkpoint of an undisturbed run, bit for bit."""
    words = (*planted.words, "--model", "sultani", *LONG)
    out = tmp_path / "out"
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        before = len(list(out.glob("tensorboard/*")))
        process = start("train", *words, "--out", str(out), "--no-ray")
        until(lambda least=before + 3: len(list(out.glob("tensorboard/*"))) >= least, timeout=240)
        process.send_signal(number)
        assert finish(process)[0] == code
        assert not (out / "checkpoint").exists()
    code, resumed = run_train(capsys, *words, "--out", str(out))
    assert (code, resumed["steps_done"]) == (0, 600)
    assert resumed["steps_before"] >= 10
    code, calm = run_train(capsys, *words, "--out", str(tmp_path / "calm"))
    assert code == 0
    assert (out / "metrics.csv").read_bytes() == (tmp_path / "calm/metrics.csv").read_bytes()
    assert resumed["checkpoint_digest"] == calm["checkpoint_digest"]
    assert sorted(p.name for p in (out / "tensorboard").iterdir()) == sorted(
        p.name for p in (tmp_path / "calm/tensorboard").iterdir()
    )


def test_faults_of_the_store_change_nothing(planted, s3_bucket, moto_server, fault_proxy, tmp_path, capsys):
    """From bucket to bucket with 503s, resets, lost replies and truncated bodies: the files of a local run."""
    options = StoreOptions(endpoint_url=moto_server.url)
    for root in (planted.features, planted.features.removesuffix("/features")):
        store = open_store(root)
        name = "features/" if root == planted.features else ""
        for info in store.list("manifest" if not name else ""):
            open_store(f"s3://{s3_bucket}", options).create(f"{name}{info.key}", store.read(info.key))
    bucket = ("--features", f"s3://{s3_bucket}/features", "--manifest", f"s3://{s3_bucket}/manifest.csv")
    fault_proxy.add(
        *(Rule(Fault.SLOW_DOWN, method=m, probability=0.1, times=None) for m in ("GET", "PUT", "HEAD")),
        Rule(Fault.RESET, probability=0.05, times=None),
        Rule(Fault.LOST_REPLY, method="PUT", path="out/", times=4),
        Rule(Fault.TRUNCATE, method="GET", path="features/units/", times=2),
    )
    words = ("--model", "sultani", *QUICK)
    code, far = run_train(
        capsys, *bucket, *words, "--out", f"s3://{s3_bucket}/out", "--s3-endpoint-url", fault_proxy.url
    )
    assert code == 0
    code, near = run_train(capsys, *planted.words, *words, "--out", str(tmp_path))
    assert code == 0
    there = {info.key for info in open_store(f"s3://{s3_bucket}/out", options).list()}
    assert there == {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert open_store(f"s3://{s3_bucket}/out", options).read("metrics.csv") == (tmp_path / "metrics.csv").read_bytes()
    assert far["checkpoint_digest"] == near["checkpoint_digest"]


def test_a_planted_signal_is_detected_and_noise_is_not(capsys, tmp_path):
    """Held-out frame AUC: close to 1 for a strong anomaly, about chance level without one."""
    found = {}
    for strength in (0.0, 3.0):
        data = plant(tmp_path / f"{strength}", planted_records(60, 30), strength=strength)
        words = (
            "--model",
            "rtfm",
            "--out",
            str(tmp_path / f"{strength}/out"),
            *QUICK,
            "--steps",
            "60",
            "--report-test",
        )
        assert run_train(capsys, *data.words, *words)[0] == 0
        found[strength] = run_train(capsys, *data.words, *words)[1]["test_frame_auc"]
    assert found[3.0] > 0.95
    assert 0.3 < found[0.0] < 0.7


def test_the_curve_is_whole_after_a_refused_write(planted, tmp_path, capsys, monkeypatch):
    """If the last write of the curve fails, the same command writes it."""
    words = (*planted.words, "--model", "sultani", *QUICK)
    replace, failing = LocalStore.replace, [True]

    def refuse(store, key, data):
        if key == "metrics.csv" and data.count(b"\n") > 12 and failing:
            failing.clear()
            raise AccessDenied("refused")
        replace(store, key, data)

    monkeypatch.setattr(LocalStore, "replace", refuse)
    assert run_train(capsys, *words, "--out", str(tmp_path / "out"))[0] == 4
    assert run_train(capsys, *words, "--out", str(tmp_path / "calm"))[0] == 0
    assert run_train(capsys, *words, "--out", str(tmp_path / "out"))[0] == 0
    assert (tmp_path / "out/metrics.csv").read_bytes() == (tmp_path / "calm/metrics.csv").read_bytes()


def test_states_that_a_killed_run_was_about_to_delete(planted, tmp_path, capsys, monkeypatch):
    """The same command deletes them, and leaves the files of an undisturbed run."""
    words = (*planted.words, "--model", "sultani", *QUICK, "--keep", "1")
    delete, failing = LocalStore.delete, [True]

    def refuse(store, key):
        if key.startswith("state/step-00000010/") and failing:
            failing.clear()
            raise AccessDenied("refused")
        delete(store, key)

    monkeypatch.setattr(LocalStore, "delete", refuse)
    assert run_train(capsys, *words, "--out", str(tmp_path / "out"))[0] == 4
    assert run_train(capsys, *words, "--out", str(tmp_path / "out"))[0] == 0
    assert run_train(capsys, *words, "--out", str(tmp_path / "calm"))[0] == 0
    for out in ("out", "calm"):
        files = (path for path in (tmp_path / out / "state").rglob("*") if path.is_file())
        assert {path.parent.name for path in files} == {"step-00000012"}
