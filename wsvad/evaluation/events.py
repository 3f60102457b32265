"""Event section of a report: metrics over all thresholds, and at an operating point not chosen on test videos."""

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
from wsvad.metrics.event_metrics import EventMetrics
from wsvad.metrics.event_options import EventOptions
from wsvad.metrics.footage import seconds_of, sweep_of
from wsvad.metrics.metric import Resamples, metric_to_dict
from wsvad.metrics.results import VideoResult
from wsvad.metrics.truth import truth_spans
from wsvad.report.svg import count, thin

HOURS_A_DAY = 24
NO_NORMAL = (
    "the manifest has no normal video of split val (those that training holds out by itself are not recorded there; "
    "give videos this split before training, e.g. by wsvad manifest --val-fraction)"
)
NO_POINT = "no operating point"
"""Reason of metrics that need one."""


@dataclass(frozen=True)
class OperatingPoint:
    """An operating point and its origin."""

    settings: EventSettings | None
    """None if there is no operating point."""
    source: str
    """``given``, ``thresholds``, ``validation`` or ``none``."""
    statement: str
    """Description; without an operating point, the reason and what to do."""


def choose_operating_point(
    options: EventOptions,
    thresholds: Thresholds | None,
    records: Sequence[VideoRecord],
    scored_ids: Sequence[str],
    load: Load,
    split: Split,
) -> OperatingPoint:
    """Return the given operating point, or else the one calibrated on normal validation videos.

    Args:
        options: event options.
        thresholds: content of the thresholds file, if the options name one.
        records: all records of the manifest.
        scored_ids: ids of videos with scores.
        load: returns the scores of a video id.
        split: the evaluated split.

    Raises:
        UsageError: scores of a validation video are invalid.
    """
    if thresholds is not None:
        return OperatingPoint(thresholds.settings_of(None), "thresholds", thresholds.calibration.pooled.statement)
    settings = options.settings()
    if options.event_high is not None:
        return OperatingPoint(settings, "given", "as given")
    normal = [r for r in records if r.split == "val" and r.label == 0 and not truth_spans(r)]
    scored = set(scored_ids)
    footage = [_footage(load(r.video_id), r.video_id, settings) for r in normal if r.video_id in scored]
    known = [part for part in footage if part is not None]
    if not known:
        why = NO_NORMAL if not normal else "no normal validation video has scores"
        statement = f"no operating point: {why}. Set --event-high, or --thresholds to a calibrated thresholds file"
        return OperatingPoint(None, "none", statement)
    found = threshold_of(known, settings, HOURS_A_DAY * options.event_rate)
    videos, events = count(len(known), "normal validation videos"), count(found.events, "events")
    statement = (
        f"from {videos} ({format_days(found.days)}) with {events}: below {_rate(found.below_per_day / HOURS_A_DAY)} "
        "false events per hour with 95% confidence"
    )
    if not found.proven:
        statement += f". This does not prove the requested {options.event_rate:g} per hour"
    if split == "val":
        statement += ". These videos are also evaluated here, so metrics at this point are optimistic"
    return OperatingPoint(with_high(settings, found.high), "validation", statement)


def _footage(scores: Any, video_id: str, settings: EventSettings) -> NormalFootage | None:
    check_scores(video_id, scores)
    seconds = seconds_of(scores)
    return None if seconds is None else NormalFootage((sweep_of(scores, settings),), seconds / DAY_S)


def events_section(
    results: Sequence[VideoResult], resamples: Resamples, options: EventOptions, point: OperatingPoint
) -> Mapping[str, Any]:
    """Compute all event metrics.

    Returns:
        The key ``events`` of the report, as JSON values. Without an operating point, metrics that need one have the
        reason.
    """
    settings = point.settings or options.settings()
    found = EventMetrics(results, settings, resamples)
    metrics = {name: metric_to_dict(metric) for name, metric in found.over_thresholds().items()}
    for name, bound in found.bounds().items():
        metrics[name]["false_events"] = asdict(bound)
    if point.settings is None:
        undefined: dict[str, Any] = {
            "value": None,
            "interval": None,
            "chance": None,
            "reason": point.statement,
            "counts": {},
        }
        metrics |= {name: dict(undefined) for name in POINT_DEFINITIONS}
    else:
        metrics |= {name: metric_to_dict(metric) for name, metric in found.at(settings.high).items()}
    tfa, missed = found.counts.curve()
    curve = [] if not found.true_events or np.isnan(tfa).any() else thin(*_with_start(tfa, missed))
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
        "figures": {name: metrics[name] | _meaning(name) for name in EVENT_DEFINITIONS},
        "curve": curve,
        "notes": _notes(found),
    }


def _with_start(tfa_L: Any, missed_L: Any) -> tuple[Any, Any]:
    """Return the curve from the threshold above all scores, up to a time-based false alarm of 1."""
    inside = tfa_L <= 1
    return np.concatenate(([0.0], tfa_L[inside])), np.concatenate(([1.0], missed_L[inside]))


def _notes(found: EventMetrics) -> list[str]:
    """Return notes on the limitations of the metrics: bounds that the footage does not prove, and excluded videos."""
    notes = []
    for rate, (name, bound) in zip(RATES, found.bounds().items(), strict=True):
        title = CURVE_DEFINITIONS[name].title
        if bound.per_hour_below is not None and bound.threshold is None:
            notes.append(f"{title}: even the highest score gives more false events")
        elif bound.per_hour_below is not None and not bound.proves(rate):
            false = count(bound.false_events, "false events")
            notes.append(
                f"{title}: {false} in {format_days(bound.hours / HOURS_A_DAY)}, which proves only a rate below "
                f"{_rate(bound.per_hour_below)} per hour (95% confidence); the metric is optimistic"
            )
    if found.left_out:
        notes.append(
            f"{count(len(found.left_out), 'videos')} without known true events or times excluded from these metrics: "
            + ", ".join(f"{name:.120}" for name in found.left_out[:8])
            + (f" and {len(found.left_out) - 8} more" if len(found.left_out) > 8 else "")
        )
    return notes


def _rate(value: float) -> str:
    """Format a rate with three digits, without an exponent."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _meaning(name: str) -> dict[str, Any]:
    definition = EVENT_DEFINITIONS[name]
    return {
        "title": definition.title,
        "definition": definition.text,
        "unit": definition.unit,
        "source": definition.source,
        "higher_is_better": definition.higher_is_better,
    }
