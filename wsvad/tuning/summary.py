"""How a sweep ended: for people as a table, for programs as JSON."""

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
    """A configuration that was trained with fresh seeds."""

    trial: int
    values: Mapping[str, Any]
    screening: float | None
    """Mean over the tuning seeds, which chose it."""
    mean: float | None
    """Over the fresh seeds; None: one of them gave no value."""
    deviation: float | None
    """Sample standard deviation over the fresh seeds; None below two."""
    fresh: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class TuneSummary(Summary):
    """The end of a sweep, or of the look at what it would do."""

    out: str
    model: str
    metric: str
    features_made_by: str
    banner: str
    trials: int
    """Configurations asked for."""
    jobs: int
    """Trainings that all of it comes to, at most."""
    done: int = 0
    """Trainings that ended, by earlier calls included; likewise those below."""
    diverged: int = 0
    failed: int = 0
    lost: int = 0
    """Trainings whose workers ended again and again; the same command tries them once more."""
    begun: int = 0
    """Configurations that were begun: fewer than asked for where the hours were over."""
    best: int | None = None
    """Number of the winner."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What the winner sets."""
    naive: float | None = None
    """Best mean over tuning seeds: too high, since it was chosen by it."""
    corrected: float | None = None
    """The same with the choice made inside a bootstrap over videos and seeds."""
    low: float | None = None
    high: float | None = None
    note: str = ""
    finalists: tuple[Finalist, ...] = ()
    checkpoint: str | None = None
    test: Mapping[str, float | None] = field(default_factory=dict)
    """Figures of the winner on the test videos; empty unless they were asked for."""
    hours: float = 0.0
    """Of all calls."""
    dry_run: bool = False
    nothing_to_do: bool = False

    @property
    def exit_code(self) -> int:
        """3 where trainings failed by an error or were lost; a diverged one is a result."""
        return EXIT_QUARANTINE if self.failed or self.lost else EXIT_OK

    def to_json(self) -> str:
        """Return the summary as one JSON object, the exit code included."""
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
            rows.append(("hours over", f"{self.trials - self.begun} of {self.trials} trials were not begun"))
        rows += [("best of screening", _figure(self.naive) + ", too high: it was chosen by this")]
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
        rows.append(
            ("done", "nothing to do: all of it was done before" if self.nothing_to_do else f"{self.hours:.2f} h")
        )
        rows += [("report", f"{self.out}/{HTML}"), ("configuration", f"{self.out}/{BEST}")]
        if self.checkpoint:
            rows.append(("checkpoint", self.checkpoint))
        return rows


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
