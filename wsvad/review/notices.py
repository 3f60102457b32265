"""Notices of a review page: unscored footage, drift, failures, and what is not shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from wsvad.nightly.coverage import Coverage
from wsvad.nightly.drift_results import Drift
from wsvad.review.choice import Choice
from wsvad.review.config import ChoiceOptions, MediaOptions

Level = Literal["info", "warning", "error"]
_ORDER = ("error", "warning", "info")
_MAX_NAMES = 5


class Notice(NamedTuple):
    """A notice in the banner of the page."""

    level: Level
    code: str
    """``coverage``, ``failure``, ``drift``, ``purge``, ``sampling``, ``media`` or ``privacy``."""
    text: str


CASE = Notice("info", "coverage", "this is a case with selected events; other events are not on this page")
UNPICTURED = Notice("info", "media", "pictures are disabled")

_HIDDEN = {
    "faces": "Faces are pixelated where detected (best effort). Small, covered or turned faces may be missed, and "
    "clothes and gait are not hidden.",
    "people": "People, faces and everything else that moves are pixelated where detected (best effort). People who "
    "stand still may be missed.",
}


def privacy_of(options: MediaOptions) -> dict[str, str | None]:
    """Return what is pixelated in pictures, for the document and summaries; None without pictures."""
    mode = options.pixelate if options.media else None
    return {"pixelated": mode, "text": _HIDDEN[mode] if mode else None}


def worst_first(notices: Iterable[Notice]) -> list[dict[str, str]]:
    """Return notices as JSON values in the order error, warning, info."""
    ordered = sorted(notices, key=lambda notice: _ORDER.index(notice.level))
    return [notice._asdict() for notice in ordered]


def night_notices(report: Mapping[str, Any], model: str) -> list[Notice]:
    """Return the notices about a nightly run."""
    found: list[Notice] = []
    if "coverage" in report:
        found += _of_coverage(Coverage.from_dict(report["coverage"]))
    drift = Drift.from_report(report, model)
    drifted = [c.camera for c in drift.cameras if c.scores.drifted]
    if drifted:
        text = f"the scores of {_names(drifted)} have drifted: their thresholds may no longer be valid"
        found.append(Notice("warning", "drift", text))
    covered = [c.camera for c in drift.cameras if c.view.covered]
    if covered:
        found.append(Notice("error", "drift", f"{_names(covered)}: the newest pictures show almost no detail"))
    moved = [c.camera for c in drift.cameras if c.view.moved]
    if moved:
        text = f"{_names(moved)}: the newest pictures show another scene than before; check if the camera was moved"
        found.append(Notice("warning", "drift", text))
    unusual = [c.camera for c in drift.cameras if c.events.unusual]
    if unusual:
        found.append(Notice("info", "drift", f"unusual number of events: {_names(unusual)}"))
    return found


def _of_coverage(coverage: Coverage) -> list[Notice]:
    found: list[Notice] = []
    for state, words in (
        ("failed", "cannot be processed"),
        ("waiting", "could not be read yet"),
    ):
        videos = [u.video_id for u in coverage.unscored if u.state == state]
        if videos:
            found.append(
                Notice("error", "failure", f"{_count(len(videos), 'video')} without scores ({words}): {_names(videos)}")
            )
    short = [u.video_id for u in coverage.unscored if u.state == "short"]
    if short:
        found.append(
            Notice("warning", "coverage", f"{_count(len(short), 'video')} with missing clips: {_names(short)}")
        )
    purged, gone = int(coverage.total("purged")), int(coverage.total("gone"))
    if purged:
        found.append(Notice("info", "purge", f"{_count(purged, 'video')} of the archive purged and skipped"))
    if gone:
        found.append(Notice("info", "coverage", f"{_count(gone, 'video')} with scores no longer in the archive"))
    return found


def choice_notices(choice: Choice, options: ChoiceOptions) -> list[Notice]:
    """Return the notices about events that are not shown and about control spans."""
    found: list[Notice] = []
    if choice.below:
        text = f"{_count(choice.below, 'event')} below the limit of --top not on this page (--top {options.top})"
        found.append(Notice("warning", "coverage", text))
    if choice.other:
        what = " and ".join([*(["days"] if options.day else []), *(["cameras"] if options.camera else [])])
        found.append(Notice("info", "coverage", f"{_count(choice.other, 'event')} of other {what} not on this page"))
    if choice.controls:
        text = (
            f"{_count(choice.controls, 'control span')} without events added, evenly over the cameras (seed "
            f"{options.seed}); they are identified after the verdict"
        )
        found.append(Notice("info", "sampling", text))
    if choice.lacking:
        text = f"{_count(choice.lacking, 'requested control span')} not available: there is too little footage"
        found.append(Notice("warning", "sampling", text))
    return found


def footage_notices(not_scored_s: float, unknown: int) -> list[Notice]:
    """Return the notices about unscored footage."""
    if not not_scored_s and not unknown:
        return []
    hours = f"{not_scored_s / 3600:.2f} hours of footage"
    more = f" and {_count(unknown, 'span')} of unknown length" if unknown else ""
    return [Notice("warning", "coverage", f"{hours}{more} without scores: the absence of events there means nothing")]


def media_notices(failures: Mapping[str, str], waiting: int = 0) -> list[Notice]:
    """Return the notices about missing pictures; ``failures`` are reasons by event id."""
    found: list[Notice] = []
    if failures:
        example = next(iter(failures.values()))
        text = f"no pictures for {_count(len(failures), 'event')}, e.g. {example:.300}"
        found.append(Notice("error", "media", text))
    if waiting:
        found.append(Notice("info", "media", f"pictures of {_count(waiting, 'event')} are created on demand"))
    return found


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _names(names: list[str]) -> str:
    shown = ", ".join(f"{name:.80}" for name in names[:_MAX_NAMES])
    return shown if len(names) <= _MAX_NAMES else f"{shown} and {len(names) - _MAX_NAMES} more"
