"""Metrics of a nightly run for monitoring: in a textfile or at a Pushgateway, where they outlive the cluster."""

from __future__ import annotations

import logging
import math
import time

from wsvad.errors import EXIT_OK, StorageError
from wsvad.nightly.exposition import PREFIX, Metric, push, write_textfile
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.summary import RescoreSummary

log = logging.getLogger(__name__)

JOB = "wsvad_rescore"
LAST_SUCCESS = "last_success_timestamp_seconds"
_LAST_SUCCESS_HELP = "When the last successful run ended."


def metrics_of(summary: RescoreSummary, now_s: float) -> list[Metric]:
    """Return the metrics of a nightly run.

    ``last_success_timestamp_seconds`` is only part of a successful run: a Pushgateway keeps the value of the last
    successful run, which then grows old.
    """
    by_state = ("scored", "short", "failed", "waiting", "gone", "purged")
    metrics = [
        _sample("last_run_timestamp_seconds", "When the last run ended.", now_s),
        _sample("exit_code", "Exit code of the last run.", summary.exit_code),
        _sample("duration_seconds", "Duration of the last run.", summary.elapsed_s),
        _sample("videos_listed", "Videos in the archive.", summary.listed),
        Metric(
            "videos", "Videos by state.",
            [({"state": name}, float(getattr(summary, name))) for name in by_state],
        ),
        _sample("footage_seconds", "Footage with scores.", summary.footage_s),
        _sample("missing_seconds", "Footage of the archive without scores.", summary.missing_s),
        _sample("lag_seconds", "Waiting time of the oldest footage without scores.", summary.lag_s),
        _sample("events", "Events of the champion.", summary.events),
        Metric(
            "event_changes", "Changes of events relative to the previous night.",
            [({"change": name}, float(summary.changes.get(name, 0))) for name in ("new", "moved", "gone", "kept")],
        ),
        _sample("clips_extracted", "Clips that the last run extracted.", summary.clips_now),
        _sample("clips_scored", "Clips that the last run scored.", summary.scored_now),
        _sample("decode_wait_seconds", "Worker time spent waiting for the decoder, last run.", summary.decode_s),
        _sample("model_seconds", "Worker time of network inference, last run.", summary.model_s),
        _sample("models", "Models that scored the archive.", summary.models),
        _sample("retention_held", "1: the purge of expired footage was refused.", summary.retention_held),
        *_drift(summary),
    ]  # fmt: skip
    if summary.exit_code == EXIT_OK:
        metrics.append(_sample(LAST_SUCCESS, _LAST_SUCCESS_HELP, now_s))
    return metrics


def _drift(summary: RescoreSummary) -> list[Metric]:
    """Return the metrics of each camera; an unknown value has no sample.

    A metric that is unknown for every camera gets one NaN sample: a Pushgateway keeps every metric that is not sent, so
    a camera whose reference was deleted would otherwise stay moved or covered.
    """
    exported = (
        ("camera_psi", "psi", "Population stability index of the newest scores against the reference."),
        (
            "camera_wasserstein",
            "wasserstein",
            "Distance of the newest scores from the reference, in units of the score.",
        ),
        ("camera_drifted", "drifted", "1: the newest scores are far from the reference."),
        ("camera_judged", "judged", "0: the camera has too little footage to determine whether its scores drifted."),
        ("camera_events", "events", "Events of the newest footage."),
        ("camera_events_low", "events_low", "Lower bound of the usual number of events for this much footage."),
        ("camera_events_high", "events_high", "Upper bound of the usual number of events for this much footage."),
        ("camera_events_unusual", "unusual", "1: the number of events is outside of the usual range."),
        ("camera_moved", "moved", "1: the newest pictures show another scene than the reference."),
        ("camera_covered", "covered", "1: the newest pictures show almost no detail."),
    )
    metrics = []
    for name, key, about in exported:
        samples = [({"camera": c["camera"]}, float(c[key])) for c in summary.drift if c[key] is not None]
        metrics.append(Metric(name, about, samples or [({"camera": ""}, math.nan)]))
    return metrics


def export_metrics(options: RescoreOptions, summary: RescoreSummary) -> None:
    """Export the metrics of a nightly run. Raises ``StorageError`` after trying all targets."""
    problems = _export(options, metrics_of(summary, time.time()))
    if problems:
        raise StorageError(f"the nightly run ended with exit code {summary.exit_code}, but: {'; '.join(problems)}")


def export_failure(options: RescoreOptions, exit_code: int) -> None:
    """Export the metrics of a run that raised an error; log problems, so that the original error is reported."""
    now_s = time.time()
    metrics = [
        _sample("last_run_timestamp_seconds", "When the last run ended.", now_s),
        _sample("exit_code", "Of the last run.", exit_code),
    ]
    for problem in _export(options, metrics):
        log.error("%s", problem)


def _export(options: RescoreOptions, metrics: list[Metric]) -> list[str]:
    """Write and send metrics; return the problems."""
    problems = []
    if options.textfile:
        try:
            write_textfile(options.textfile, _with_last_success(options.textfile, metrics))
        except StorageError as error:
            problems.append(str(error))
    if options.push:
        try:
            push(options.push, JOB, metrics)
        except StorageError as error:
            problems.append(str(error))
    return problems


def _with_last_success(path: str, metrics: list[Metric]) -> list[Metric]:
    """Add the time of the last successful run from the existing file, because the file is replaced as a whole."""
    if any(metric.name == LAST_SUCCESS for metric in metrics):
        return metrics
    earlier = last_success(path)
    return metrics if earlier is None else [*metrics, _sample(LAST_SUCCESS, _LAST_SUCCESS_HELP, earlier)]


def last_success(path: str) -> float | None:
    """Return the time of the last successful run from a textfile; ``None`` if it has none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(f"{PREFIX}{LAST_SUCCESS} "):
                    return float(line.split()[1])
    except (OSError, ValueError, IndexError) as error:
        log.debug("%s: %s", path, error)
    return None


def _sample(name: str, about: str, value: float) -> Metric:
    return Metric(name, about, [({}, float(value))])
