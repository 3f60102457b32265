"""Charts as inline SVG; colours are CSS classes of the style sheet."""

from __future__ import annotations

from dataclasses import dataclass

from wsvad.report.svg import number, points, text

SIDE = 260.0
LEFT, TOP, RIGHT, BOTTOM = 44.0, 10.0, 12.0, 40.0
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Line:
    """One curve of a chart; both axes go from 0 to 1."""

    name: str
    style: str
    """CSS class, ``a`` or ``b``."""
    points: list[tuple[float, float]]
    figure: float | None = None
    """Value shown in the legend."""


def chart(title: str, x_name: str, y_name: str, lines: list[Line], chance: list[Line]) -> str:
    """Return curves over the unit square, with dashed lines for chance level and a legend, as HTML."""
    width, height = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
    parts = [
        f'<svg class="chart" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{text(title)}">',
        *_axes(x_name, y_name),
        *(f'<polyline class="chance {text(c.style)}" points="{points(_placed(c.points))}"/>' for c in chance),
        *(f'<polyline class="curve {text(line.style)}" points="{points(_placed(line.points))}"/>' for line in lines),
        "</svg>",
    ]
    legend = "".join(
        f'<li><i class="{text(line.style)}"></i>{text(line.name)}'
        + (f" <b>{number(line.figure)}</b>" if line.figure is not None else "")
        + "</li>"
        for line in lines
    )
    return f'<figure><figcaption>{text(title)}</figcaption>{"".join(parts)}<ul class="legend">{legend}</ul></figure>'


def _placed(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(LEFT + x * SIDE, TOP + (1 - y) * SIDE) for x, y in pairs]


def _axes(x_name: str, y_name: str) -> list[str]:
    parts = [f'<rect class="plot" x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>']
    for tick in TICKS:
        x, y = LEFT + tick * SIDE, TOP + (1 - tick) * SIDE
        label = f"{tick:g}"
        parts += [
            f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{TOP + SIDE}"/>',
            f'<line class="grid" x1="{LEFT}" x2="{LEFT + SIDE}" y1="{y}" y2="{y}"/>',
            f'<text class="tick" x="{x}" y="{TOP + SIDE + 15}" text-anchor="middle">{label}</text>',
            f'<text class="tick" x="{LEFT - 7}" y="{y + 3.5}" text-anchor="end">{label}</text>',
        ]
    middle = TOP + SIDE / 2
    return [
        *parts,
        f'<text class="axis" x="{LEFT + SIDE / 2}" y="{TOP + SIDE + 33}" text-anchor="middle">{text(x_name)}</text>',
        f'<text class="axis" x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">'
        f"{text(y_name)}</text>",
    ]


def interval_bar(value: float, spread: list[float] | None, chance: float | None) -> str:
    """Return a line from 0 to 1 with the value as a dot, its interval as a bar and chance level as a tick, as SVG."""
    low, high = spread or (value, value)
    tick = (
        ""
        if chance is None
        else f'<line class="chance" x1="{chance * 200:.1f}" x2="{chance * 200:.1f}" y1="1" y2="13"/>'
    )
    return (
        '<svg class="bar" viewBox="-5 0 210 14" aria-hidden="true">'
        f'<rect class="rail" x="0" y="6" width="200" height="2"/>{tick}<rect class="spread" x="{low * 200:.1f}" y="4" '
        f'width="{max(high - low, 0) * 200:.1f}" height="6" rx="3"/>'
        f'<circle class="dot" cx="{min(value, 1) * 200:.1f}" cy="7" r="4.5"/></svg>'
    )
