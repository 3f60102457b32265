"""An ablation: a base and rows that differ from it in one factor, run with the same seeds and tested against it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable

from wsvad.errors import EXIT_OK, UsageError
from wsvad.experiments.families import Published
from wsvad.experiments.job import check_comparison, describe_features, plain_rows, run_comparison, table_notes
from wsvad.experiments.options import CompareOptions
from wsvad.experiments.resampled import resampled_figures
from wsvad.experiments.table import COLUMNS, Rows, Spread
from wsvad.manifest.names import Split
from wsvad.manifest.records import read_records
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.paired import Paired, compare_pairs, holm
from wsvad.metrics.ranking import Floats
from wsvad.models.registry import MODELS
from wsvad.notebook import NotebookView
from wsvad.provenance import versions
from wsvad.report.tables import Column, Table, as_csv, as_html, as_markdown
from wsvad.storage import open_store

log = logging.getLogger(__name__)

_REGION_METRICS = ("region_auc", "region_ap", "pointing_clips", "rbdc", "tbdc")
JSON, MARKDOWN, CSV, HTML = "ablation.json", "ablation.md", "ablation.csv", "ablation.html"


@dataclass(frozen=True)
class AblationOptions:
    """Options of an ablation."""

    comparison: CompareOptions
    """The runs. The first row is the base; the others differ from it."""
    metric: str = "frame_auc"
    """The metric that rows are tested on."""
    resamples: int = 1000
    """Number of bootstrap resamples of seeds and videos, at least 100; 0 disables the bootstrap."""
    published: Mapping[str, Published] = field(default_factory=dict)
    """Values published in a paper, by name of the row."""
    title: str = "Ablation"

    def __post_init__(self) -> None:
        if len(self.comparison.rows) < 2:
            raise UsageError("an ablation needs a base and at least one row that differs from it")
        if self.metric not in COLUMNS:
            raise UsageError(f"the metric must be one of {', '.join(COLUMNS)}, got {self.metric!r}")
        MetricOptions(resamples=self.resamples)
        if self.metric in _REGION_METRICS:
            unsuitable = [row.name for row in self.comparison.rows if MODELS[row.model].config.inputs != "cuboids"]
            if unsuitable:
                raise UsageError(f"{self.metric} needs scores of image regions, which {unsuitable[0]} does not have")


@dataclass(frozen=True)
class AblationSummary(NotebookView):
    """Result of an ablation: one table per split, and their location."""

    out: str
    title: str
    metric: str
    seeds: int
    rows: Rows
    """Empty after a dry run."""
    paired: Mapping[Split, Mapping[str, Paired]]
    """Comparisons with the base, by split and name of the row."""
    published: Mapping[str, Published]
    features: Mapping[str, Mapping[str, str]]
    runs: int
    notes: Sequence[str] = ()
    """What a reader of the tables has to know."""
    dry_run: bool = False
    exit_code: int = EXIT_OK

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        pairs = {split: {name: asdict(one) for name, one in rows.items()} for split, rows in self.paired.items()}
        published = {name: asdict(one) for name, one in self.published.items()}
        plain = {"out": self.out, "title": self.title, "metric": self.metric, "seeds": self.seeds, "runs": self.runs}
        rows = {"rows": plain_rows(self.rows), "paired": pairs, "published": published, "features": dict(self.features)}
        return {**plain, **rows, "notes": list(self.notes), "dry_run": self.dry_run, "exit_code": self.exit_code}

    def to_json(self) -> str:
        """Return the summary as a JSON object."""
        return json.dumps(self.to_dict(), indent=1)

    def show(self, console: Console) -> None:
        """Print the tables and the paths of their files."""
        if self.dry_run:
            console.print(f"{self.runs} runs to do (dry run: nothing was written)", markup=False)
            return
        for split in self.paired:
            columns, lines = self.table(split)
            if console.width < sum(
                max(map(len, texts)) + 2 for texts in zip(*lines, strict=True)
            ):  # a drawn table would be truncated
                console.print(as_markdown(self.title, {split: (columns, lines)}, ()), markup=False, soft_wrap=True)
                continue
            table = RichTable(box=None, pad_edge=False, title=f"{self.title}, split {split}", title_justify="left")
            for column in columns:
                table.add_column(column.title, justify="left" if column.text else "right", overflow="fold")
            for line in lines:
                table.add_row(*line)
            console.print(table, markup=False)
        for note in self.notes:
            console.print(note, markup=False, soft_wrap=True)
        for line_text in describe_features(self.features):
            console.print(line_text, markup=False, soft_wrap=True)
        console.print(f"tables {self.out}/{MARKDOWN}, {CSV}, {HTML}", markup=False, soft_wrap=True)

    def table(self, split: Split) -> Table:
        """Return the columns of a split's table, and its rows as text."""
        shown = [c for c in COLUMNS if any(_mean(one[split].get(c)) is not None for one in self.rows.values())]
        more = [c for c in shown if c != self.metric]
        papers = any(name in self.published for name in self.rows)
        columns = [
            Column("row", "What differs from the base", text=True),
            Column(COLUMNS[self.metric], "Mean ± sample standard deviation over seeds"),
            Column("difference", "Row minus base, mean over the seeds that both have"),
            Column("95 % interval", "Of the difference: bootstrap over seeds and videos together"),
            Column("p", "Two-sided paired t-test over seeds"),
            Column("p, Holm", "Corrected for the number of rows"),
            Column("P(worse)", "Fraction of the resamples in which the row is worse than the base"),
            *(Column(COLUMNS[c], "Mean ± sample standard deviation over seeds") for c in more),
        ]
        if papers:
            columns += [
                Column("paper, ShanghaiTech", "Frame AUC in percent, as published", text=True),
                Column("paper, UCF-Crime", "Frame AUC in percent, as published", text=True),
            ]
        return columns, [self._line(name, split, more, papers=papers) for name in self.rows]

    def _line(self, name: str, split: Split, more: Sequence[str], *, papers: bool) -> list[str]:
        figures, pair = self.rows[name][split], self.paired[split].get(name)
        line = [name, _text(figures.get(self.metric))]
        if pair is None:
            line += ["base", "", "", "", ""]
        else:
            inside = "" if pair.low is None or pair.high is None else f"{pair.low:+.3f} to {pair.high:+.3f}"
            line += [_number(pair.difference, "+.3f"), inside]
            line += [_number(value, ".3f") for value in (pair.p, pair.p_family, pair.worse)]
        line += [_text(figures.get(metric)) for metric in more]
        if papers:
            published = self.published.get(name, Published())
            line += [published.shanghaitech or "–", published.ucf_crime or "–"]
        return line


