"""Summary of a sweep: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wsvad.errors import EXIT_OK, EXIT_QUARANTINE
from wsvad.report.svg import count
from wsvad.work.summary import Summary

JSON, TRIALS, SCORES, BEST, HTML = "sweep.json", "trials.parquet", "val_scores.parquet", "best.toml", "report.html"


@dataclass(frozen=True)
class Finalist:
    """A configuration trained with fresh seeds."""

    trial: int
    values: Mapping[str, Any]
    screening: float | None
    """Mean over the tuning seeds, which were used to select it."""
    mean: float | None
    """Mean over the fresh seeds; None: one of them gave no value."""
    deviation: float | None
    """Sample standard deviation over the fresh seeds; None for fewer than two."""
    fresh: tuple[float | None, ...] = ()
    """Value for each fresh seed."""


@dataclass(frozen=True)
class TuneSummary(Summary):
    """Result of a sweep, or of its dry run."""

    out: str
    model: str
    metric: str
    features_made_by: str
    banner: str
    trials: int
    """Number of requested configurations."""
    jobs: int
    """Maximum number of trainings."""
    done: int = 0
    """Number of finished trainings, including earlier runs (as all numbers below)."""
    diverged: int = 0
    """Number of trainings that diverged."""
    failed: int = 0
    """Number of trainings that failed with an error."""
    lost: int = 0
    """Number of trainings whose workers died repeatedly; the same command retries them."""
    begun: int = 0
    """Number of configurations that were begun; fewer than ``trials`` if the time for screening was over."""
    best: int | None = None
    """Number of the winner."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Parameter values of the winner."""
    naive: float | None = None
    """Highest mean over tuning seeds; biased upwards, because it was selected for being the highest."""
    corrected: float | None = None
    """The same, with the selection inside a bootstrap over videos and seeds."""
    low: float | None = None
    high: float | None = None
    note: str = ""
    finalists: tuple[Finalist, ...] = ()
    checkpoint: str | None = None
    test: Mapping[str, float | None] = field(default_factory=dict)
    """Metrics of the winner on the test videos; empty unless requested."""
    hours: float = 0.0
    """Duration of all runs in hours."""
    dry_run: bool = False
    nothing_to_do: bool = False

    @property
    def exit_code(self) -> int:
        """3 if trainings failed or were lost; divergence is a regular result."""
        return EXIT_QUARANTINE if self.failed or self.lost else EXIT_OK

    def to_json(self) -> str:
        """Return the summary with the exit code as one JSON object."""
        return json.dumps(self.to_dict(), indent=1)

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        rows = [
            ("model", self.model),
            ("features", self.features_made_by),
            ("maximised", f"{self.metric} (validation)"),
        ]
        if self.dry_run:
            todo = f"{self.trials} trials, at most {self.jobs} trainings (dry run: nothing was written)"
            return [*rows, ("to do", todo)]
        ended = f"{count(self.done, 'trainings')} of {count(self.begun, 'trials')}"
        bad = [f"{n} {name}" for name in ("diverged", "failed", "lost") if (n := getattr(self, name))]
        rows.append(("ended", ended + (f" ({', '.join(bad)})" if bad else "")))
        if self.begun < self.trials:
            rows.append(("time over", f"{self.trials - self.begun} of {self.trials} trials were not started"))
        rows += [("best of screening", _figure(self.naive) + " (biased upwards by the selection)")]
        if self.corrected is not None:
            rows.append(("corrected", f"{_figure(self.corrected)} [{_figure(self.low)}, {_figure(self.high)}]"))
        for finalist in self.finalists:
            spread = "" if finalist.deviation is None else f" ± {finalist.deviation:.4f}"
            text = f"{_figure(finalist.mean)}{spread} on {count(len(finalist.fresh), 'fresh seeds')}"
            rows.append((f"trial {finalist.trial}", text))
        rows.append(("winner", f"trial {self.best}: " + ", ".join(f"{k} {_short(v)}" for k, v in self.values.items())))
        if self.test:
            rows.append(("test, once", f"{self.metric} {_figure(self.test.get(self.metric))}"))
        if self.note:
            rows.append(("note", self.note))
        rows.append(("done", "nothing to do: the sweep is complete" if self.nothing_to_do else f"{self.hours:.2f} h"))
        rows += [("report", f"{self.out}/{HTML}"), ("configuration", f"{self.out}/{BEST}")]
        if self.checkpoint:
            rows.append(("checkpoint", self.checkpoint))
        return rows


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
