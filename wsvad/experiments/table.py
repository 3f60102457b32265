"""Mean and standard deviation of metrics over seeds, as Markdown and CSV tables."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wsvad.experiments.trial import Figures
from wsvad.manifest.names import Split

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
"""Metrics in the table for people, with their headings; the CSV has all metrics."""
BEST_ON_TEST = (
    "Best-on-test frame AUC: of the step that is best on the test videos, as many papers report it. It is optimistic, "
    "and is not used for selection; frame AUC is that of the selected step."
)
"""Explanation of the last of them."""


@dataclass(frozen=True)
class Spread:
    """A metric over seeds. ``mean`` and ``std`` are ``None`` if no seed has a value."""

    mean: float | None
    std: float | None
    """Sample standard deviation (n - 1); ``None`` for fewer than two values."""
    values: tuple[float | None, ...]
    """Values by seed."""

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread:
        """Summarise the values, ignoring undefined ones."""
        known = [v for v in values if v is not None]
        mean = statistics.fmean(known) if known else None
        return cls(mean, statistics.stdev(known) if len(known) > 1 else None, tuple(values))

    def text(self) -> str:
        """Return e.g. ``0.612 ± 0.034``, ``0.612`` for one seed, or a dash if undefined."""
        if self.mean is None:
            return "–"
        return f"{self.mean:.3f}" + (f" ± {self.std:.3f}" if self.std is not None else "")


Rows = dict[str, dict[Split, dict[str, Spread]]]
"""Metrics by row name, split and metric name."""


def summarize(
    names: Sequence[str], splits: Sequence[Split], figures: Mapping[tuple[str, int], Mapping[Split, Figures]]
) -> Rows:
    """Collect every metric of every row and split, ordered by seed."""
    rows: Rows = {}
    for name in names:
        own = [figures[key] for key in sorted(figures, key=lambda key: key[1]) if key[0] == name]
        rows[name] = {split: _spreads([one[split] for one in own]) for split in splits}
    return rows


def _spreads(own: Sequence[Figures]) -> dict[str, Spread]:
    metrics = sorted({metric for one in own for metric in one})
    return {metric: Spread.of([one.get(metric) for one in own]) for metric in metrics}


def lines(rows: Rows) -> dict[str, dict[str, Spread]]:
    """Return one line per row, or, with several splits, one per row and split, with the split in its name."""
    return {
        name if len(by_split) == 1 else f"{name}, {split}": spreads
        for name, by_split in rows.items()
        for split, spreads in by_split.items()
    }


def shown_columns(rows: Rows) -> list[str]:
    """Return the metrics of the table for people for which any line has a value."""
    found = lines(rows).values()
    return [c for c in COLUMNS if any(c in line and line[c].mean is not None for line in found)]


def as_markdown(rows: Rows) -> str:
    """Return the Markdown table: mean ± sample standard deviation over seeds."""
    shown = shown_columns(rows)
    text = ["| model | " + " | ".join(COLUMNS[c] for c in shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for name, line in lines(rows).items():
        cells = [line[c].text() if c in line else "–" for c in shown]
        text.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(text) + "\n"


def as_csv(rows: Rows) -> str:
    """Return all metrics of all runs as CSV with columns ``model, split, metric, seed, value``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "split", "metric", "seed", "value"])
    for name, by_split in rows.items():
        for split, spreads in by_split.items():
            for metric, spread in spreads.items():
                writer.writerows([name, split, metric, seed, value] for seed, value in enumerate(spread.values))
    return text.getvalue()
