"""A comparison from start to end: run every trial, then one table."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from wsvad.dataset.published import refuse_data_set
from wsvad.errors import EXIT_OK
from wsvad.evaluate.gather import choose
from wsvad.evaluate.leaks import refuse_leaks
from wsvad.experiments.options import CompareOptions, Trial
from wsvad.experiments.table import COLUMNS, Rows, as_csv, as_markdown, summarize
from wsvad.experiments.trial import Figures, check_trial, run_trial
from wsvad.manifest.records import read_records
from wsvad.provenance import versions
from wsvad.storage import open_store, probe_folder

log = logging.getLogger(__name__)

JSON, MARKDOWN, CSV = "table.json", "table.md", "figures.csv"


@dataclass(frozen=True)
class CompareSummary:
    """The table and where it is."""

    out: str
    seeds: int
    rows: Rows
    """Empty after a dry run."""
    runs: int
    """Runs that the comparison is made of."""
    dry_run: bool = False
    exit_code: int = EXIT_OK

    def to_json(self) -> str:
        """Return every figure as one JSON object."""
        plain = {"out": self.out, "seeds": self.seeds, "runs": self.runs, "dry_run": self.dry_run}
        return json.dumps({**plain, "rows": _plain(self.rows), "exit_code": self.exit_code}, indent=1)

    def show(self, console: Console) -> None:
        """Print the table and the places of its files."""
        if self.dry_run:
            console.print(f"{self.runs} runs to do (dry run: nothing was written)", markup=False)
            return
        table = Table(box=None, pad_edge=False)
        table.add_column(f"{self.seeds} seeds")
        for name in self.rows:
            table.add_column(name, justify="right")
        for metric, title in COLUMNS.items():
            cells = [row[metric].text() if metric in row else "–" for row in self.rows.values()]
            if any(cell != "–" for cell in cells):
                table.add_row(title, *cells)
        console.print(table)
        console.print(f"table {self.out}/{MARKDOWN}\nevery figure {self.out}/{CSV}", markup=False, soft_wrap=True)


def compare(options: CompareOptions) -> CompareSummary:
    """Train, score and evaluate every variant with every seed; safe to kill and to run again.

    Raises:
        UsageError, ManifestError: before any work.
        ConflictError: the target holds a comparison with other options or data.
        StorageError, ClusterError: run the same command again.
    """
    _check(options)
    trials = list(options.trials())
    out = open_store(options.out, options.store)
    if options.dry_run:
        return CompareSummary(out.uri, options.seeds, {}, len(trials), dry_run=True)
    probe_folder(options.out, options.store)
    figures: dict[Trial, Figures] = {}
    for trial, found in _run(options, trials):
        figures[trial] = found
        auc = found["frame_auc"]
        said = "undefined" if auc is None else f"{auc:.3f}"
        log.info("%d/%d  %s seed %d: frame AUC %s", len(figures), len(trials), trial.variant.name, trial.seed, said)
    rows = summarize(options.variants, figures)
    record: dict[str, Any] = {"options": options.to_dict(), "versions": versions(), "rows": _plain(rows)}
    out.replace(CSV, as_csv(rows).encode())
    out.replace(MARKDOWN, (as_markdown(rows) + _caption(options)).encode())
    out.replace(JSON, json.dumps(record, indent=1, sort_keys=True).encode())
    return CompareSummary(out.uri, options.seeds, rows, len(trials))


def _check(options: CompareOptions) -> None:
    """Refuse what the training of any variant, or the evaluation at the end of every run, would refuse."""
    refuse_data_set(open_store(options.out, options.store), "a comparison")
    records = read_records(options.manifest, options.store)
    evaluated = choose(records, options.split)
    if options.split == "test":
        refuse_leaks([r.video_id for r in records if r.split in ("train", "val")], evaluated, records)
    for variant in options.variants:
        check_trial(options, Trial(variant, seed=0))


def _caption(options: CompareOptions) -> str:
    spread = "mean ± sample standard deviation"
    best = "Best-on-test is the step that looked best on the test; it selects nothing."
    return f"\nSplit `{options.split}`, {options.seeds} seeds: {spread}. {best}\n"


def _run(options: CompareOptions, trials: list[Trial]) -> Iterator[tuple[Trial, Figures]]:
    if options.use_ray:
        from wsvad.experiments.run import run_on_ray  # brings Ray with it

        yield from run_on_ray(options, trials)
        return
    for trial in trials:
        yield trial, run_trial(options, trial)


def _plain(rows: Rows) -> dict[str, dict[str, Any]]:
    return {name: {metric: asdict(spread) for metric, spread in row.items()} for name, row in rows.items()}
