"""What a report says of events: figures over all thresholds, and at an operating point that no test video chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wsvad.evaluation.gather import Load, check_scores
from wsvad.events.calibration import DAY_S, format_days, threshold_of
from wsvad.events.calibration import Footage as NormalFootage
from wsvad.events.config import EventSettings
from wsvad.events.sweep import with_high
from wsvad.events.thresholds import Thresholds
from wsvad.manifest.names import Split
from wsvad.manifest.records import VideoRecord
from wsvad.metrics.event_definitions import CURVE_DEFINITIONS, EVENT_DEFINITIONS, POINT_DEFINITIONS, RATES
from wsvad.metrics.event_figures import EventFigures
from wsvad.metrics.event_options import EventOptions
from wsvad.metrics.figures import Draws, plain
from wsvad.metrics.footage import seconds_of, sweep_of
from wsvad.metrics.results import VideoResult
from wsvad.metrics.truth import truth_spans
from wsvad.report.svg import count, thin

HOURS_A_DAY = 24
NO_POINT = "no operating point"
"""Reason of the figures that need one."""


@dataclass(frozen=True)
class Point:
    """An operating point and where it comes from."""

    settings: EventSettings | None
    """None: there is none."""
    source: str
    """``given``, ``thresholds``, ``validation`` or ``none``."""
    statement: str
    """In words; where there is none, why, and what to do about it."""


def choose_point(
    options: EventOptions,
    thresholds: Thresholds | None,
    records: Sequence[VideoRecord],
    scored_ids: Sequence[str],
    load: Load,
    split: Split,
) -> Point:
    """Return the operating point that was given, else the one that the normal validation videos give.

    Args:
        options: what was asked for.
        thresholds: the file that the options name, read.
        records: the whole manifest.
        scored_ids: ids that have scores.
        load: from an id to its scores.
        split: that is evaluated.

    Raises:
        UsageError: scores of a validation video that no model gives.
    """
    if thresholds is not None:
        return Point(thresholds.settings_of(None), "thresholds", thresholds.calibration.pooled.statement)
    settings = options.settings()
    if options.event_high is not None:
        return Point(settings, "given", "as given")
    normal = [r for r in records if r.split == "val" and r.label == 0 and not truth_spans(r)]
    there = set(scored_ids)
    footage = [_footage(load(r.video_id), r.video_id, settings) for r in normal if r.video_id in there]
    known = [part for part in footage if part is not None]
    if not known:
        why = "the manifest has no normal validation video" if not normal else "no normal validation video has scores"
        said = f"no operating point: {why}. Give --event-high, or --thresholds with a file of calibrated thresholds"
        return Point(None, "none", said)
    found = threshold_of(known, settings, HOURS_A_DAY * options.event_rate)
    videos, events = count(len(known), "normal validation videos"), count(found.events, "events")
    said = (
        f"from {videos} ({format_days(found.days)}), {events} there: below {_rate(found.below_per_day / HOURS_A_DAY)} "
        "false events an hour with 95% confidence"
    )
    if not found.proven:
        said += f". This does not prove the {options.event_rate:g} an hour that were asked for"
    if split == "val":
        said += ". These videos are evaluated here, too: the figures at this point are not those of other videos"
    return Point(with_high(settings, found.high), "validation", said)


def _footage(scores: Any, video_id: str, settings: EventSettings) -> NormalFootage | None:
    check_scores(video_id, scores)
    seconds = seconds_of(scores)
    return None if seconds is None else NormalFootage((sweep_of(scores, settings),), seconds / DAY_S)


def events_section(
    results: Sequence[VideoResult], draws: Draws, options: EventOptions, point: Point
) -> Mapping[str, Any]:
    """Compute every figure of events.

    Returns:
        The key ``events`` of the report; JSON values only. ``figures`` at the operating point have the reason where
        there is no operating point.
    """
    settings = point.settings or options.settings()
    found = EventFigures(results, settings, draws)
    figures = {name: plain(metric) for name, metric in found.over_thresholds().items()}
    for name, bound in found.bounds().items():
        figures[name]["false_events"] = asdict(bound)
    if point.settings is None:
        nothing: dict[str, Any] = {
            "value": None,
            "interval": None,
            "chance": None,
            "reason": point.statement,
            "counts": {},
        }
        figures |= {name: dict(nothing) for name in POINT_DEFINITIONS}
    else:
        figures |= {name: plain(metric) for name, metric in found.at(settings.high).items()}
    share, missed = found.counts.curve()
    curve = [] if not found.true_events or np.isnan(share).any() else thin(*_start(share, missed))
    shown = settings.to_dict()
    return {
        "point": {
            "source": point.source,
            "statement": point.statement,
            "high": None if point.settings is None else shown["high"],
            "low": None if point.settings is None else shown["low"],
        },
        "post_processing": {
            "low_share": shown["low"] / shown["high"] if shown["high"] else 1.0,
            **{name: shown[name] for name in ("gap_s", "smooth_s", "min_length_s")},
        },
        "videos": len(found.members),
        "left_out": found.left_out,
        "hours": found.hours,
        "true_events": found.true_events,
        "figures": {name: figures[name] | _meaning(name) for name in EVENT_DEFINITIONS},
        "curve": curve,
        "notes": _notes(found),
    }


def _start(share_L: Any, missed_L: Any) -> tuple[Any, Any]:
    """The curve from the threshold above all scores on, as far as all the normal time."""
    inside = share_L <= 1
    return np.concatenate(([0.0], share_L[inside])), np.concatenate(([1.0], missed_L[inside]))


def _notes(found: EventFigures) -> list[str]:
    """What the figures do not show: how little the footage proves, and what is left out."""
    said = []
    for rate, (name, bound) in zip(RATES, found.bounds().items(), strict=True):
        title = CURVE_DEFINITIONS[name].title
        if bound.per_hour_below is not None and bound.threshold is None:
            said.append(f"{title}: even the highest score is reached by more false events than that")
        elif bound.per_hour_below is not None and not bound.proves(rate):
            false = count(bound.false_events, "false events")
            said.append(
                f"{title}: {false} in {format_days(bound.hours / HOURS_A_DAY)}, which proves only a rate below "
                f"{_rate(bound.per_hour_below)} an hour (95% confidence); the figure is optimistic"
            )
    if found.left_out:
        said.append(
            f"{count(len(found.left_out), 'videos')} without known true events or times left out of these figures: "
            + ", ".join(f"{name:.120}" for name in found.left_out[:8])
            + (f" and {len(found.left_out) - 8} more" if len(found.left_out) > 8 else "")
        )
    return said


def _rate(value: float) -> str:
    """Three digits, without an exponent where they are many."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _meaning(name: str) -> dict[str, Any]:
    what = EVENT_DEFINITIONS[name]
    return {
        "title": what.title,
        "definition": what.text,
        "unit": what.unit,
        "source": what.source,
        "higher_is_better": what.higher_is_better,
    }
