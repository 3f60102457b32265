"""Complete sweeps in this process: results, resuming, refused options, and that test videos are not used."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.tuning.sweeps import plant_sweep, rows, run_tune, sweep_command
from wsvad.checkpoint.folder import read_checkpoint
from wsvad.cli import main
from wsvad.storage import open_store

NO_RAY = ("--no-ray",)


def test_result_files(planted_sweep, swept, tmp_path):
    """A row for every training, scores of validation videos only, the summary, and no training states."""
    found = rows(swept)
    assert [(row["trial"], row["seed"]) for row in found if row["stage"] == "screening"] == [
        (n, s) for n in range(4) for s in range(2)
    ]
    assert {row["status"] for row in found} == {"done"}
    assert all(1e-4 <= row["config.lr"] <= 1e-2 and row["config.weight_decay"] in (0, 0.001, 0.01) for row in found)
    assert all(0 <= row["frame_auc"] <= 1 and row["value"] == row["frame_auc"] for row in found)
    assert sum(row["stage"] == "finals" for row in found) == 4
    scores = pq.read_table(swept / "val_scores.parquet").to_pandas()
    assert set(scores["video_id"]) == {f"v{n:02d}.mp4" for n in range(18, 30)}
    assert len(scores.groupby(["trial", "seed"])) == len(found)
    summary = json.loads((swept / "sweep.json").read_text())["summary"]
    assert summary["naive"] >= summary["corrected"] - 0.2
    assert summary["low"] <= summary["corrected"] <= summary["high"]
    assert not list(swept.glob("trials/*/seed-*/state/*/*"))
    assert b"Sweep of sultani" in (swept / "report.html").read_bytes()
    means = [f["mean"] for f in summary["finalists"]]
    assert means == sorted(means, reverse=True)
    assert summary["best"] == summary["finalists"][0]["trial"]


def test_option_file_reproduces_the_winner(swept, tmp_path):
    """``wsvad train --config best.toml`` gives bit-identical weights."""
    assert main(["train", "--config", str(swept / "best.toml"), "--out", str(tmp_path), "--no-ray"]) == 0
    summary = json.loads((swept / "sweep.json").read_text())["summary"]
    theirs = read_checkpoint(open_store(summary["checkpoint"].rpartition("/")[0]), "checkpoint")
    assert read_checkpoint(open_store(str(tmp_path)), "checkpoint").digest == theirs.digest


def test_winner_scores_like_its_trial(planted_sweep, swept, tmp_path):
    """Scored and evaluated on the command line, the checkpoint has the metrics of its row."""
    summary = json.loads((swept / "sweep.json").read_text())["summary"]
    words = ("--features", planted_sweep.features, "--checkpoint", summary["checkpoint"], "--no-ray")
    assert main(["score", *words, "--out", str(tmp_path / "scores")]) == 0
    words = ("--scores", str(tmp_path / "scores"), "--manifest", planted_sweep.manifest, "--split", "val")
    assert main(["evaluate", *words, "--out", str(tmp_path / "report")]) == 0
    metrics = json.loads((tmp_path / "report/report.json").read_text())["metrics"]
    (row,) = [r for r in rows(swept) if (r["trial"], r["seed"]) == (summary["best"], 1000)]
    for name in ("frame_auc", "frame_ap", "video_auc", "anomalous_auc"):
        assert row[name] == pytest.approx(metrics[name]["value"], abs=1e-9)


def test_rerun_has_nothing_to_do(planted_sweep, swept, capsys):
    """A second run rewrites nothing except heartbeats and the summary."""
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in swept.rglob("*") if p.is_file()}
    code, summary = run_tune(capsys, *sweep_command(planted_sweep, str(swept), *NO_RAY))
    assert (code, summary["nothing_to_do"], summary["done"]) == (0, True, 12)
    new = {p for p in swept.rglob("*") if p.is_file() and before.get(p, (0, b""))[1] != p.read_bytes()}
    assert {p.parent.name for p in new} <= {"drivers"}


def test_missing_result_files_are_rewritten(planted_sweep, swept, tmp_path, capsys):
    """A deleted table or report is rewritten without a training."""
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    for name in ("report.html", "trials.parquet"):
        (out / name).unlink()
        code, summary = run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY))
        assert (code, summary["nothing_to_do"]) == (0, False)
        assert (out / name).stat().st_size
    assert rows(out) == rows(swept)


def test_interrupted_sweep_resumes(planted_sweep, swept, tmp_path, capsys, monkeypatch):
    """Interrupted after any training, it gives the rows of an undisturbed sweep; no training is repeated."""
    from wsvad.tuning import trial

    trained: list[tuple[int, int]] = []
    real = trial.make_trainer
    left: list[int] = []

    def counting(plan, group, device):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        trained.append((plan.config.seed, plan.config.lr))
        return real(plan, group, device)

    monkeypatch.setattr(trial, "make_trainer", counting)
    out = str(tmp_path / "out")
    code = -1
    for allowed in (3, 1, 5, 100):
        left[:] = range(allowed)
        code, _ = run_tune(capsys, *sweep_command(planted_sweep, out, *NO_RAY))
    assert code == 0
    assert len(trained) == len(set(trained)) == 12
    assert rows(out) == rows(swept)


def test_test_videos_are_not_read(planted_sweep, swept, tmp_path, capsys):
    """Without features of the test videos, the sweep gives the same rows, scores and option file."""
    from tests.training.factories import plant
    from tests.tuning.sweeps import SPACE, sweep_records

    (tmp_path / "space.toml").write_text(SPACE)
    # videos are written in order, the test videos last, so the values of the others are the same without them
    short = [r for r in sweep_records() if r.split != "test"]
    data = plant(tmp_path, short, strength=0.7)
    shutil.copy(planted_sweep.manifest, data.manifest)
    code, _ = run_tune(capsys, *sweep_command(data, str(tmp_path / "out"), *NO_RAY))
    assert code == 0
    assert rows(tmp_path / "out") == rows(swept)
    for name in ("val_scores.parquet",):
        assert (tmp_path / "out" / name).read_bytes() == (swept / name).read_bytes()


def test_saved_states_do_not_change_results(planted_sweep, tmp_path, capsys):
    """Saving at every step and halving: resumed trainings equal uninterrupted ones."""
    plain, halved = str(tmp_path / "plain"), str(tmp_path / "halved")
    assert run_tune(capsys, *sweep_command(planted_sweep, plain, *NO_RAY, "--no-winner"))[0] == 0
    words = sweep_command(planted_sweep, halved, *NO_RAY, "--no-winner", "--halving", "2", "--save-every", "1")
    assert run_tune(capsys, *words)[0] == 0
    known = {(r["trial"], r["seed"]): r for r in rows(plain)}
    found = rows(halved)
    assert {row["status"] for row in found} == {"done", "stopped"}
    for row in found:
        if row["status"] == "done" and (row["trial"], row["seed"]) in known:
            assert row == known[row["trial"], row["seed"]]
    assert not list(Path(halved).glob("trials/*/seed-*/state/*/*"))


def test_trainings_of_one_step(planted_sweep, tmp_path, capsys):
    """Every rung is the whole training, and the values equal those without halving."""
    plain, halved = str(tmp_path / "plain"), str(tmp_path / "halved")
    words = (*NO_RAY, "--no-winner", "--steps", "1")
    assert run_tune(capsys, *sweep_command(planted_sweep, plain, *words))[0] == 0
    code, summary = run_tune(capsys, *sweep_command(planted_sweep, halved, *words, "--halving", "2"))
    assert code == 0
    assert summary["corrected"] is not None
    known = {(r["trial"], r["seed"]): r["value"] for r in rows(plain)}
    assert all(row["value"] == known[row["trial"], row["seed"]] for row in rows(halved) if row["stage"] == "screening")


def test_diverged_and_failed_trials_are_rows(planted_sweep, tmp_path, capsys, monkeypatch):
    """The sweep continues; a failure gives exit code 3, a divergence is a regular result."""
    from wsvad.tuning import trial

    real = trial.make_trainer

    def failing(plan, group, device):
        if plan.config.seed == 0 and plan.config.weight_decay == 0.001:
            raise RuntimeError("a planted fault")
        made = real(plan, group, device)
        if plan.config.seed == 1 and plan.config.weight_decay == 0:
            for parameter in made.model.parameters():
                parameter.data.fill_(math.nan)
        return made

    monkeypatch.setattr(trial, "make_trainer", failing)
    out = str(tmp_path / "out")
    code, summary = run_tune(capsys, *sweep_command(planted_sweep, out, *NO_RAY, "--trials", "8"))
    found = rows(out)
    bad = {row["status"]: row for row in found if row["status"] != "done"}
    assert "a planted fault" in bad["failed"]["error"]
    assert "not finite" in bad["diverged"]["error"]
    assert code == 3
    assert summary["failed"] == sum(row["status"] == "failed" for row in found) > 0
    assert summary["diverged"] == sum(row["status"] == "diverged" for row in found) > 0
    early = sum(row["seed"] == 0 and row["status"] != "done" for row in found)
    assert len(found) == 16 - early + 4  # trials without a value for the first seed are not trained with the next


def test_no_trial_has_a_value(planted_sweep, tmp_path, capsys, monkeypatch, caplog):
    """The error message contains the first error."""
    from wsvad.tuning import trial

    def failing(plan, group, device):
        raise MemoryError

    monkeypatch.setattr(trial, "make_trainer", failing)
    assert run_tune(capsys, *sweep_command(planted_sweep, str(tmp_path / "out"), *NO_RAY))[0] == 2
    assert "none of 4 trainings gave a value; the first error: out of memory" in caplog.text


def test_extend(planted_sweep, swept, tmp_path, capsys, caplog):
    """More trials require --extend; existing trials keep their configurations and are not trained again."""
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    more = ("--trials", "7")
    assert run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY, *more))[0] == 5
    assert "--extend" in caplog.text
    code, summary = run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY, *more, "--extend"))
    assert (code, summary["begun"]) == (0, 7)
    before = {(r["trial"], r["seed"]): r for r in rows(swept) if r["stage"] == "screening"}
    after = {(r["trial"], r["seed"]): r for r in rows(out) if r["stage"] == "screening"}
    assert len(after) == 14
    assert {key: after[key] for key in before} == before
    calm = tmp_path / "calm"
    assert run_tune(capsys, *sweep_command(planted_sweep, str(calm), *NO_RAY, *more))[0] == 0
    fresh = {(r["trial"], r["seed"]): r for r in rows(calm)}
    assert all(fresh.get((r["trial"], r["seed"]), r) == r for r in rows(out))
    assert run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY, "--extend"))[0] == 2
    assert "cannot reduce numbers" in caplog.text


def test_warm_start(planted_sweep, swept, tmp_path, capsys, caplog):
    """Configurations of an earlier sweep come first, with results; other videos or metrics are refused."""
    out = tmp_path / "out"
    words = sweep_command(planted_sweep, str(out), *NO_RAY, "--from", str(swept), "--trials", "6", "--sweep-seed", "3")
    code, summary = run_tune(capsys, *words)
    assert (code, summary["begun"]) == (0, 6)
    theirs = sorted((r["config.lr"], r["seed"], r["value"]) for r in rows(swept) if r["stage"] == "screening")
    mine = {(r["config.lr"], r["seed"], r["value"]) for r in rows(out)}
    assert set(theirs) <= mine
    sources = [json.loads(p.read_text())["source"] for p in sorted(out.glob("trials/*/config.json"))]
    assert all(source.startswith("from ") for source in sources[:4])
    assert sources[4:] == ["sobol", "sobol"]
    other = tmp_path / "other"
    words = sweep_command(planted_sweep, str(other), *NO_RAY, "--from", str(swept), "--metric", "video_auc")
    assert run_tune(capsys, *words)[0] == 2
    assert "its results are not comparable (metric.name" in caplog.text


def test_interrupted_warm_start(planted_sweep, swept, tmp_path, capsys, monkeypatch):
    """The copy is resumed: all trials of the earlier sweep exist, and none is trained."""
    from wsvad.tuning import warm_start

    real, copied = warm_start._copy, []

    def copy(*args):
        if len(copied) == 2:
            raise KeyboardInterrupt
        copied.append(args[5])
        real(*args)

    out = tmp_path / "out"
    words = sweep_command(planted_sweep, str(out), *NO_RAY, "--from", str(swept), "--no-winner", "--finalists", "0")
    with monkeypatch.context() as patch:
        patch.setattr(warm_start, "_copy", copy)
        assert run_tune(capsys, *words)[0] == 130
    assert len(list(out.glob("trials/*/config.json"))) == 2
    assert run_tune(capsys, *words)[0] == 0
    sources = [json.loads(p.read_text())["source"] for p in out.glob("trials/*/config.json")]
    assert len(sources) == 4
    assert all(source.startswith("from ") for source in sources)
    assert sorted(r["value"] for r in rows(out)) == sorted(r["value"] for r in rows(swept) if r["stage"] == "screening")


def test_test_videos_are_used_once(planted_sweep, swept, tmp_path, capsys, caplog):
    """They are used only with --final; the record is kept, and another winner is not measured."""
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    code, summary = run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY, "--final"))
    assert code == 0
    assert 0 <= summary["test"]["frame_auc"] <= 1
    record = (out / "final.json").read_bytes()
    code, again = run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY, "--final"))
    assert (code, again["test"]) == (0, summary["test"])
    assert (out / "final.json").read_bytes() == record
    from wsvad.dataset.sealed import seal

    (out / "final.json").write_bytes(seal({"trial": 77, "checkpoint": "", "figures": {}}))
    assert run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY, "--final"))[0] == 5
    assert "can be used only once" in caplog.text


def test_time_limit(planted_sweep, tmp_path, capsys):
    """After the time limit, the finals use the trials begun so far; the next run has nothing to do."""
    out = str(tmp_path / "out")
    words = [*sweep_command(planted_sweep, out, *NO_RAY), "--hours", "0.0003", "--trials", "5000"]
    code, summary = run_tune(capsys, *words)
    assert code == 0
    assert 0 < summary["begun"] < 5000
    assert len(summary["finalists"]) == min(2, summary["begun"])
    code, again = run_tune(capsys, *words)
    assert (code, again["nothing_to_do"], again["begun"]) == (0, True, summary["begun"])
    longer = [*sweep_command(planted_sweep, out, *NO_RAY), "--hours", "0.002", "--trials", "5000", "--extend"]
    code, more = run_tune(capsys, *longer)
    assert code == 0
    assert summary["begun"] < more["begun"] < 5000


def test_grid(planted_sweep, tmp_path, capsys, caplog):
    """Every combination occurs once; another number of trials is refused."""
    (tmp_path / "space.toml").write_text(
        'model = "sultani"\ntraining = { steps = 4, pairs = 4, segments = 8 }\n'
        "[search]\nlr = [1e-3, 1e-4]\nsparsity_weight = { low = 1e-6, high = 1e-4, log = true }\n"
    )
    base = ["tune", *planted_sweep.words, "--space", str(tmp_path / "space.toml"), "--json", "--search", "grid"]
    words = [*base, "--grid-points", "3", "--seeds", "1", "--finalists", "0", *NO_RAY, "--no-winner"]
    code, summary = run_tune(capsys, *words, "--out", str(tmp_path / "out"))
    assert (code, summary["begun"], summary["finalists"]) == (0, 6, [])
    pairs = {(r["config.lr"], r["config.sparsity_weight"]) for r in rows(tmp_path / "out")}
    assert pairs == {(lr, s) for lr in (1e-3, 1e-4) for s in (1e-6, 1e-5, 1e-4)}
    assert "but not in the seed" in summary["note"]
    assert run_tune(capsys, *words, "--trials", "5", "--out", str(tmp_path / "b"))[0] == 2
    assert "the grid has 6 configurations" in caplog.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--metric", "frame_acu"), "did you mean"),
        (("--metric", "region_auc"), "undefined on the validation videos"),
        (("--space", "ltgs-papr"), "did you mean"),
        (("--lr", "0.1"), "lr is varied by the search space"),
        (("--set", "sparsity_weight=0.1"), "sparsity_weight is varied"),
        (("--eval-every", "3"), "eval_every cannot be used"),
        (("--halving", "1"), "halving keeps 1 of ETA"),
        (("--resamples", "7"), "resamples must be"),
        (("--trials", "70000"), "at most 65536 trials"),
        (("--extend",), "no sweep"),
        (("--final", "--no-winner"), "--final measures"),
        (("--concurrent", "2"), "omit --concurrent"),
        (("--from", "nowhere"), "there is no sweep"),
    ],
)
def test_refused_before_any_work(planted_sweep, tmp_path, capsys, caplog, words, message):
    """Each message names the problem, and nothing is trained."""
    out = tmp_path / "out"
    code, _ = run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY), *words)
    assert code == 2
    assert message in caplog.text
    assert not list(out.glob("trials/*"))


def test_unsuitable_validation_videos(planted_sweep, tmp_path, capsys, caplog):
    """No validation videos, or all of one class: refused before any work."""
    from dataclasses import replace

    from wsvad.manifest.records import read_records, write_records

    records = read_records(planted_sweep.manifest)
    one = [replace(r, split=None) if r.split == "val" and r.label else r for r in records]
    none = [replace(r, split=None) if r.split == "val" else r for r in records]
    for name, kept, more in (("one.csv", one, ()), ("none.csv", none, ("--val-fraction", "0"))):
        write_records(str(tmp_path / name), kept)
        words = sweep_command(planted_sweep, str(tmp_path / "out"), *NO_RAY, "--manifest", str(tmp_path / name), *more)
        assert run_tune(capsys, *words)[0] == 2
    assert "all have the same class" in caplog.text
    assert "there are none" in caplog.text


def test_other_sweep_is_not_changed(planted_sweep, swept, tmp_path, capsys, caplog):
    """Other data, metric or space at the same --out is refused, and nothing changes."""
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    before = _digest(out)
    code, _ = run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY, "--metric", "video_auc"))
    assert code == 5
    assert "other options or data" in caplog.text
    data = plant_sweep(tmp_path, strength=1.0)
    assert run_tune(capsys, *sweep_command(data, str(out), *NO_RAY))[0] == 5
    assert _digest(out) == before


def test_damaged_result_is_reported(planted_sweep, swept, tmp_path, capsys, caplog):
    """A flipped bit is detected; after deletion the training is repeated."""
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    victim = next(iter(sorted(out.glob("trials/*/seed-0/step-*.json"))))
    victim.write_bytes(victim.read_bytes().replace(b'"steps": 12', b'"steps": 13'))
    assert run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY))[0] == 5
    assert "delete it, and run the same command again" in caplog.text
    victim.unlink()
    assert run_tune(capsys, *sweep_command(planted_sweep, str(out), *NO_RAY))[0] == 0
    assert rows(out) == rows(swept)


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


def test_tpe(planted_sweep, tmp_path, capsys, monkeypatch, caplog):
    """Optuna receives every result, also in the next run, and none of its trials stays running."""
    import optuna

    studies = []
    real = optuna.create_study
    monkeypatch.setattr(optuna, "create_study", lambda **kw: studies.append(real(**kw)) or studies[-1])
    (tmp_path / "space.toml").write_text(
        'model = "ltgs"\nset = { heads = 1, fusion_dim = 8 }\ntraining = { steps = 3, pairs = 4 }\n'
        "[search]\ndynamic_labels = [true, false]\n"
        "label_alpha = { low = 0.5, high = 0.9, when = { dynamic_labels = true } }\n"
        "k = [2, 3]\nlr = { low = 1e-4, high = 1e-2, log = true }\nsegments = { low = 4, high = 8, whole = true }\n"
    )
    out = str(tmp_path / "out")
    words = sweep_command(planted_sweep, out, *NO_RAY, "--no-winner", "--finalists", "0", "--search", "tpe")
    words += ["--space", str(tmp_path / "space.toml"), "--seeds", "1"]
    assert run_tune(capsys, *words, "--trials", "6")[0] == 0
    assert run_tune(capsys, *words, "--trials", "14", "--extend")[0] == 0
    first, second = studies
    states = optuna.trial.TrialState
    assert [trial.state for trial in first.trials] == [states.COMPLETE] * 6
    assert [trial.state for trial in second.trials] == [states.COMPLETE] * 14
    found = rows(out)
    assert sorted(trial.value for trial in second.trials) == sorted(row["value"] for row in found)
    assert all((row["config.label_alpha"] is None) == (not row["config.dynamic_labels"]) for row in found)
