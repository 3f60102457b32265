"""Definitions of all event metrics, used by the report, its tables and the documentation."""

from __future__ import annotations

from typing import NamedTuple

from wsvad.metrics.operating_point import IOUS


class EventDefinition(NamedTuple):
    """Definition of one event metric."""

    title: str
    text: str
    unit: str
    source: str
    higher_is_better: bool = True


RATES = (1.0, 0.1)
"""False events per camera and hour at which recall is reported."""
MISS_TFA, AREA_TFA = 0.02, 0.2
FRACTION = "fraction, 0 to 1"
ACTEV = "NIST ActEV SDL V2 (ActEV_Scorer, protocol actev_sdl_v2)"

CURVE_DEFINITIONS = {
    **{
        f"event_recall@{rate:g}/hour": EventDefinition(
            f"Event recall at {rate:g} false {'event' if rate == 1 else 'events'} per hour",
            "Fraction of the true events that are detected at the lowest threshold down to which there are at most "
            f"{rate:g} false events per hour of footage. An event detects a true event if it covers 1 s of it, or half "
            "of a shorter one; each detects at most one. It is false if it does not overlap any true event.",
            FRACTION,
            "detection as in ActEV SDL V2; false events and rates are our own",
        )
        for rate in RATES
    },
    f"p_miss@{MISS_TFA}tfa": EventDefinition(
        f"Missed events at {MISS_TFA:g} false alarm time",
        "Fraction of the true events that are missed where the falling threshold reaches a time-based false alarm of "
        f"{MISS_TFA:g}: seconds in which more events are predicted than true, over the seconds without a true event. "
        "Linear between two thresholds; 1 if the highest one is beyond.",
        FRACTION,
        ACTEV,
        higher_is_better=False,
    ),
    f"nAUDC@{AREA_TFA}tfa": EventDefinition(
        f"nAUDC at {AREA_TFA:g} false alarm time",
        f"Mean fraction of missed events for a time-based false alarm from 0 to {AREA_TFA:g}: area under the curve "
        "from (0, 1), divided by its width.",
        FRACTION,
        ACTEV,
        higher_is_better=False,
    ),
}
"""Metrics over all thresholds, which need no operating point."""

POINT_DEFINITIONS = {
    "false_events_per_hour": EventDefinition(
        "False events per hour",
        "Number of events that do not overlap any true event, per hour of footage. The interval is the exact one of a "
        "Poisson rate.",
        "per camera and hour",
        "Garwood 1936",
        higher_is_better=False,
    ),
    **{
        name: definition
        for iou in IOUS
        for name, definition in {
            f"event_precision@{iou:g}iou": EventDefinition(
                f"Event precision at IoU {iou:g}",
                "Fraction of the predicted events that are matched with a true event. The temporal intersection over "
                f"union of a match is at least {iou:g}. Matches are one to one, a maximum matching.",
                FRACTION,
                "temporal action localisation; optimal instead of greedy matching, as an operating point has no order",
            ),
            f"event_recall@{iou:g}iou": EventDefinition(
                f"Event recall at IoU {iou:g}", "Fraction of the true events with a match.", FRACTION, "as precision"
            ),
            f"event_f1@{iou:g}iou": EventDefinition(
                f"Event F1 at IoU {iou:g}", "Harmonic mean of the two.", FRACTION, "as precision"
            ),
        }.items()
    },
    "delay_s": EventDefinition(
        "Delay",
        "Median time from the onset of a true event to the start of the first event that detects it, 0 if that starts "
        "earlier; over the detected true events.",
        "seconds",
        "an operating point",
        higher_is_better=False,
    ),
    "never_detected": EventDefinition(
        "Missed events",
        "Fraction of the true events that no event detects; here one event may detect several.",
        FRACTION,
        "an operating point",
        higher_is_better=False,
    ),
}
"""Metrics at one operating point."""

EVENT_DEFINITIONS = CURVE_DEFINITIONS | POINT_DEFINITIONS
"""Definitions by name, in the order of the report."""
