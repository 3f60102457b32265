"""``report.html``: a self-contained HTML file, for light and dark mode, screen and print."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np

from wsvad.evaluation.summary import describe_point
from wsvad.features.config_text import config_phrase
from wsvad.metrics.definitions import DEFINITIONS
from wsvad.metrics.event_definitions import AREA_TFA, EVENT_DEFINITIONS
from wsvad.metrics.results import VideoResult, displayed_size
from wsvad.report import heatmaps, timelines
from wsvad.report.charts import Line, chart, interval_bar
from wsvad.report.frames import Pictures
from wsvad.report.svg import clock, count, number
from wsvad.report.templates import environment, style
from wsvad.scores.grid import view_of

Document = Mapping[str, Any]
HEADLINES = (
    "frame_auc",
    "frame_ap",
    "anomalous_auc",
    "video_auc",
    "region_auc",
    "pointing_clips",
    "rbdc",
    "false_alarm_rate",
)
KINDS = ("normal", "anomalous")
TEMPLATE = "report.html.j2"
SHORT = {"pointing_clips": "Pointing", "anomalous_auc": "Anomalous videos AUC"}


@dataclass(frozen=True)
class PageInput:
    """Input of the page."""

    document: Document
    """Content of ``report.json``."""
    results: Sequence[VideoResult]
    pictures: Pictures
    features_config: Mapping[str, Any]


def page(given: PageInput) -> str:
    """Return the complete HTML document."""
    document = given.document
    scale, strips = _timelines(given)
    heat_scale, heats = _heats(given)
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            document=document,
            definitions=DEFINITIONS,
            style=style(),
            facts=_facts(document),
            headlines={name: SHORT.get(name, DEFINITIONS[name].title) for name in HEADLINES},
            event_definitions=EVENT_DEFINITIONS,
            event_point=describe_point(document["events"]) if "events" in document else "",
            event_chart=_event_chart(document),
            charts=_charts(document),
            scale=scale,
            timelines=strips,
            heat_scale=heat_scale,
            heats=heats,
            kinds=KINDS,
            origin=_origin(document),
        )
    )


@functools.cache
def _environment() -> jinja2.Environment:
    """Return the environment of the template; undefined names are errors."""
    env = environment("wsvad.evaluation")
    env.filters |= {
        "number": number,
        "count": count,
        "clock": clock,
        "spread": _spread,
        "whole": lambda value: "–" if value is None else f"{value:,}",
        "percent": lambda value: f"{value:.0%}",
        "short": lambda value: f"{value:g}",
    }
    env.globals["bar"] = lambda metric: interval_bar(metric["value"], metric["interval"], metric["chance"])
    return env


def _spread(interval: Sequence[float] | None, digits: int = 3) -> str:
    return f"{number(interval[0], digits)} – {number(interval[1], digits)}" if interval else ""


def _facts(document: Document) -> list[str]:
    videos = document["videos"]
    return [
        f"{count(videos['evaluated'], 'videos')} of split {document['split']}",
        f"{videos['anomalous']} anomalous, {videos['normal']} normal",
        f"frame truth: {document['options']['truth_mode']}",
        f"features: {config_phrase(document['features'])}",
        str(document["created_utc"]),
    ]


def _charts(document: Document) -> list[str]:
    curves, metrics = document["curves"], document["metrics"]

    def lines(kind: str, named: dict[str, tuple[str, str, str]]) -> list[Line]:
        return [
            Line(label, style, [(x, y) for x, y in curves[key]], metrics[metric]["value"])
            for key, (label, style, metric) in named.items()
            if key in curves
        ]

    roc = lines(
        "roc", {"frame_roc": ("frames, AUC", "a", "frame_auc"), "region_roc": ("cuboids, AUC", "b", "region_auc")}
    )
    pr = lines("pr", {"frame_pr": ("frames, AP", "a", "frame_ap"), "region_pr": ("cuboids, AP", "b", "region_ap")})
    found = lines("dc", {"rbdc": ("regions, RBDC", "a", "rbdc"), "tbdc": ("tracks, TBDC", "b", "tbdc")})
    parts = []
    if roc:
        diagonal = [Line("chance", "", [(0, 0), (1, 1)])]
        parts.append(chart("ROC", "false alarm rate", "detection rate", roc, diagonal))
    if pr:
        levels = [(m["chance"], s) for m, s in ((metrics["frame_ap"], "a"), (metrics["region_ap"], "b"))]
        chance = [Line("chance", style, [(0, level), (1, level)]) for level, style in levels if level is not None]
        parts.append(chart("Precision and recall", "recall", "precision", pr, chance))
    if found:
        parts.append(chart("Spatial detection", "false positives per frame", "detected", found, []))
    return parts


def _event_chart(document: Document) -> str:
    """Return the chart of missed events over false alarm time; empty without such a curve."""
    events = document.get("events")
    if not events or not events["curve"]:
        return ""
    figure = events["figures"][f"nAUDC@{AREA_TFA}tfa"]["value"]
    line = Line(f"missed, nAUDC to {AREA_TFA:g}", "a", [(x, y) for x, y in events["curve"]], figure)
    return chart("Missed events", "time-based false alarm", "missed", [line], [])


def _timelines(given: PageInput) -> tuple[timelines.Scale, list[tuple[str, list[timelines.Strip]]]]:
    """Return the common scale, and the strips of each group with videos."""
    rows = given.document["per_video"]
    threshold = given.document["options"]["threshold"]
    low = min(float(r.scores.score_T.min()) for r in given.results)
    high = max(float(r.scores.score_T.max()) for r in given.results)
    scale = timelines.common_scale(low, high)
    groups = [
        (name, [timelines.strip(given.results[n], rows[n], scale, threshold) for n in members])
        for name, members in timelines.choose(given.results, rows)
        if members
    ]
    return scale, groups


def _heats(given: PageInput) -> tuple[timelines.Scale, list[heatmaps.Heat]]:
    """Return the common scale, and the heat maps; none if no video has cuboid scores."""
    rows = given.document["per_video"]
    chosen = heatmaps.choose(given.results, rows)
    if not chosen:
        return (0.0, 1.0), []
    peaks = [_peak_scores(given.results[n]) for n in chosen]
    scale = timelines.common_scale(min(float(p.min()) for p in peaks), max(float(p.max()) for p in peaks))
    drawn = []
    for n in chosen:
        result = given.results[n]
        width, height = displayed_size(result.record, result.scores)
        view = view_of(given.features_config, width, height) if width and height else None
        frame = given.pictures.get(result.record.video_id)
        drawn.append(heatmaps.picture(result, rows[n], view, scale, frame))
    return scale, drawn


def _peak_scores(result: VideoResult) -> np.ndarray:
    cuboids = result.scores.cuboid_scores_TK
    return np.zeros(1) if cuboids is None else np.asarray(cuboids[result.peak_clip])


def _origin(document: Document) -> list[str]:
    shown = {key: document[key] for key in ("command", "inputs", "options", "versions", "identity")}
    return json.dumps(shown, indent=1, ensure_ascii=False).split("\n")
