"""Comparisons: their runs, their table, and a second call."""

import csv
import io
import json
import logging
import statistics
from dataclasses import replace

import pytest
from rich.console import Console

from tests.features.factories import random_videos, write_features
from tests.training.factories import QUICK, plant, planted_records
from wsvad.checkpoint import load_checkpoint
from wsvad.cli import main
from wsvad.dataset.snapshots import latest_snapshot
from wsvad.errors import StorageError, UsageError
from wsvad.experiments.job import CompareSummary, table_notes
from wsvad.experiments.log_prefix import log_prefix
from wsvad.experiments.options import CompareOptions
from wsvad.experiments.rows import parse_rows, read_rows
from wsvad.experiments.table import BEST_ON_TEST, Spread, as_markdown
from wsvad.manifest.records import write_records
from wsvad.metrics.samples import FEW
from wsvad.models.registry import MODELS
from wsvad.storage import open_store
from wsvad.storage.local import LocalStore

TRAINING = [word for word in QUICK if word not in ("--save-every", "5", "--json")]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A data set with annotated test videos."""
    return plant(tmp_path_factory.mktemp("planted"), planted_records(), cuboids=True)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("all", list(MODELS)),
        ("ltgs, ltgs:no_decay", ["ltgs", "ltgs:no_decay"]),
        ("sultani:paper", ["sultani"]),
    ],
)
def test_models_are_named_with_their_presets(text, names):
    """In the given order."""
    assert [row.name for row in parse_rows(text)] == names


@pytest.mark.parametrize(
    ("text", "said"),
    [("resnet", "model must be"), ("ltgs:nope", "has the presets"), ("ltgs,ltgs", "twice"), (" ,", "no model")],
)
def test_unknown_models_are_refused(text, said):
    """The message lists the known ones."""
    with pytest.raises(UsageError, match=said):
        parse_rows(text)


def test_a_spread_is_mean_and_sample_deviation():
    """Undefined values are ignored."""
    spread = Spread.of([0.5, None, 0.7])
    assert (spread.mean, spread.std) == (pytest.approx(0.6), pytest.approx(statistics.stdev([0.5, 0.7])))
    assert [s.text() for s in (spread, Spread.of([0.25]), Spread.of([None]))] == ["0.600 ± 0.141", "0.250", "–"]


def test_a_table_has_the_metrics_that_any_model_has():
    """One column per row of the comparison; a dash if it has no value."""
    rows = {"sultani": {"test": {"frame_auc": Spread.of([0.5])}}, "st_mil": {"test": {"region_auc": Spread.of([1])}}}
    assert as_markdown(rows).splitlines() == [
        "| model | frame AUC | region AUC |",
        "|---|---|---|",
        "| sultani | 0.500 | – |",
        "| st_mil | – | 1.000 |",
    ]


def test_the_table_agrees_with_the_reports(planted, tmp_path, capsys):
    """Every metric is in the report of its run; a second call trains nothing."""
    out = tmp_path / "out"
    words = ["compare", *planted.words, "--out", str(out), "--models", "sultani,st_mil", "--seeds", "2", *TRAINING]
    assert main([*words, "--no-ray", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    for name, row in rows.items():
        reports = [json.loads((out / f"runs/{name}-paper/seed-{s}/report/report.json").read_text()) for s in (0, 1)]
        for metric in ("frame_auc", "video_auc"):
            values = [report["metrics"][metric]["value"] for report in reports]
            assert row[metric]["values"] == values
            assert row[metric]["mean"] == pytest.approx(statistics.fmean(values))
    with (out / "figures.csv").open(newline="") as file:
        found = {(r["model"], r["split"], r["metric"], int(r["seed"])): r["value"] for r in csv.DictReader(file)}
    assert float(found["st_mil", "test", "frame_auc", 1]) == rows["st_mil"]["frame_auc"]["values"][1]
    last, features = (out / "table.md").read_text().splitlines()[-2:]
    assert last.startswith("Split `test`, 2 seeds: ")
    assert "Best-on-test frame AUC: " in last
    assert features.startswith(f"Features {planted.features}: ")
    assert features.endswith("squash, fp32.")
    trained = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    assert len(trained) >= 4
    assert main([*words, "--no-ray", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == rows
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == trained
    assert main([*words, "--no-ray", "--lr", "0.5"]) == 5, "other options need another --out"


def test_a_unit_that_cannot_be_stored_ends_a_comparison_with_code_4(planted, tmp_path, monkeypatch, caplog):
    """No table is made from the scores of the other videos; the same command again completes it."""
    create, refused = LocalStore.create, set()

    def refuse_one(store, key, data):
        if key.startswith("units/") and (not refused or key in refused):
            refused.add(key)
            raise StorageError("no space left on device")
        return create(store, key, data)

    words = ["compare", *planted.words, "--out", str(tmp_path / "out"), "--models", "sultani", "--seeds", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "create", refuse_one)
        assert main([*words, *TRAINING, "--no-ray"]) == 4
    assert "sultani seed 0: 1 units could not be scored; run the same command again" in caplog.text
    assert not (tmp_path / "out" / "table.md").exists()
    assert main([*words, *TRAINING, "--no-ray"]) == 0
    assert (tmp_path / "out" / "table.md").exists()


def test_damaged_features_of_a_video_outside_the_manifest_end_a_comparison_with_code_5(tmp_path, caplog):
    """Scoring reads every video; another run would not help."""
    planted = plant(tmp_path, planted_records())
    write_records(planted.manifest, [r for r in planted_records() if r.video_id != "v05.mp4"])
    store = open_store(planted.features)
    (unit,) = (o for o in latest_snapshot(store).objects if o.video_id == "v05.mp4")
    store.replace(unit.key, b"damaged")
    words = ["compare", *planted.words, "--out", str(tmp_path / "out"), "--models", "sultani", "--seeds", "1"]
    assert main([*words, *TRAINING, "--no-ray"]) == 5
    assert "features of 1 videos are missing or damaged; run `wsvad verify` on" in caplog.text


def test_notes_below_the_table(planted, tmp_path):
    """What best-on-test means, where the table has it; a warning about a video AUC over few videos of a class."""
    options = CompareOptions(planted.features, planted.manifest, "out", parse_rows("sultani"))
    best, auc = {"best_on_test_frame_auc": Spread.of([0.7])}, {"video_auc": Spread.of([1.0])}
    assert table_notes(options, {"sultani": {"test": best}}) == (BEST_ON_TEST,)
    test = [r for r in planted_records() if r.split == "test"]
    counts = [sum(r.label == label for r in test) for label in (1, 0)]
    assert min(counts) < FEW
    (note,) = table_notes(options, {"sultani": {"test": auc}})
    assert note == f"Video AUC on split test: only {counts[0]} anomalous and {counts[1]} normal, so this may be chance."
    more = [replace(r, video_id=f"{n}/{r.video_id}", uri=f"{n}/{r.uri}") for n in range(FEW) for r in test]
    write_records(str(tmp_path / "more.csv"), more)
    assert table_notes(replace(options, manifest=str(tmp_path / "more.csv")), {"sultani": {"test": auc}}) == ()
    out = io.StringIO()
    CompareSummary("out", 1, {"sultani": {"test": best}}, 1, notes=(BEST_ON_TEST,)).show(Console(file=out))
    assert BEST_ON_TEST in out.getvalue()


def test_data_that_cannot_be_evaluated_is_refused_before_training(planted, tmp_path, capsys, caplog):
    """A split without videos, and test videos that are also training videos."""
    words = ["compare", "--features", planted.features, "--models", "sultani", "--seeds", "1", *TRAINING, "--no-ray"]
    out = ["--out", str(tmp_path / "out")]
    assert main([*words, *out, "--manifest", planted.manifest, "--split", "val"]) == 2
    assert "no video of the manifest has split 'val'" in caplog.text
    twice = [*planted_records(), replace(planted_records()[-1], video_id="other/V01.mp4")]
    write_records(str(tmp_path / "twice.csv"), twice)
    assert main([*words, *out, "--manifest", str(tmp_path / "twice.csv")]) == 2
    assert "seem to be training videos with another id" in caplog.text
    assert not (tmp_path / "out").exists()


def test_all_rows_are_checked_before_training(planted, tmp_path, capsys, caplog):
    """Features without cuboids, and a data set at the target."""
    pooled, _ = random_videos({r.video_id: 3 for r in planted_records()})
    words = ["compare", "--manifest", planted.manifest, "--models", "sultani,st_mil", "--seeds", "1", *TRAINING]
    features = write_features(tmp_path / "pooled", pooled)
    assert main([*words, "--no-ray", "--features", features, "--out", str(tmp_path / "out")]) == 2
    assert "has no cuboids" in caplog.text
    assert not (tmp_path / "out").exists()
    assert main([*words, "--no-ray", "--features", planted.features, "--out", features]) == 5
    assert "holds a data set, not a comparison" in caplog.text
    assert not (tmp_path / "pooled/runs").exists()


def test_a_dry_run_checks_everything_and_writes_nothing(planted, tmp_path, capsys):
    """It states the number of runs, and raises what a run would raise."""
    words = ["compare", *planted.words, "--models", "all", "--seeds", "3", "--dry-run", "--out", str(tmp_path / "out")]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["rows"], told["dry_run"]) == (3 * len(MODELS), {}, True)
    assert not (tmp_path / "out").exists()
    assert main(words) == 0
    assert f"{3 * len(MODELS)} runs to do" in capsys.readouterr().out
    assert main([*words, "--features", str(tmp_path / "nothing")]) == 2


def test_settings_apply_to_every_model(planted, tmp_path, capsys, caplog):
    """``--set`` reaches each run and the record; a model without the setting stops the whole comparison."""
    out = tmp_path / "out"
    words = [
        "compare",
        *planted.words,
        "--out",
        str(out),
        "--seeds",
        "1",
        *TRAINING,
        "--no-ray",
        "--set",
        "dropout=0.25",
    ]
    assert main([*words, "--models", "sultani", "--set", "k=2"]) == 2
    assert "model sultani has no setting 'k'" in caplog.text
    assert not out.exists()
    assert main([*words, "--models", "sultani,rtfm"]) == 0
    for model in ("sultani", "rtfm"):
        checkpoint = load_checkpoint(str(out / f"runs/{model}-paper/seed-0/train/checkpoint"))
        assert checkpoint.model_config.to_dict()["dropout"] == 0.25
    assert json.loads((out / "table.json").read_text())["options"]["overrides"] == ["dropout=0.25"]


def test_runs_are_tasks_on_ray(planted, tmp_path, capsys, ray_session):
    """The metrics are those of a run in one process; errors of a run are raised unchanged."""
    words = ["compare", *planted.words, "--models", "sultani", "--seeds", "2", *TRAINING, "--json"]
    assert main([*words, "--out", str(tmp_path / "here"), "--no-ray"]) == 0
    here = json.loads(capsys.readouterr().out)["rows"]
    assert main([*words, "--out", str(tmp_path / "ray")]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == here
    assert main([*words, "--out", str(tmp_path / "none"), "--features", str(tmp_path / "nothing")]) == 2


ROWS = """
[[row]]
model = "sultani"
training = { lr = 0.01, steps = 4, eval_every = 4 }