def ablate(options: AblationOptions) -> AblationSummary:
    """Run the base and every row with every seed, and test which rows are worse. Can be interrupted and resumed.

    Raises:
        UsageError, ManifestError, ConflictError, StorageError, ClusterError: as ``compare``.
    """
    comparison = options.comparison
    features = check_comparison(comparison)
    out = open_store(comparison.out, comparison.store)
    runs = len(comparison.trials())
    about = (out.uri, options.title, options.metric, comparison.seeds)
    if comparison.dry_run:
        return AblationSummary(*about, {}, {}, options.published, features, runs, dry_run=True)
    rows = run_comparison(comparison)
    paired = {split: _pairs(options, rows, split) for split in comparison.splits}
    told = table_notes(comparison, rows)
    summary = AblationSummary(*about, rows, paired, options.published, features, runs, told)
    record = {"options": {**comparison.to_dict(), "metric": options.metric, "resamples": options.resamples}}
    tables: dict[str, Table] = {split: summary.table(split) for split in comparison.splits}
    notes = [_about(options), *told, *describe_features(features)]
    out.replace(MARKDOWN, as_markdown(options.title, tables, notes).encode())
    out.replace(CSV, as_csv(tables).encode())
    out.replace(HTML, as_html(options.title, tables, notes).encode())
    out.replace(JSON, json.dumps({**record, "versions": versions(), **summary.to_dict()}, indent=1).encode())
    return summary


def _pairs(options: AblationOptions, rows: Rows, split: Split) -> dict[str, Paired]:
    """Compare every row with the base, paired by seed and by resample of the videos."""
    base, *others = [row.name for row in options.comparison.rows]
    resampled = _resampled(options, split)
    found = {
        name: compare_pairs(
            _values(rows, name, split, options.metric),
            _values(rows, base, split, options.metric),
            resampled.get(name),
            resampled.get(base),
        )
        for name in others
    }
    corrected = holm([pair.p for pair in found.values()])
    return {
        name: Paired(**{**asdict(pair), "p_family": p})
        for (name, pair), p in zip(found.items(), corrected, strict=True)
    }


def _values(rows: Rows, name: str, split: Split, metric: str) -> Sequence[float | None]:
    spread = rows[name][split].get(metric)
    return spread.values if spread else ()


def _resampled(options: AblationOptions, split: Split) -> dict[str, Floats]:
    """Return the metric of every row in resamples of the videos, ``[S, R]``; NaN for seeds without a value."""
    if not options.resamples:
        return {}
    comparison = options.comparison
    records = read_records(comparison.manifest, comparison.store)
    resampling = MetricOptions(resamples=options.resamples)
    found: dict[str, Floats] = {}
    for row in comparison.rows:
        by_seed = []
        for seed in range(comparison.seeds):
            figures = resampled_figures(comparison.trial(row, seed), records, split, resampling)
            by_seed.append(figures.get(options.metric, np.full(options.resamples, np.nan)))
        found[row.name] = np.stack(by_seed)
    return found


def _about(options: AblationOptions) -> str:
    comparison = options.comparison
    text = (
        f"{comparison.seeds} seeds, the same for all rows: mean ± sample standard deviation. Differences are row minus "
        f"{comparison.rows[0].name}, paired by seed; p of the paired t-test, corrected over the rows (Holm)."
    )
    if options.resamples:
        text += f" Intervals and P(worse): {options.resamples} resamples of seeds and videos together."
    return text


def _mean(spread: Spread | None) -> float | None:
    return spread.mean if spread else None


def _text(spread: Spread | None) -> str:
    return spread.text() if spread else "–"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
