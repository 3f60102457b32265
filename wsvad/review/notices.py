"""What a reviewer must know before the first event: what was not looked at, what has drifted, what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from wsvad.nightly.coverage import Coverage
from wsvad.nightly.drift_results import Drift
from wsvad.review.choosing import Choice
from wsvad.review.config import ChoiceOptions, MediaOptions

Level = Literal["info", "warning", "error"]
_ORDER = ("error", "warning", "info")
_NAMED = 5


class Notice(NamedTuple):
    """One sentence or two of the banner."""

    level: Level
    code: str
    """``coverage``, ``failure``, ``drift``, ``purge``, ``sampling``, ``media`` or ``privacy``."""
    text: str


CASE = Notice("info", "coverage", "a case: events that somebody chose; all others are not on this page")
UNPICTURED = Notice("info", "media", "no pictures were asked for")

_HIDDEN = {
    "faces": "Faces are pixelated where they were found: best effort. Small, covered or turned ones may be missed, and "
    "clothes and gait are not hidden.",
    "people": "People, faces and whatever else moves are pixelated where they were found: best effort. Who stands "
    "still may be missed.",
}


def privacy_of(options: MediaOptions) -> dict[str, str | None]:
    """Return what pictures hide, for the document and for summaries; nothing where there are none."""
    mode = options.pixelate if options.media else None
    return {"pixelated": mode, "text": _HIDDEN[mode] if mode else None}


def worst_first(notices: Iterable[Notice]) -> list[dict[str, str]]:
    """Return notices as JSON values, errors before warnings before the rest."""
    ordered = sorted(notices, key=lambda notice: _ORDER.index(notice.level))
    return [notice._asdict() for notice in ordered]


def of_night(report: Mapping[str, Any], model: str) -> list[Notice]:
    """Return what a night found that reviewers must know."""
    found: list[Notice] = []
    if "coverage" in report:
        found += _of_coverage(Coverage.from_dict(report["coverage"]))
    drift = Drift.from_report(report, model)
    drifted = [c.camera for c in drift.cameras if c.scores.drifted]
    if drifted:
        text = f"the scores of {_names(drifted)} have drifted: their thresholds were made for other footage"
        found.append(Notice("warning", "drift", text))
    covered = [c.camera for c in drift.cameras if c.view.covered]
    if covered:
        found.append(Notice("error", "drift", f"{_names(covered)}: the newest pictures show next to nothing"))
    moved = [c.camera for c in drift.cameras if c.view.moved]
    if moved:
        text = f"{_names(moved)}: the newest pictures show another scene than before; was the camera moved?"
        found.append(Notice("warning", "drift", text))
    unusual = [c.camera for c in drift.cameras if c.events.unusual]
    if unusual:
        found.append(Notice("info", "drift", f"an unusual number of events: {_names(unusual)}"))
    return found


def _of_coverage(coverage: Coverage) -> list[Notice]:
    found: list[Notice] = []
    for state, words in (
        ("failed", "cannot be used and have no scores"),
        ("waiting", "could not be reached yet and have no scores"),
    ):
        videos = [u.video_id for u in coverage.unscored if u.state == state]
        if videos:
            found.append(Notice("error", "failure", f"{_count(len(videos), 'video')} {words}: {_names(videos)}"))
    short = [u.video_id for u in coverage.unscored if u.state == "short"]
    if short:
        found.append(
            Notice("warning", "coverage", f"of {_count(len(short), 'video')} clips are missing: {_names(short)}")
        )
    purged, gone = int(coverage.total("purged")), int(coverage.total("gone"))
    if purged:
        found.append(Notice("info", "purge", f"{_count(purged, 'video')} of the archive were purged and are left out"))
    if gone:
        found.append(Notice("info", "coverage", f"{_count(gone, 'video')} with scores are no longer in the archive"))
    return found


def of_choice(choice: Choice, options: ChoiceOptions) -> list[Notice]:
    """Return what is not on the page, and what was mixed in."""
    found: list[Notice] = []
    if choice.below:
        text = (
            f"{_count(choice.below, 'event')} with less above the threshold are not on this page (--top {options.top})"
        )
        found.append(Notice("warning", "coverage", text))
    if choice.other:
        what = " and ".join([*(["days"] if options.day else []), *(["cameras"] if options.camera else [])])
        found.append(
            Notice("info", "coverage", f"{_count(choice.other, 'event')} of other {what} are not on this page")
        )
    if choice.controls:
        text = (
            f"{_count(choice.controls, 'random span')} without an event are mixed in, as many of each camera as "
            f"possible (seed {options.seed}); which they are shows after the verdict"
        )
        found.append(Notice("info", "sampling", text))
    if choice.lacking:
        text = f"{_count(choice.lacking, 'random span')} that were asked for do not exist: there is too little footage"
        found.append(Notice("warning", "sampling", text))
    return found


def of_footage(not_scored_s: float, unknown: int) -> list[Notice]:
    """Return what of the footage has no scores."""
    if not not_scored_s and not unknown:
        return []
    hours = f"{not_scored_s / 3600:.2f} hours of footage"
    more = f" and {_count(unknown, 'span')} of unknown length" if unknown else ""
    return [Notice("warning", "coverage", f"{hours}{more} have no scores: that nothing is shown there means nothing")]


def of_media(failures: Mapping[str, str], waiting: int = 0) -> list[Notice]:
    """Return what could not be pictured: reasons by event id."""
    found: list[Notice] = []
    if failures:
        example = next(iter(failures.values()))
        text = f"no picture of {_count(len(failures), 'event')}, e.g. {example:.300}"
        found.append(Notice("error", "media", text))
    if waiting:
        found.append(
            Notice("info", "media", f"pictures of {_count(waiting, 'event')} are made when they are looked at")
        )
    return found


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _names(names: list[str]) -> str:
    shown = ", ".join(f"{name:.80}" for name in names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
