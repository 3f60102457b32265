"""Charts of a sweep as inline SVG: parallel coordinates, small scatter plots, the tuning curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wsvad.report.svg import points, text
from wsvad.tuning.space import Parameter, Value
from wsvad.tuning.tuning_curve import TuningCurve

WIDTH = 1100.0
_STOPS = ((154, 167, 184), (59, 127, 212), (224, 112, 16))
"""Grey, blue, orange: distinguishable without red and green, on light and dark backgrounds."""
MAX_LINES = 400


@dataclass(frozen=True)
class PlottedTrial:
    """A configuration in a chart."""

    number: int
    values: Mapping[str, Value]
    figure: float


def colour(share: float) -> str:
    """Return the colour of a value between 0 (the lowest) and 1 (the best)."""
    at = min(max(share, 0.0), 1.0) * (len(_STOPS) - 1)
    first = min(int(at), len(_STOPS) - 2)
    mixed = [round(a + (b - a) * (at - first)) for a, b in zip(_STOPS[first], _STOPS[first + 1], strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def select_trials(trials: Sequence[PlottedTrial], most: int = MAX_LINES) -> list[PlottedTrial]:
    """Return the trials to draw, worst first: at most ``most``, the better half of them the best, the rest evenly
    spaced among the others.
    """
    ordered = sorted(trials, key=lambda trial: trial.figure)
    if len(ordered) <= most:
        return ordered
    best, rest = ordered[-most // 2 :], ordered[: -most // 2]
    places = np.linspace(0, len(rest) - 1, most - len(best)).round().astype(int)
    return [rest[n] for n in places] + best


def relative_figure(figure: float, trials: Sequence[PlottedTrial]) -> float:
    """Return the position of a figure between the lowest (0) and the highest (1)."""
    low, high = min(t.figure for t in trials), max(t.figure for t in trials)
    return 1.0 if high == low else (figure - low) / (high - low)


def axis_position(parameter: Parameter, value: Value) -> float:
    """Return the position of a value on its axis, 0 to 1."""
    if parameter.choices:
        many = len(parameter.choices)
        return 0.5 if many == 1 else parameter.choices.index(value) / (many - 1)
    low, high, at = parameter.low, parameter.high, float(value)
    if parameter.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def axis_ticks(parameter: Parameter) -> list[tuple[float, str]]:
    """Return positions and labels of the ticks of an axis."""
    if parameter.choices:
        return [(axis_position(parameter, choice), _label(choice)) for choice in parameter.choices]
    values: list[float] = [parameter.low, parameter.high]
    if parameter.log:
        exponents = range(math.ceil(math.log10(parameter.low)), math.floor(math.log10(parameter.high)) + 1)
        values += [10.0**e for e in exponents]
    else:
        values.append((parameter.low + parameter.high) / 2)
    placed = sorted({(round(axis_position(parameter, v), 3), _label(v)) for v in values})
    apart: list[tuple[float, str]] = []
    for place, label in placed:
        if not apart or place - apart[-1][0] > 0.08:
            apart.append((place, label))
    return apart


def parallel_coordinates(
    parameters: Sequence[Parameter], trials: Sequence[PlottedTrial], winner: int | None, metric: str
) -> str:
    """Draw one line per configuration through one axis per parameter and one for the figure."""
    height, top, bottom, side = 360.0, 34.0, 24.0, 70.0
    drawn = select_trials(trials)
    low, high = min(t.figure for t in trials), max(t.figure for t in trials)
    axes = len(parameters)
    step = (WIDTH - 2 * side) / max(axes, 1)
    tall = height - top - bottom

    def y_of(place: float) -> float:
        return top + (1 - place) * tall

    parts = [
        f'<svg class="wide-chart" viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="parallel coordinates">'
    ]
    for trial in sorted(drawn, key=lambda t: t.number == winner):
        share = relative_figure(trial.figure, trials)
        line: list[tuple[float, float]] = []
        for n, p in enumerate(parameters):
            if p.name in trial.values:
                line.append((side + n * step, y_of(axis_position(p, trial.values[p.name]))))
        line.append((side + axes * step, y_of(share)))
        kind = "trial best" if trial.number == winner else "trial"
        parts.append(f'<polyline class="{kind}" stroke="{colour(share)}" points="{points(line)}"/>')
    for n, p in enumerate(parameters):
        parts += _axis(side + n * step, y_of, p.name, axis_ticks(p))
    figures = [(0.0, f"{low:.3f}"), (0.5, f"{(low + high) / 2:.3f}"), (1.0, f"{high:.3f}")]
    parts += _axis(side + axes * step, y_of, metric, figures if high > low else figures[-1:])
    return "".join([*parts, "</svg>"])


def scatter(parameter: Parameter, trials: Sequence[PlottedTrial], winner: int | None) -> str:
    """Draw the figure of each configuration over one parameter."""
    width, height, left, top, bottom = 270.0, 170.0, 44.0, 10.0, 34.0
    wide, tall = width - left - 24, height - top - bottom
    low, high = min(t.figure for t in trials), max(t.figure for t in trials)
    parts = [
        f'<svg class="chart" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{text(parameter.name)}">'
    ]
    parts.append(f'<rect class="plot" x="{left}" y="{top}" width="{wide}" height="{tall}"/>')
    for place, label in axis_ticks(parameter):
        x = left + place * wide
        parts.append(f'<text class="tick" x="{x:.1f}" y="{top + tall + 14}" text-anchor="middle">{text(label)}</text>')
    for share, value in ((0.0, low), (1.0, high)):
        y = top + (1 - share) * tall + 4
        parts.append(f'<text class="tick" x="{left - 6}" y="{y:.1f}" text-anchor="end">{value:.3f}</text>')
    for trial in sorted(select_trials(trials), key=lambda t: t.number == winner):
        if parameter.name not in trial.values:
            continue
        share = relative_figure(trial.figure, trials)
        x, y = left + axis_position(parameter, trial.values[parameter.name]) * wide, top + (1 - share) * tall
        size, kind = (5.0, "point best") if trial.number == winner else (3.0, "point")
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{colour(share)}"/>')
    middle = left + wide / 2
    parts.append(f'<text class="axis" x="{middle}" y="{height - 4}" text-anchor="middle">{text(parameter.name)}</text>')
    return "".join([*parts, "</svg>"])


def curve_chart(curve: TuningCurve, metric: str) -> str:
    """Draw the tuning curve with its band over the number of configurations, on a logarithmic axis."""
    width, height, left, top, bottom = 720.0, 300.0, 60.0, 12.0, 44.0
    wide, tall = width - left - 16, height - top - bottom
    number = len(curve.median_N)
    seen = [*(v for v in curve.actual_N if v > 0), *curve.median_N]  # 0: only trials without a figure so far
    span = max(max(seen) - min(seen), 1e-3)
    low = max(0.0, min(seen) - 0.35 * span)
    high = max(seen) + 0.35 * span

    def place(n: int, value: float) -> tuple[float, float]:
        x = math.log(n) / math.log(number) if number > 1 else 0.5
        y = (min(max(value, low), high) - low) / (high - low)
        return left + x * wide, top + (1 - y) * tall

    band = [place(n + 1, v) for n, v in enumerate(curve.high_N)]
    band += [place(n + 1, v) for n, v in reversed(list(enumerate(curve.low_N)))]
    steps: list[tuple[float, float]] = []
    for n, value in enumerate(curve.actual_N):
        if steps:
            steps.append((place(n + 1, value)[0], steps[-1][1]))
        steps.append(place(n + 1, value))
    parts = [
        f'<svg class="wide-chart curve-chart" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        'aria-label="tuning curve">',
        f'<rect class="plot" x="{left}" y="{top}" width="{wide}" height="{tall}"/>',
        f'<polygon class="area" points="{points(band)}"/>',
        f'<polyline class="curve" points="{points([place(n + 1, v) for n, v in enumerate(curve.median_N)])}"/>',
        f'<polyline class="curve b" points="{points(steps)}"/>',
    ]
    counts = sorted({n for e in range(6) for n in (10**e, 2 * 10**e, 5 * 10**e) if n <= number} | {number})
    last = -100.0
    for n in counts:
        x, _ = place(n, low)
        if x - last > 34:
            parts.append(f'<text class="tick" x="{x:.1f}" y="{top + tall + 16}" text-anchor="middle">{n}</text>')
            last = x
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = low + share * (high - low)
        y = top + (1 - share) * tall
        parts.append(f'<line class="grid" x1="{left}" x2="{left + wide}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 7}" y="{y + 4:.1f}" text-anchor="end">{value:.3f}</text>')
    middle = left + wide / 2
    parts.append(f'<text class="axis" x="{middle}" y="{height - 6}" text-anchor="middle">configurations</text>')
    y = top + tall / 2
    parts.append(
        f'<text class="axis" x="14" y="{y}" text-anchor="middle" transform="rotate(-90 14 {y})">'
        f"best {text(metric)}</text>"
    )
    return "".join([*parts, "</svg>"])


def share_bar(share: float, low: float, high: float) -> str:
    """Draw a fraction as a bar and its interval as a line."""
    return (
        '<svg class="share" viewBox="0 0 300 16" aria-hidden="true">'
        '<rect class="rail" x="0" y="6" width="300" height="4"/>'
        f'<rect class="fill" x="0" y="3" width="{share * 300:.1f}" height="10" rx="2"/>'
        f'<line class="whisker" x1="{low * 300:.1f}" x2="{high * 300:.1f}" y1="8" y2="8"/></svg>'
    )


def _axis(x: float, y_of: object, name: str, ticks: Sequence[tuple[float, str]]) -> list[str]:
    assert callable(y_of)
    parts = [
        f'<line class="pole" x1="{x:.1f}" x2="{x:.1f}" y1="{y_of(0.0):.1f}" y2="{y_of(1.0):.1f}"/>',
        f'<text class="axis" x="{x:.1f}" y="{y_of(1.0) - 16:.1f}" text-anchor="middle">{text(name)}</text>',
    ]
    for place, label in ticks:
        y = y_of(place)
        parts.append(f'<line class="pole" x1="{x - 4:.1f}" x2="{x + 4:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick halo" x="{x + 8:.1f}" y="{y + 4:.1f}">{text(label)}</text>')
    return parts


def _label(value: Value) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return (
        f"{value:g}"
        if isinstance(value, int) or abs(value) >= 1e-3 or value == 0
        else f"{value:.0e}".replace("e-0", "e-")
    )
