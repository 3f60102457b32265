"""Means over seeds, with their spread, as a table for people and for programs."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wsvad.experiments.options import Trial, Variant
from wsvad.experiments.trial import Figures

COLUMNS = {
    "frame_auc": "frame AUC",
    "frame_ap": "frame AP",
    "anomalous_auc": "AUC within anomalous videos",
    "video_auc": "video AUC",
    "region_auc": "region AUC",
    "region_ap": "region AP",
    "pointing_clips": "pointing",
    "rbdc": "RBDC",
    "tbdc": "TBDC",
    "best_on_test_frame_auc": "best-on-test frame AUC",
}
"""Metrics of the table for people, with their headings; the CSV has all."""


@dataclass(frozen=True)
class Spread:
    """A metric over seeds. ``mean`` and ``std`` are None where no seed has a value."""

    mean: float | None
    std: float | None
    """Sample standard deviation (n - 1); None below two values."""
    values: tuple[float | None, ...]
    """By seed."""

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread:
        """Summarise the values that are defined."""
        known = [v for v in values if v is not None]
        mean = statistics.fmean(known) if known else None
        return cls(mean, statistics.stdev(known) if len(known) > 1 else None, tuple(values))

    def text(self) -> str:
        """Return ``.612 ± .034``, ``.612`` for one seed, a dash where undefined."""
        if self.mean is None:
            return "–"
        return f"{self.mean:.3f}" + (f" ± {self.std:.3f}" if self.std is not None else "")


Rows = dict[str, dict[str, Spread]]
"""By variant's name, then by metric."""


def summarize(variants: Sequence[Variant], figures: Mapping[Trial, Figures]) -> Rows:
    """Gather every metric of every variant over its seeds, in order of the seeds."""
    rows: Rows = {}
    for variant in variants:
        own = [figures[t] for t in sorted(figures, key=lambda t: t.seed) if t.variant == variant]
        names = sorted({name for one in own for name in one})
        rows[variant.name] = {name: Spread.of([one.get(name) for one in own]) for name in names}
    return rows


def as_markdown(rows: Rows) -> str:
    """Return the table for people: one line a variant, mean ± sample standard deviation over seeds."""
    shown = [c for c in COLUMNS if any(c in row and row[c].mean is not None for row in rows.values())]
    lines = ["| model | " + " | ".join(COLUMNS[c] for c in shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for name, row in rows.items():
        cells = [row[c].text() if c in row else "–" for c in shown]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def as_csv(rows: Rows) -> str:
    """Return ``model, metric, seed, value``: every figure of every run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "metric", "seed", "value"])
    for name, row in rows.items():
        for metric, spread in row.items():
            writer.writerows([name, metric, seed, value] for seed, value in enumerate(spread.values))
    return text.getvalue()
