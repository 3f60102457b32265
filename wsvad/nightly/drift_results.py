"""Drift results per camera, as stored in the report of a nightly run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wsvad.documents import DocumentError, build


@dataclass(frozen=True)
class ScoreDrift:
    """Newest scores of a camera compared with its reference."""

    from_utc: str | None
    """Start of the newest window; None: recording times are unknown, and the window is that night's new footage."""
    until_utc: str | None
    """End of the newest window, exclusive."""
    reference: str | None
    """Key of the reference; None: no reference exists yet."""
    clips: int
    """Number of clips in the window; 0 without a reference, because scores were not read."""
    compared: int
    """Number of those clips in hours of the day that the reference covers."""
    psi: float | None
    """Population stability index; None: nothing was compared."""
    wasserstein: float | None
    """Wasserstein distance in units of the score."""
    drifted: bool
    reason: str
    """Why drift cannot be determined; empty if it can."""
    inputs: str
    """Digest of all inputs of this result."""


@dataclass(frozen=True)
class EventDrift:
    """Newest events of a camera compared with the events of the 28 days before."""

    events: int
    """Number of events on the UTC days of the newest window; of the new footage if recording times are unknown."""
    scored_s: float
    """Seconds of scored footage in which they were counted."""
    events_before: int
    scored_s_before: float
    low: int | None
    """Lower bound of the usual number of events for this much footage; None: there is nothing to compare with."""
    high: int | None
    """Upper bound of the usual number of events."""
    unusual: bool
    reason: str
    """Why ``unusual`` cannot be determined; empty if it can."""


@dataclass(frozen=True)
class ViewChange:
    """View of a camera in its newest footage compared with its reference pictures."""

    reference: str | None
    """Key of the reference; None: no reference exists yet."""
    pictures: int
    """Number of pictures of the newest footage, one per unit; 0 without a reference, because pictures were not read."""
    similarity: float | None
    """Similarity of the last picture to the reference, at most 1; None: nothing was compared."""
    detail: float | None
    """Edge strength of the last picture relative to the minimum in the reference; None: nothing was compared."""
    moved: bool
    """Whether the last pictures show another scene."""
    covered: bool
    """Whether the last pictures show almost no detail."""
    since_utc: str | None
    """Start of the first changed picture; None if it is unknown or nothing changed."""
    since_video: str | None
    """Video of the first changed picture; None: nothing changed."""
    reason: str
    """Why a change of the view cannot be determined; empty if it can."""
    inputs: str
    """Digest of all inputs of this result."""


@dataclass(frozen=True)
class CameraDrift:
    """Drift of one camera."""

    camera: str
    clock: str
    """``utc``, or ``offsets`` if the recording times of its videos are unknown."""
    scores: ScoreDrift
    events: EventDrift
    view: ViewChange

    @property
    def judged(self) -> bool:
        """Whether its scores could be compared with a reference."""
        return not self.scores.reason

    def to_summary(self) -> dict[str, Any]:
        """Return the values for the summary as JSON values."""
        return {
            "camera": self.camera,
            "psi": self.scores.psi,
            "wasserstein": self.scores.wasserstein,
            "drifted": self.scores.drifted,
            "judged": self.judged,
            "events": self.events.events,
            "events_low": self.events.low,
            "events_high": self.events.high,
            "unusual": self.events.unusual,
            "moved": None if self.view.reason else self.view.moved,
            "covered": None if self.view.reason else self.view.covered,
            "view_changed_utc": self.view.since_utc,
        }


@dataclass(frozen=True)
class Drift:
    """Drift of all cameras with scores."""

    model: str
    """Digest of the model."""
    cameras: tuple[CameraDrift, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the drift as JSON values."""
        return asdict(self)

    def to_summary(self) -> list[dict[str, Any]]:
        """Return the summary values of each camera."""
        return [camera.to_summary() for camera in self.cameras]

    @classmethod
    def from_report(cls, report: Mapping[str, Any], model: str) -> Drift:
        """Return the drift of a model from a report; without cameras if the report has no drift of this model."""
        try:
            found = build(cls, report.get("drift"))
        except DocumentError:  # written by a version that stores drift in another format, or not at all
            return cls(model, ())
        return found if found.model == model else cls(model, ())
