"""What every figure of events is: one text for the report, its tables and the docs."""

from __future__ import annotations

from typing import NamedTuple

from wsvad.metrics.operating import IOUS


class EventDefinition(NamedTuple):
    """Of one figure of events."""

    title: str
    text: str
    unit: str
    source: str
    higher_is_better: bool = True


RATES = (1.0, 0.1)
"""False events of a camera and hour at which recall is read off."""
MISS_TFA, AREA_TFA = 0.02, 0.2
SHARE = "share, 0 to 1"
ACTEV = "NIST ActEV SDL V2 (ActEV_Scorer, protocol actev_sdl_v2)"

CURVE_DEFINITIONS = {
    **{
        f"event_recall@{rate:g}/hour": EventDefinition(
            f"Event recall at {rate:g} false {'event' if rate == 1 else 'events'} an hour",
            "Share of the true events that are detected at the lowest threshold down to which the false events are at "
            f"most {rate:g} an hour of footage. An event detects a true one if it covers 1 s of it, or half of "
            "one that is shorter; each detects at most one. It is false if it shares no time with a true one.",
            SHARE,
            "detected as in ActEV SDL V2; false events and rates are ours",
        )
        for rate in RATES
    },
    f"p_miss@{MISS_TFA}tfa": EventDefinition(
        f"Missed events at {MISS_TFA:g} false alarm time",
        "Share of the true events that are not detected where the falling threshold reaches a time-based false alarm "
        f"of {MISS_TFA:g}: seconds in which more events are predicted than true, over the seconds without a true event."
        " Linear between two thresholds; 1 if the highest one is beyond.",
        SHARE,
        ACTEV,
        higher_is_better=False,
    ),
    f"nAUDC@{AREA_TFA}tfa": EventDefinition(
        f"nAUDC at {AREA_TFA:g} false alarm time",
        f"Mean share of missed events for a time-based false alarm from 0 to {AREA_TFA:g}: area under the curve, from "
        "(0, 1) on, over its width.",
        SHARE,
        ACTEV,
        higher_is_better=False,
    ),
}
"""Over all thresholds: no operating point is needed."""

POINT_DEFINITIONS = {
    "false_events_per_hour": EventDefinition(
        "False events an hour",
        "Events that share no time with a true one, over the hours of footage. The interval is the exact one of a "
        "Poisson rate.",
        "a camera and hour",
        "Garwood 1936",
        higher_is_better=False,
    ),
    **{
        name: definition
        for iou in IOUS
        for name, definition in {
            f"event_precision@{iou:g}iou": EventDefinition(
                f"Event precision at IoU {iou:g}",
                "Share of the predicted events that are paired with a true one. The intersection over union in time of "
                f"a pair is at least {iou:g}. Pairs are one to one, as many as there can be.",
                SHARE,
                "temporal action localisation; optimal instead of greedy pairs, as an operating point has no order",
            ),
            f"event_recall@{iou:g}iou": EventDefinition(
                f"Event recall at IoU {iou:g}", "Share of the true events that are paired so.", SHARE, "as precision"
            ),
            f"event_f1@{iou:g}iou": EventDefinition(
                f"Event F1 at IoU {iou:g}", "Harmonic mean of the two.", SHARE, "as precision"
            ),
        }.items()
    },
    "delay_s": EventDefinition(
        "Delay",
        "Median time from the onset of a true event to the start of the first event that detects it, 0 if that was "
        "there before; over the true events that are detected.",
        "seconds",
        "an operating point",
        higher_is_better=False,
    ),
    "never_detected": EventDefinition(
        "Never detected",
        "Share of the true events that no event detects; here one event may detect several.",
        SHARE,
        "an operating point",
        higher_is_better=False,
    ),
}
"""At one operating point."""

EVENT_DEFINITIONS = CURVE_DEFINITIONS | POINT_DEFINITIONS
"""By name, in the order of the report."""