[[row]]
name = "ranked, k = 2"
model = "ltgs"
preset = "gated"
set = { k = 2, dynamic_labels = false }
"""


def test_rows_of_a_file_have_their_own_options(planted, tmp_path, capsys):
    """One table of different trainings on two splits, with deleted states; each run records its options."""
    (tmp_path / "rows.toml").write_text(ROWS)
    records = [replace(r, split="val") if r.split == "test" else r for r in planted_records()]
    records = [replace(r, split="test") if r.split == "val" and n % 4 < 2 else r for n, r in enumerate(records)]
    write_records(str(tmp_path / "both.parquet"), records)
    out = tmp_path / "out"
    words = ["compare", "--features", planted.features, "--manifest", str(tmp_path / "both.parquet"), *TRAINING]
    words += ["--rows", str(tmp_path / "rows.toml"), "--seeds", "1", "--split", "val,test", "--drop-states"]
    assert main([*words, "--out", str(out), "--no-ray", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["rows"]) == ["sultani, val", "sultani, test", "ranked, k = 2, val", "ranked, k = 2, test"]
    for name, folder in (("sultani", "sultani-paper"), ("ranked, k = 2", "ranked_k_=_2")):
        run = out / "runs" / folder / "seed-0"
        for split in ("val", "test"):
            report = json.loads((run / f"report-{split}" / "report.json").read_text())
            assert told["rows"][f"{name}, {split}"]["frame_auc"]["values"] == [report["metrics"]["frame_auc"]["value"]]
        assert not (run / "train/state").exists() or not any((run / "train/state").rglob("*.safetensors"))
    first = load_checkpoint(str(out / "runs/sultani-paper/seed-0/train/checkpoint"))
    assert (first.training["lr"], first.training["steps"]) == (0.01, 4)
    second = load_checkpoint(str(out / "runs/ranked_k_=_2/seed-0/train/checkpoint"))
    assert (second.model_config.to_dict()["k"], second.training["preset"]) == (2, "gated")
    assert main([*words, "--out", str(out), "--no-ray", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == told["rows"], "finished runs are kept without their states"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[row]]\nmodel = 'sultanni'", "row 1: model must be .* did you mean"),
        ("[[row]]\nmodel = 'ltgs'\npreset = 'gate'", "has the presets .* did you mean"),
        ("[[row]]\npreset = 'gated'", "the key model is missing"),
        ("[[row]]\nmodel = 'ltgs'\ntrainin = {}", "unknown key 'trainin'; did you mean 'training'"),
        ("[[row]]\nmodel = 'ltgs'\ntraining = {stepps = 3}", "no option 'stepps'; did you mean 'steps'"),
        ("[[row]]\nmodel = 'ltgs'\ntraining = {seed = 3}", "no option 'seed'"),
        ("[[row]]\nmodel = 'ltgs'\ntraining = {steps = 'many'}", "must be a number"),
        ("[[row]]\nmodel = 'ltgs'\ntraining = {steps = 2.5}", "row 1: row 'ltgs': steps must be a whole number"),
        ("[[row]]\nmodel = 'ltgs'\ntraining = {eval_every = 2.0}", "eval_every must be a whole number"),
        (f"[[row]]\nmodel = 'ltgs'\ntraining = {{steps = {10**30}}}", "at most 64 bits"),
        ("[[row]]\nmodel = 'ltgs'\ntraining = {lr = nan}", "row 1: row 'ltgs': lr must be above 0 and finite"),
        ("[[row]]\nmodel = 'ltgs'\nset = 3", "^[^ ]*, row 1: set must be"),
        ("[[row]]\nmodel = 'ltgs'\nname = '../x'", "name of a row must be"),
        ("[[row]]\nmodel = 'ltgs'\n[[row]]\nmodel = 'ltgs'", "occurs twice"),
        ("[[rows]]\nmodel = 'ltgs'", "the key 'rows'"),
        ("row = 3", "got none"),
        ("[[row]", "rows.toml: "),
        ("", "expected .*row"),
    ],
)
def test_invalid_row_files_are_refused(text, said, tmp_path):
    """The message has the row's number and what is expected."""
    (tmp_path / "rows.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_rows(str(tmp_path / "rows.toml"))


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--rows", "r.toml", "--models", "ltgs"], "either --models or --rows"), (["--rows", ""], "empty string")],
)
def test_rows_from_both_file_and_option_are_refused(words, said, planted, tmp_path, caplog):
    """Neither is ignored silently."""
    (tmp_path / "r.toml").write_text("[[row]]\nmodel = 'sultani'\n")
    words = [word.replace("r.toml", str(tmp_path / "r.toml")) for word in words]
    base = ["compare", "--features", planted.features, "--manifest", planted.manifest, "--out", str(tmp_path / "t")]
    assert main([*base, *words, "--dry-run", "--no-ray"]) == 2
    assert said in caplog.text


def test_a_missing_row_file_is_refused(tmp_path):
    """It does not count as an empty one."""
    with pytest.raises(UsageError, match="does not exist"):
        read_rows(str(tmp_path / "rows.toml"))


def test_log_lines_have_the_name_of_their_run(caplog):
    """Only lines of this package, and only within the block."""
    with caplog.at_level(logging.INFO):
        with log_prefix("ltgs 5% seed 1"):
            logging.getLogger("wsvad.training.job").info("step %d", 3)
            logging.getLogger("wsvad.score").info("100 %")
            logging.getLogger("other").info("hello")
        logging.getLogger("wsvad.training.job").info("step %d", 4)
    assert caplog.messages == ["ltgs 5% seed 1: step 3", "ltgs 5% seed 1: 100 %", "hello", "step 4"]
