"""The whole command, in this process."""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.features.factories import CONFIG, random_videos, write_features
from tests.training.factories import QUICK, Planted, plant, planted_records, run_train
from wsvad.checkpoint import load_checkpoint
from wsvad.manifest.records import write_records


@pytest.fixture(scope="module")
def finished(planted, tmp_path_factory) -> Path:
    """A finished run of RTFM."""
    from wsvad.cli import main

    out = tmp_path_factory.mktemp("finished") / "out"
    code = main(["train", *planted.words, "--model", "rtfm", "--out", str(out), *QUICK, "--no-ray", "--report-test"])
    assert code == 0
    return out


def test_the_files_of_a_run(planted, finished):
    """Checkpoint, curve of all steps, events, record, two states, and a model card."""
    assert {p.name for p in finished.iterdir() if p.name != ".tmp"} == {
        *("checkpoint", "metrics.csv", "run.json", "state", "tensorboard", "training.json")
    }
    rows = list(csv.DictReader((finished / "metrics.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    assert [int(row["step"]) for row in rows if row["val_auc"]] == [4, 8, 12]
    assert len(list((finished / "tensorboard").iterdir())) == 3
    record = json.loads((finished / "run.json").read_text())
    summary = record["summary"]
    checkpoint = load_checkpoint(str(finished / "checkpoint"))
    assert checkpoint.digest == summary["checkpoint_digest"]
    assert checkpoint.training["step"] == summary["selected_step"]
    assert checkpoint.training["selection"]["val_auc"] == summary["val_auc"]
    assert checkpoint.features_fingerprint == CONFIG.fingerprint
    assert len(checkpoint.training_ids) == 18
    assert checkpoint.training["best_on_test"]["used_to_select"] is False
    best = max(float(row["test_auc"]) for row in rows if row["test_auc"])
    assert summary["best_on_test_frame_auc"] == best
    assert record["versions"]["torch"]
    assert "untrained network" in (finished / "checkpoint/README.md").read_text()


def test_second_run_has_nothing_to_do(planted, finished, capsys):
    """It changes nothing and has the same summary; a deleted checkpoint is restored identically."""
    words = (*planted.words, "--model", "rtfm", "--out", str(finished), *QUICK, "--report-test")
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file()}
    code, summary = run_train(capsys, *words)
    assert (code, summary["nothing_to_do"], summary["steps_done"]) == (0, True, 12)
    assert before == {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file()}
    (finished / "checkpoint/config.json").unlink()
    code, again = run_train(capsys, *words)
    assert (code, again["nothing_to_do"], again["checkpoint_digest"]) == (0, False, summary["checkpoint_digest"])


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        (("--lr", "0.5"), "training.lr: there 0.001, here 0.5"),
        (("--model", "sultani"), "model.name: there 'rtfm', here 'sultani'"),
        (("--seed", "1"), "training.seed"),
        ((), "reported_test"),
    ],
)
def test_other_options_at_the_same_target_are_a_conflict(planted, finished, capsys, caplog, more, difference):
    """Exit code 5 and the differences; nothing is changed."""
    report = () if not more else ("--report-test",)
    words = (*planted.words, "--model", "rtfm", "--out", str(finished), *QUICK, *report, *more)
    assert run_train(capsys, *words)[0] == 5
    assert difference in caplog.text


def test_other_features_at_the_same_target_are_a_conflict(planted, finished, capsys, caplog, tmp_path):
    """A resumed run must not change its features; the message has the fingerprint."""
    records = planted_records()
    other = plant(tmp_path, records, config=replace(CONFIG, geometry="center"))
    code, _ = run_train(capsys, *other.words, "--model", "rtfm", "--out", str(finished), *QUICK, "--report-test")
    assert code == 5
    assert "features.fingerprint" in caplog.text


def test_a_data_set_is_refused_as_target(planted, capsys, caplog):
    """Especially that of the features."""
    code, _ = run_train(capsys, *planted.words, "--model", "rtfm", "--out", planted.features, *QUICK)
    assert code == 5
    assert "holds a data set, not a training run" in caplog.text


def test_nothing_of_the_test_reaches_a_checkpoint(planted, capsys, tmp_path):
    """Features, labels and annotations of the test videos, reported or not, have no effect on any weight."""
    records = [
        replace(r, label=1 - r.label, spans=((0, 20),) if r.label == 0 else ()) if r.split == "test" else r
        for r in planted_records()
    ]
    other = plant(tmp_path / "other", records, strength=2.0)
    found = []
    for number, (data, more) in enumerate([(planted, ["--report-test"]), (planted, []), (other, ["--report-test"])]):
        out = tmp_path / str(number)
        words = (*data.words, "--model", "rtfm", "--out", str(out), *QUICK, *more)
        assert run_train(capsys, *words)[0] == 0
        found.append(load_checkpoint(str(out / "checkpoint")))
    assert found[0].training["best_on_test"] != found[2].training["best_on_test"]
    for checkpoint in found[1:]:
        assert checkpoint.training["step"] == found[0].training["step"]
        assert all(torch.equal(tensor, found[0].state[name]) for name, tensor in checkpoint.state.items())


