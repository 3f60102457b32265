"""``report.html`` of a sweep: a single file without scripts, for light and dark mode, screen and paper."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import jinja2

from wsvad.report.svg import count, number
from wsvad.report.templates import environment, style
from wsvad.tuning import charts
from wsvad.tuning.charts import PlottedTrial
from wsvad.tuning.importance import importances
from wsvad.tuning.space import Parameter, Value
from wsvad.tuning.summary import TuneSummary
from wsvad.tuning.trial_row import TrialRow
from wsvad.tuning.tuning_curve import tuning_curve

MAX_ROWS = 200
"""Maximum number of rows in the table of trainings without a figure."""


def sweep_page(rows: Sequence[TrialRow], parameters: Sequence[Parameter], summary: TuneSummary) -> bytes:
    """Return the report as HTML.

    Args:
        rows: one row per configuration and seed.
        parameters: parameters of the search space.
        summary: summary of the sweep.
    """
    whole = _means(rows, ("done",))
    drawn = whole or _means(rows, ("done", "stopped"))
    found = importances(parameters, [(trial.values, trial.figure) for trial in whole])
    bars = [(one, charts.share_bar(one.share, one.low, one.high)) for one in found.parameters]
    bad = [row for row in rows if row.status not in ("done", "stopped")]
    winner = summary.best
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            summary=summary,
            style=style(),
            parameters=parameters,
            statuses=Counter(row.status for row in rows),
            hours=sum(row.seconds for row in rows) / 3600,
            nodes=sorted({row.node for row in rows if row.node}),
            parallel=charts.parallel_coordinates(parameters, drawn, winner, summary.metric) if drawn else "",
            scatters=[charts.scatter(p, drawn, winner) for p in parameters] if drawn else [],
            drawn=len(drawn),
            lines=min(len(drawn), charts.MAX_LINES),
            found=found,
            bars=bars,
            curve=_curve(rows, drawn, summary.metric) if drawn else "",
            legend=[charts.colour(n / 10) for n in range(11)],
            ends=(min(t.figure for t in drawn), max(t.figure for t in drawn)) if drawn else None,
            bad=bad[:MAX_ROWS],
            more_bad=max(0, len(bad) - MAX_ROWS),
        )
    )
    return page.encode()


def _means(rows: Sequence[TrialRow], statuses: tuple[str, ...]) -> list[PlottedTrial]:
    """Return the configurations with the mean of their figures in screening, by number."""
    figures: dict[int, list[float]] = {}
    values: dict[int, Mapping[str, Value]] = {}
    for row in rows:
        if row.stage == "screening" and row.status in statuses and row.value is not None:
            figures.setdefault(row.number, []).append(row.value)
            values[row.number] = row.values
    return [PlottedTrial(n, values[n], fmean(figures[n])) for n in sorted(figures)]


def _curve(rows: Sequence[TrialRow], drawn: Sequence[PlottedTrial], metric: str) -> str:
    """Return the tuning curve; a configuration without a figure used its budget, and counts with the lowest value."""
    figures = {trial.number: trial.figure for trial in drawn}
    bad = {row.number for row in rows if row.status in ("diverged", "failed")} - figures.keys()
    return charts.curve_chart(tuning_curve([figures.get(n, 0.0) for n in sorted({*figures, *bad})]), metric)


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@functools.cache
def _environment() -> jinja2.Environment:
    made = environment("wsvad.tuning")
    made.filters.update(count=count, number=number, setting=_setting)
    return made
