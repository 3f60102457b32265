"""A small data set with a planted anomaly and frame annotations, a search space, and the command line of a sweep."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.training.factories import Planted, plant, planted_records
from wsvad.cli import main
from wsvad.manifest.records import VideoRecord

SPACE = """
model = "sultani"
training = { steps = 12, pairs = 4, segments = 8 }

[search]
lr = { low = 1e-4, high = 1e-2, log = true }
weight_decay = [0.0, 0.001, 0.01]
sparsity_weight = { low = 1e-6, high = 1e-3, log = true }
"""
QUICK = ("--trials", "4", "--seeds", "2", "--finalists", "2", "--fresh-seeds", "2", "--json")
"""Eight trainings of screening and four of the finals."""


def sweep_records(videos: int = 36, vals: int = 12, tests: int = 6) -> list[VideoRecord]:
    """Return records of training, validation and test videos; the last two kinds with spans."""
    records = planted_records(videos, tests)
    first_val, first_test = videos - tests - vals, videos - tests
    return [
        replace(r, split="val", spans=((32, 80),) if r.label else None) if first_val <= n < first_test else r
        for n, r in enumerate(records)
    ]


def plant_sweep(folder: Path, *, strength: float = 0.7, **options: Any) -> Planted:
    """Write features, a manifest, and ``space.toml``."""
    (folder / "space.toml").write_text(SPACE)
    return plant(folder, sweep_records(), strength=strength, **options)


def sweep_command(data: Planted, out: str, *more: str) -> list[str]:
    """Return the command line of a quick sweep."""
    space = data.manifest.replace("manifest.csv", "space.toml")
    return ["tune", *data.words, "--space", space, "--out", out, *QUICK, *more]


def run_tune(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Run the command in this process; return its exit code and its JSON output."""
    capsys.readouterr()
    code = main(list(words))
    out = capsys.readouterr().out  # Ray also prints to stdout when workers die
    return code, json.loads(out[out.index("{\n") :]) if "{\n" in out else {}


def rows(out: Path | str) -> list[dict[str, Any]]:
    """Return the rows of ``trials.parquet`` without columns that differ between machines and runs."""
    table = pq.read_table(f"{out}/trials.parquet")
    return table.drop_columns(["seconds", "node"]).to_pylist()