def test_dry_run_writes_nothing(planted, capsys, tmp_path):
    """It states what there is to do."""
    code, summary = run_train(
        capsys, *planted.words, "--model", "st_mil", "--out", str(tmp_path / "out"), *QUICK, "--dry-run"
    )
    assert (code, summary["dry_run"], summary["steps"], summary["steps_done"]) == (0, True, 12, 0)
    assert (summary["train_anomalous"], summary["val_anomalous"], summary["val_is_cut"]) == (8, 1, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("model", ["sultani", "st_mil", "ltgs", "st_ltgs", "ur_dmu", "bn_wvad", "mgfn"])
def test_every_model_trains(planted, capsys, tmp_path, model):
    """Pooled features and cuboids, with and without soft labels, and an option file."""
    small = {
        "ltgs": ["heads=2", "head_dim=4", "fusion_dim=16", "label_period=5"],
        "st_mil": ["dropout=0.1"],
        "mgfn": ["third_dim=64"],
    }.get(model, [])
    config = tmp_path / "options.toml"
    config.write_text(f"set = {json.dumps(small)}\nsteps = 99\nallow-missing = true\n")
    words = (*planted.words, "--model", model, "--out", str(tmp_path / "out"), "--config", str(config), *QUICK)
    code, summary = run_train(capsys, *words)
    assert (code, summary["steps_done"], summary["selected_by"]) == (0, 12, "validation videos")
    checkpoint = load_checkpoint(str(tmp_path / "out/checkpoint"))
    for word in small:
        key, _, value = word.partition("=")
        assert str(checkpoint.model_config.to_dict()[key]) == value


def test_without_validation_videos_the_last_step_is_kept(planted, capsys, tmp_path):
    """Summary and model card state the reason."""
    words = (*planted.words, "--model", "sultani", "--out", str(tmp_path), *QUICK, "--val-fraction", "0")
    code, summary = run_train(capsys, *words)
    assert (code, summary["selected_step"], summary["val_auc"]) == (0, 12, None)
    assert summary["selected_by"] == "last step: there are no validation videos"
    assert summary["selected_by"] in (tmp_path / "checkpoint/README.md").read_text()


def test_videos_with_one_clip_are_trained(capsys, tmp_path):
    """They have fewer clips than segments, and fewer than the top k."""
    records = [replace(r, num_frames=16, spans=None) for r in planted_records() if r.split == "train"]
    pooled, _ = random_videos({r.video_id: 1 for r in records})
    write_records(str(tmp_path / "m.csv"), records)
    data = Planted(write_features(tmp_path / "features", pooled), str(tmp_path / "m.csv"))
    words = ("--model", "ltgs", "--set", "heads=2", "--set", "head_dim=4", "--segments", "2", "--set", "k=3")
    code, summary = run_train(capsys, *data.words, *words, "--out", str(tmp_path / "out"), *QUICK[:4], "--json")
    assert code == 0
    assert summary["steps_done"] == 12


def test_features_without_clips_are_refused(planted, capsys, caplog, tmp_path):
    """If no video of the snapshot has clips: exit code 2, and nothing is written."""
    records = planted_records()
    empty = write_features(tmp_path / "empty", {r.video_id: np.zeros((0, 1, 8), np.float16) for r in records})
    words = ("--features", empty, "--manifest", planted.manifest, "--model", "rtfm", "--out", str(tmp_path / "out"))
    assert run_train(capsys, *words, *QUICK)[0] == 2
    assert empty in caplog.text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--model", "rtfm", "--set", "depth=3"), 2, "has no setting 'depth'"),
        (("--model", "rtfm", "--preset", "fast"), 2, "preset must be one of"),
        (("--model", "rtfm", "--features", "{tmp}"), 2, "is no data set"),
        (("--model", "rtfm", "--manifest", "{tmp}/none.csv"), 2, "none.csv"),
        (("--model", "st_mil", "--features", "{plain}"), 2, "has no cuboids"),
        (("--model", "rtfm", "--val-fraction", "1.5"), 2, "val_fraction must be"),
        (("--model", "rtfm", "--lr", "1e30", "--set", "dropout=0"), 2, "is not finite at step"),
        (("--model", "rtfm", "--workers", "2"), 2, "leave out --workers"),
        (("--model", "rtfm", "--address", "auto"), 2, "leave out --address"),
        ((), 2, "missing option: --model"),
    ],
)
def test_invalid_options_are_refused(planted, tmp_path, capsys, caplog, words, code, message):
    """Exit codes and messages."""
    plain = plant(tmp_path / "plain", planted_records()).features if "{plain}" in words else ""
    words = tuple(w.format(tmp=tmp_path, plain=plain) for w in words)
    found, _ = run_train(capsys, *planted.words, "--out", str(tmp_path / "out"), *QUICK, *words)
    assert found == code, caplog.text
    assert message in caplog.text


