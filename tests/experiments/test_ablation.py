"""Ablations: runs of base and rows with the same seeds, and their table."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from tests.experiments.planted import plant
from wsvad.cli import main
from wsvad.errors import UsageError
from wsvad.experiments.ablation import AblationOptions, ablate
from wsvad.experiments.families import FAMILIES, Published
from wsvad.experiments.options import CompareOptions
from wsvad.experiments.rows import Row
from wsvad.models.registry import config_from_dict, default_config
from wsvad.training.overrides import parse_overrides

SHORT = {"pairs": 8, "segments": 8, "val_fraction": 0.0, "eval_every": 40}
ROWS = (
    Row("sultani", label="full", training={"steps": 40}),
    Row("sultani", label="again", training={"steps": 40}),
    Row("sultani", label="untrained", training={"steps": 1, "lr": 1e-9, "eval_every": 1}),
)


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> AblationOptions:
    """A plain anomaly, a base that detects it, an identical row, and a row that learns nothing."""
    folder = tmp_path_factory.mktemp("ablation")
    planted = plant(folder, 3.0, train=24, test=16)
    comparison = CompareOptions(
        planted.features, planted.manifest, str(folder / "out"), ROWS, seeds=3, training=SHORT, use_ray=False
    )
    published = {"full": Published("96.69", "82.33"), "untrained": Published("<b>50</b>")}
    return AblationOptions(comparison, resamples=200, published=published, title="Sultani & others")


@pytest.fixture(scope="module")
def summary(options):
    """The result of the ablation."""
    return ablate(options)


def test_only_the_row_that_learns_nothing_is_worse(summary):
    """With equal seeds, videos and resamples, an identical row has bitwise equal results."""
    pairs = summary.paired["test"]
    assert set(pairs) == {"again", "untrained"}
    again, worse = pairs["again"], pairs["untrained"]
    assert (again.difference, again.low, again.high, again.worse, again.p) == (0.0, 0.0, 0.0, 0.5, None)
    assert worse.seeds == 3
    assert worse.difference < -0.2
    assert worse.high < 0
    assert worse.worse == 1.0
    assert worse.p_family == worse.p < 0.1, "the other row has no p value and is not part of the family"


def test_the_files_agree_with_the_summary(options, summary, capsys):
    """Markdown, CSV, JSON and an HTML page without scripts, with published values; hostile text is escaped."""
    from pathlib import Path

    out = Path(options.comparison.out)
    difference = f"{summary.paired['test']['untrained'].difference:+.3f}"
    markdown = (out / "ablation.md").read_text()
    assert "| row | frame AUC | difference | 95 % interval | p | p, Holm | P(worse) |" in markdown
    assert f"| {difference} |" in markdown
    with (out / "ablation.csv").open(newline="") as file:
        lines = {line["row"]: line for line in csv.DictReader(file)}
    assert lines["full"]["difference"] == "base"
    assert lines["full"]["paper, ShanghaiTech"] == "96.69"
    assert lines["untrained"]["difference"] == difference
    page = (out / "ablation.html").read_text()
    assert "Sultani &amp; others" in page
    assert "&lt;b&gt;50&lt;/b&gt;" in page
    assert "<script" not in page
    document = json.loads((out / "ablation.json").read_text())
    assert document["paired"]["test"]["untrained"]["worse"] == 1.0
    assert document["options"]["resamples"] == 200


def test_an_undefined_metric_hides_no_other(summary):
    """A pooled model has no region metrics; its other metrics are shown."""
    columns, lines = replace(summary, metric="region_auc").table("test")
    titles = [column.title for column in columns]
    assert titles[1] == "region AUC"
    assert {"frame AUC", "frame AP"} <= set(titles)
    assert all(line[1] == "–" for line in lines)
    assert {len(line) for line in lines} == {len(titles)}


def test_a_narrow_terminal_truncates_nothing(summary):
    """A table that is too wide, e.g. for a pipe, is printed as Markdown."""
    screen = io.StringIO()
    summary.show(Console(file=screen, width=80))
    assert "| row | frame AUC | difference | 95 % interval | p | p, Holm | P(worse) |" in screen.getvalue()
    wide = io.StringIO()
    summary.show(Console(file=wide, width=300))
    assert "95 % interval" in wide.getvalue()
    assert "|---" not in wide.getvalue()


def test_repeating_the_command_runs_nothing(options, summary):
    """It gives the same table."""
    from pathlib import Path

    trained = {path: path.stat().st_mtime_ns for path in Path(options.comparison.out).rglob("*.safetensors")}
    assert ablate(options).to_dict() == summary.to_dict()
    assert {p: p.stat().st_mtime_ns for p in Path(options.comparison.out).rglob("*.safetensors")} == trained


def test_invalid_ablations_are_refused(options):
    """Only a base, an unknown metric, too few resamples."""
    alone = replace(options.comparison, rows=ROWS[:1])
    with pytest.raises(UsageError, match="at least one row"):
        AblationOptions(alone)
    with pytest.raises(UsageError, match="must be one of frame_auc"):
        replace(options, metric="loss")
    with pytest.raises(UsageError, match="region_auc needs scores of image regions, which full does not have"):
        replace(options, metric="region_auc")
    with pytest.raises(UsageError, match="resamples must be"):
        replace(options, resamples=3)


def test_the_command(options, tmp_path, capsys, caplog):
    """Either a family or a file of rows is required; a dry run states the number of runs."""
    comparison = options.comparison
    words = ["ablate", "--features", comparison.features, "--manifest", comparison.manifest, "--no-ray"]
    words += ["--out", str(tmp_path / "out"), "--val-fraction", "0"]
    assert main(words) == 2
    assert "give either --family or --rows" in caplog.text
    assert main([*words, "--family", "st_mil", "--seeds", "2", "--dry-run"]) == 0
    assert "10 runs to do" in capsys.readouterr().out
    assert main([*words, "--family", "st_mil", "--rows", "rows.toml"]) == 2
    rows = "[[row]]\nmodel = 'sultani'\n[[row]]\nmodel = 'sultani'\nname = 'no norm'\nset = {unit_length = false}"
    (tmp_path / "rows.toml").write_text(rows)
    more = ["--rows", str(tmp_path / "rows.toml"), "--seeds", "2", "--steps", "4", "--pairs", "4", "--segments", "4"]
    assert main([*words, *more, "--resamples", "100", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["paired"]["test"]) == {"no norm"}
    assert told["runs"] == 4
    assert main([*words, *more, "--metric", "loss"]) == 2


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_of_a_family_differ_from_its_base(name):
    """In their settings, but not in training; published values belong to existing rows."""
    from wsvad.models.registry import default_recipe

    family = FAMILIES[name]

    def resolved(row):
        base = default_config(row.model, 32, preset=row.preset)
        settings = parse_overrides(row.settings, type(base))
        return config_from_dict({**base.to_dict(), **settings}), default_recipe(row.model, preset=row.preset)

    base, recipe = resolved(family.base)
    configs = [resolved(row) for row in family.rows]
    assert all(config != base for config, _ in configs)
    assert all(own == recipe for _, own in configs)
    assert len({str(config) for config, _ in configs}) == len(configs)
    assert set(family.published) <= {family.base.name, *(row.name for row in family.rows)}
