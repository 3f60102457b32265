"""Tells those on call how a night ended: figures that outlive the cluster, in a textfile or at a push gateway."""

from __future__ import annotations

import logging
import math
import time

from wsvad.errors import EXIT_OK, StorageError
from wsvad.nightly.exposition import PREFIX, Figure, push, write_textfile
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.summary import RescoreSummary

log = logging.getLogger(__name__)

JOB = "wsvad_rescore"
LAST_SUCCESS = "last_success_timestamp_seconds"
_WENT_WELL = "When the last run ended that went well."


def figures_of(summary: RescoreSummary, now_s: float) -> list[Figure]:
    """Return what is told of a night.

    ``last_success_timestamp_seconds`` is left out of a night that did not end well: what was told of the last good one
    stays at a push gateway, and grows old.
    """
    by_state = ("scored", "short", "failed", "waiting", "gone", "purged")
    figures = [
        _one("last_run_timestamp_seconds", "When the last run ended.", now_s),
        _one("exit_code", "Of the last run.", summary.exit_code),
        _one("duration_seconds", "Of the last run.", summary.elapsed_s),
        _one("videos_listed", "Videos in the archive.", summary.listed),
        Figure(
            "videos", "Videos by what became of them.",
            [({"state": name}, float(getattr(summary, name))) for name in by_state],
        ),
        _one("footage_seconds", "Footage with scores.", summary.footage_s),
        _one("missing_seconds", "Footage of the archive without scores.", summary.missing_s),
        _one("lag_seconds", "How long the oldest footage has been waiting for scores.", summary.lag_s),
        _one("events", "Events that readers are shown.", summary.events),
        Figure(
            "event_changes", "Events against the night before.",
            [({"change": name}, float(summary.changes.get(name, 0))) for name in ("new", "moved", "gone", "kept")],
        ),
        _one("clips_extracted", "Clips that the last run extracted.", summary.clips_now),
        _one("clips_scored", "Clips that the last run scored.", summary.scored_now),
        _one("decode_wait_seconds", "Worker time spent waiting for the decoder, last run.", summary.decode_s),
        _one("model_seconds", "Worker time spent in networks, last run.", summary.model_s),
        _one("models", "Models that scored the archive.", summary.models),
        _one("retention_held", "1: the brake kept footage that is older than its retention.", summary.retention_held),
        *_drift(summary),
    ]  # fmt: skip
    if summary.exit_code == EXIT_OK:
        figures.append(_one(LAST_SUCCESS, _WENT_WELL, now_s))
    return figures


def _drift(summary: RescoreSummary) -> list[Figure]:
    """Figures of each camera; of a camera of which something is not known, there is no sample of that.

    What is known of no camera is told as well, as a sample that is no number: a push gateway keeps every figure that
    it is not sent, so that a camera whose references were dropped would stay moved, or covered.
    """
    told = (
        ("camera_psi", "psi", "Population stability index of the newest scores against the reference."),
        (
            "camera_wasserstein",
            "wasserstein",
            "Distance of the newest scores from the reference, in units of the score.",
        ),
        ("camera_drifted", "drifted", "1: the newest scores are far from the reference."),
        ("camera_judged", "judged", "0: the camera has too little footage to say whether its scores drifted."),
        ("camera_events", "events", "Events of the newest footage."),
        ("camera_events_low", "events_low", "Least events that are usual in so much footage."),
        ("camera_events_high", "events_high", "Most of them."),
        ("camera_events_unusual", "unusual", "1: fewer or more events than are usual."),
        ("camera_moved", "moved", "1: the newest pictures show another scene than the reference."),
        ("camera_covered", "covered", "1: the newest pictures show next to nothing."),
    )
    figures = []
    for name, key, about in told:
        samples = [({"camera": c["camera"]}, float(c[key])) for c in summary.drift if c[key] is not None]
        figures.append(Figure(name, about, samples or [({"camera": ""}, math.nan)]))
    return figures


def tell(options: RescoreOptions, summary: RescoreSummary) -> None:
    """Write and send the figures of a night. Raises ``StorageError`` when all that can be told was told."""
    problems = _tell(options, figures_of(summary, time.time()))
    if problems:
        raise StorageError(f"the night itself ended with {summary.exit_code}, but: {'; '.join(problems)}")


def tell_failure(options: RescoreOptions, exit_code: int) -> None:
    """Write and send that a run ended by an error; never raises, since the error is what is to be seen."""
    now_s = time.time()
    figures = [
        _one("last_run_timestamp_seconds", "When the last run ended.", now_s),
        _one("exit_code", "Of the last run.", exit_code),
    ]
    for problem in _tell(options, figures):
        log.error("%s", problem)


def _tell(options: RescoreOptions, figures: list[Figure]) -> list[str]:
    """Write and send figures; return what went wrong."""
    problems = []
    if options.textfile:
        try:
            write_textfile(options.textfile, _with_last_success(options.textfile, figures))
        except StorageError as error:
            problems.append(str(error))
    if options.push:
        try:
            push(options.push, JOB, figures)
        except StorageError as error:
            problems.append(str(error))
    return problems


def _with_last_success(path: str, figures: list[Figure]) -> list[Figure]:
    """Take over when the last good night was from the file that is there: it is replaced as a whole."""
    if any(figure.name == LAST_SUCCESS for figure in figures):
        return figures
    earlier = last_success(path)
    return figures if earlier is None else [*figures, _one(LAST_SUCCESS, _WENT_WELL, earlier)]


def last_success(path: str) -> float | None:
    """Return when the last good night ended, as a textfile says it; ``None`` where it does not."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(f"{PREFIX}{LAST_SUCCESS} "):
                    return float(line.split()[1])
    except (OSError, ValueError, IndexError) as error:
        log.debug("%s: %s", path, error)
    return None


def _one(name: str, about: str, value: float) -> Figure:
    return Figure(name, about, [({}, float(value))])