def test_missing_videos_are_skipped_if_allowed(planted, capsys, tmp_path, caplog):
    """Otherwise they are refused by name."""
    records = [*planted_records(), replace(planted_records()[0], video_id="gone.mp4", uri="gone.mp4")]
    write_records(str(tmp_path / "m.csv"), records)
    words = ("--features", planted.features, "--manifest", str(tmp_path / "m.csv"), "--model", "sultani", *QUICK)
    assert run_train(capsys, *words, "--out", str(tmp_path / "out"))[0] == 2
    assert "gone.mp4" in caplog.text
    code, summary = run_train(capsys, *words, "--out", str(tmp_path / "out"), "--allow-missing")
    assert (code, summary["missing"]) == (0, 1)


def test_seeds_of_a_comparison_select_on_the_same_videos(planted, tmp_path, capsys, caplog):
    """The choice of validation videos has its own seed; with its default the claim is that of earlier versions."""
    words = (*planted.words, "--model", "sultani", *QUICK, "--no-ray")

    def cut(*more: str) -> str:
        out = tmp_path / "-".join(more or ("plain",))
        assert run_train(capsys, *words, *more, "--out", str(out))[0] == 0
        claim = json.loads((out / "training.json").read_text())
        assert ("val_seed" in claim["training"]) == ("--val-seed" in more)
        return str(claim["videos"]["digest"])

    assert cut() == cut("--seed", "1") != cut("--val-seed", "3")
    assert run_train(capsys, *words, "--val-seed", "3", "--out", str(tmp_path / "plain"))[0] == 5
    assert "training.val_seed: there 0, here 3" in caplog.text


@pytest.mark.parametrize(("cores", "threads"), [("0.5", 1), ("1e6", os.cpu_count())])
def test_threads_are_limited_to_the_cores(planted, tmp_path, capsys, monkeypatch, cores, threads):
    """Ray may place several workers on a core; there is at least one thread."""
    asked = []
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    words = (*planted.words, "--model", "sultani", *QUICK, "--no-ray", "--cpus-per-worker", cores)
    assert run_train(capsys, *words, "--out", str(tmp_path / "out"))[0] == 0
    assert asked == [threads]


def test_states_of_a_finished_run_can_be_deleted(planted, tmp_path, capsys):
    """Also later, by the same command; the rest verifies, and nothing is trained again."""
    from wsvad.cli import main

    words = (*planted.words, "--model", "sultani", *QUICK, "--no-ray", "--out", str(tmp_path))
    assert run_train(capsys, *words)[0] == 0
    assert list(tmp_path.glob("state/*/state.json"))
    _, summary = run_train(capsys, *words, "--drop-states")
    assert summary["nothing_to_do"]
    assert not list(tmp_path.glob("state/*/*"))
    assert main(["verify", "--out", str(tmp_path)]) == 0
    _, summary = run_train(capsys, *words)
    assert summary["nothing_to_do"]


def test_a_caller_gets_every_row(planted, tmp_path):
    """In order; an exception of the callback ends training, and the next call resumes it."""
    from wsvad.training.job import train
    from wsvad.training.options import TrainOptions

    rows: list[float] = []

    class EnoughError(Exception):
        pass

    def take(row):
        rows.append(row["step"])
        if len(rows) == 7:
            raise EnoughError

    training = {"steps": 12, "pairs": 2, "segments": 4, "save_every": 5, "eval_every": 4}
    options = TrainOptions(
        planted.features, planted.manifest, "sultani", str(tmp_path / "out"), training=training, use_ray=False
    )
    with pytest.raises(EnoughError):
        train(options, on_row=take)
    assert train(options, on_row=take).steps_done == 12
    assert rows == [*range(1, 8), *range(6, 13)]


def test_a_small_training_starts_no_ray(planted, tmp_path, monkeypatch, caplog):
    """Without workers, a cluster or a GPU; the log says where it trains and why."""
    from wsvad.cli import main

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("wsvad.work.backend._is_connected", lambda: False)
    monkeypatch.setattr("wsvad.training.job.cuda_devices", lambda: 0)
    monkeypatch.setattr("wsvad.training.on_ray.connected", None)  # fails if it is called
    words = ("train", *planted.words, "--model", "sultani", *QUICK, "--out", str(tmp_path / "out"))
    assert main(words) == 0
    assert "training in this process (one worker without a GPU)" in caplog.text


def test_the_cache_folder_is_relative_to_the_command(planted, tmp_path, monkeypatch):
    """Workers of Ray have other working directories, so they get an absolute path, as for ``--out``."""
    from wsvad.training import job
    from wsvad.training.options import TrainOptions

    class SeenError(Exception):
        pass

    def seen(options, plan, on_row):
        raise SeenError(plan.cache_folder)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job, "_run", seen)
    options = TrainOptions(planted.features, planted.manifest, "sultani", "out", cache_folder="cache")
    with pytest.raises(SeenError, match=f"^{re.escape(str(tmp_path / 'cache'))}$"):
        job.train(options)
