"""What a night says of the drift of each camera, as it is kept in its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wsvad.documents import DocumentError, build


@dataclass(frozen=True)
class ScoreDrift:
    """The newest scores of a camera against its reference."""

    from_utc: str | None
    """When the newest stretch begins; None: no times are known, and it is the footage that was new that night."""
    until_utc: str | None
    """When it ends, exclusive."""
    reference: str | None
    """Key of the reference; None: there is none yet."""
    clips: int
    """Of the stretch; 0 without a reference, because no scores were read."""
    compared: int
    """Of those: clips of hours that the reference knows."""
    psi: float | None
    """Population stability index; None: nothing was compared."""
    wasserstein: float | None
    """In units of the score."""
    drifted: bool
    reason: str
    """Why it is not known whether the camera has drifted; empty where it is known."""
    inputs: str
    """Digest of all that decides the above."""


@dataclass(frozen=True)
class EventDrift:
    """The newest events of a camera against those of the 28 days before."""

    events: int
    """Of the UTC days that the newest stretch touches; of the new footage where times are not known."""
    scored_s: float
    """Footage that they are of."""
    events_before: int
    scored_s_before: float
    low: int | None
    """Least events that are usual in so much footage; None: nothing to compare with."""
    high: int | None
    """Most of them."""
    unusual: bool
    reason: str
    """Why it is not known whether that is unusual; empty where it is known."""


@dataclass(frozen=True)
class ViewChange:
    """What a camera shows in its newest footage, against what it showed before."""

    reference: str | None
    """Key of the reference; None: there is none yet."""
    pictures: int
    """Of the newest footage, one a unit; 0 without a reference, because none was read."""
    similarity: float | None
    """Of the last of them to the reference, at most 1; None: nothing was compared."""
    detail: float | None
    """Likewise the strength of its edges, as a share of the least in the reference."""
    moved: bool
    """The last pictures show another scene."""
    covered: bool
    """The last pictures show next to nothing."""
    since_utc: str | None
    """When the first of those begins; None where it is not known, or nothing has changed."""
    since_video: str | None
    """The video that it is of; None: nothing has changed."""
    reason: str
    """Why it is not known whether the view has changed; empty where it is known."""
    inputs: str
    """Digest of all that decides the above."""


@dataclass(frozen=True)
class CameraDrift:
    """Of one camera."""

    camera: str
    clock: str
    """``utc``, or ``offsets`` where no times of its videos are known."""
    scores: ScoreDrift
    events: EventDrift
    view: ViewChange

    @property
    def judged(self) -> bool:
        """Whether its scores could be held against a reference."""
        return not self.scores.reason

    def figures(self) -> dict[str, Any]:
        """Return what a summary says of it, as JSON values."""
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
    """Of all cameras with scores."""

    model: str
    """Digest of the model."""
    cameras: tuple[CameraDrift, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def figures(self) -> list[dict[str, Any]]:
        """Return what a summary says of each camera."""
        return [camera.figures() for camera in self.cameras]

    @classmethod
    def from_report(cls, report: Mapping[str, Any], model: str) -> Drift:
        """Return what a night found of a model; of no cameras where it found nothing of it."""
        try:
            found = build(cls, report.get("drift"))
        except DocumentError:  # of a version that says something else, or nothing, of drift
            return cls(model, ())
        return found if found.model == model else cls(model, ())
