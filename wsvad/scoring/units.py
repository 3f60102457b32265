"""Units of scoring: one video of a features snapshot each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wsvad.dataset import layout
from wsvad.features.reading import FeatureSet


@dataclass(frozen=True)
class ScoreUnit:
    """One video as far as it has features: what is scored, written and retried as a whole."""

    unit_id: str
    """32 hex digits over the digests of the video's features, its clip range, and the fingerprint of the scores."""
    video_id: str
    num_clips: int
    """Clips with features."""
    first_clip: int
    last_clip: int
    """End of the range, exclusive; there are gaps in it where footage could not be decoded."""

    def to_row(self) -> dict[str, Any]:
        """Return plain values that survive a trip through an Arrow block; the worker has the features at hand."""
        return {"unit_id": self.unit_id, "video_id": self.video_id}


def unit_of(features: FeatureSet, video_id: str, fingerprint: str) -> ScoreUnit:
    """Return the unit of one video; other features, another checkpoint or window make another one."""
    parts = features.units[video_id]
    first, last = parts[0].first_clip, parts[-1].last_clip
    uid = layout.unit_id(features.digest([video_id]), first, last, fingerprint)
    return ScoreUnit(uid, video_id, features.num_clips(video_id), first, last)


def plan_units(features: FeatureSet, fingerprint: str) -> list[ScoreUnit]:
    """Return a unit for every video with a clip, longest first; ties by id, so the order is the same on every run."""
    units = (unit_of(features, video_id, fingerprint) for video_id in features.video_ids)
    return sorted(units, key=lambda u: (-u.num_clips, u.unit_id))
