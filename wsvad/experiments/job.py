"""A comparison: run every trial, then tabulate the results."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from wsvad.dataset.published import refuse_data_set
from wsvad.errors import EXIT_OK
from wsvad.evaluation.gather import records_of_split
from wsvad.evaluation.leaks import check_leaks
from wsvad.experiments.options import CompareOptions
from wsvad.experiments.table import BEST_ON_TEST, COLUMNS, Rows, as_csv, as_markdown, lines, shown_columns, summarize
from wsvad.experiments.trial import Figures, check_trial
from wsvad.experiments.trials import run_trials
from wsvad.features.config_text import config_fields, config_phrase
from wsvad.features.reading import FeatureSet
from wsvad.manifest.names import Split
from wsvad.manifest.records import read_records
from wsvad.manifest.truth import known_spans
from wsvad.metrics.samples import few_videos
from wsvad.notebook import NotebookView
from wsvad.provenance import versions
from wsvad.storage import open_store, probe_folder
from wsvad.work.target import refuse_job_working_dir

log = logging.getLogger(__name__)

JSON, MARKDOWN, CSV = "table.json", "table.md", "figures.csv"


@dataclass(frozen=True)
class CompareSummary(NotebookView):
    """Result of a comparison: the table and its location."""

    out: str
    seeds: int
    rows: Rows
    """Empty after a dry run."""
    runs: int
    """Number of runs in the comparison."""
    features: dict[str, dict[str, str]] = field(default_factory=dict)
    """By URI: how the features were made, including the numerical precision."""
    notes: tuple[str, ...] = ()
    """What a reader of the table has to know."""
    dry_run: bool = False
    exit_code: int = EXIT_OK

    def to_json(self) -> str:
        """Return all metrics as a JSON object."""
        plain = {"out": self.out, "seeds": self.seeds, "runs": self.runs, "dry_run": self.dry_run}
        rows = {"rows": plain_rows(self.rows), "notes": list(self.notes), "exit_code": self.exit_code}
        return json.dumps({**plain, "features": self.features, **rows}, indent=1)

    def show(self, console: Console) -> None:
        """Print the table and the paths of its files."""
        if self.dry_run:
            console.print(f"{self.runs} runs to do (dry run: nothing was written)", markup=False)
            return
        found = lines(self.rows)
        table = Table(box=None, pad_edge=False)
        table.add_column(f"{self.seeds} seeds", overflow="fold")
        for name in found:
            table.add_column(name, justify="right", overflow="fold")
        for metric in shown_columns(self.rows):
            table.add_row(COLUMNS[metric], *(line[metric].text() if metric in line else "–" for line in found.values()))
        console.print(table)
        for note in self.notes:
            console.print(note, markup=False, soft_wrap=True)
        for line in describe_features(self.features):
            console.print(line, markup=False, soft_wrap=True)
        console.print(f"table {self.out}/{MARKDOWN}\nall values {self.out}/{CSV}", markup=False, soft_wrap=True)


def compare(options: CompareOptions) -> CompareSummary:
    """Train, score and evaluate every row with every seed. An interrupted comparison can be resumed.

    Raises:
        UsageError, ManifestError: detected before any work.
        ConflictError: the target contains a comparison with other options or data.
        StorageError, ClusterError: run the same command again.
    """
    features = check_comparison(options)
    out = open_store(options.out, options.store)
    if options.dry_run:
        return CompareSummary(out.uri, options.seeds, {}, len(options.trials()), features, dry_run=True)
    rows = run_comparison(options)
    notes = table_notes(options, rows)
    record: dict[str, Any] = {"options": options.to_dict(), "versions": versions(), "features": features}
    out.replace(CSV, as_csv(rows).encode())
    out.replace(MARKDOWN, (as_markdown(rows) + _caption(options, features, notes)).encode())
    out.replace(JSON, json.dumps({**record, "rows": plain_rows(rows)}, indent=1, sort_keys=True).encode())
    return CompareSummary(out.uri, options.seeds, rows, len(options.trials()), features, notes)


def run_comparison(options: CompareOptions) -> Rows:
    """Run all unfinished trials, and return the metrics of all trials. Raises as :func:`compare`."""
    probe_folder(options.out, options.store)
    trials = options.trials()
    figures: dict[tuple[str, int], Mapping[Split, Figures]] = {}
    for key, found in run_trials(
        trials, use_ray=options.use_ray, address=options.address, verbose=options.verbose
    ):  # fmt: skip
        figures[key] = found
        text = ", ".join(f"frame AUC {_number(one['frame_auc'])} on {split}" for split, one in found.items())
        log.info("%d/%d  %s: %s", len(figures), len(trials), trials[key].name, text)
    return summarize([row.name for row in options.rows], options.splits, figures)


def check_comparison(options: CompareOptions) -> dict[str, dict[str, str]]:
    """Raise what the training of any row, or the evaluation of any run, would raise before work.

    Returns:
        How the features were made, by URI.

    Raises:
        UsageError, ManifestError, ConflictError: as :func:`compare`.
    """
    refuse_job_working_dir(options.out)
    refuse_data_set(open_store(options.out, options.store), "a comparison")
    records = read_records(options.manifest, options.store)
    for split in options.splits:
        evaluated = records_of_split(records, split)
        if split == "test":
            check_leaks([r.video_id for r in records if r.split in ("train", "val")], evaluated, records)
    trials = [options.trial(row, seed=0) for row in options.rows]
    for trial in trials:
        check_trial(trial)
    opened = (FeatureSet.open(uri, options.store) for uri in dict.fromkeys(trial.features for trial in trials))
    return {f.uri: config_fields(f.config) for f in opened}


def table_notes(options: CompareOptions, rows: Rows) -> tuple[str, ...]:
    """Return what best-on-test means, if the table has it, and warnings about video AUCs over few videos."""
    shown = shown_columns(rows)
    notes = [BEST_ON_TEST] if "best_on_test_frame_auc" in shown else []
    records = read_records(options.manifest, options.store)
    for split in options.splits if "video_auc" in shown else ():
        labels = [r.label == 1 or bool(known_spans(r.spans, r.boxes)) for r in records_of_split(records, split)]
        few = few_videos(sum(labels), len(labels) - sum(labels))
        if few:
            notes.append(f"Video AUC on split {split}: {few}.")
    return tuple(notes)


def _caption(options: CompareOptions, features: Mapping[str, Mapping[str, str]], notes: Sequence[str]) -> str:
    spread = "mean ± sample standard deviation"
    splits = " and ".join(f"`{split}`" for split in options.splits)
    which = f"Split{'s' if len(options.splits) > 1 else ''} {splits}, {options.seeds} seeds: {spread}."
    return "\n" + "\n".join([" ".join([which, *notes]), *describe_features(features)]) + "\n"


def describe_features(features: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return one line per features data set that states how it was made."""
    return [f"Features {uri}: {config_phrase(made)}." for uri, made in features.items()]


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def plain_rows(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return the metrics as JSON values, by row of the table and metric."""
    return {name: {metric: asdict(spread) for metric, spread in line.items()} for name, line in lines(rows).items()}
