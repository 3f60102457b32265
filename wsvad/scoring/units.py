"""Units of scoring: one video of a features snapshot each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wsvad.dataset import layout
from wsvad.features.reading import FeatureSet


@dataclass(frozen=True)
class ScoreUnit:
    """A unit of work: one video as far as it has features, scored, stored and retried as a whole."""

    unit_id: str
    """32 hex digits: a digest of the video's features, its clip range, and the fingerprint of the scores."""
    video_id: str
    num_clips: int
    """Clips with features."""
    first_clip: int
    last_clip: int
    """End of the range, exclusive; clips that could not be decoded are missing in it."""

    def to_row(self) -> dict[str, Any]:
        """Return the values for an Arrow block; the worker has the features."""
        return {"unit_id": self.unit_id, "video_id": self.video_id}


def unit_of(features: FeatureSet, video_id: str, fingerprint: str) -> ScoreUnit:
    """Return the unit of one video; its id depends on features, checkpoint and window."""
    parts = features.units[video_id]
    first, last = parts[0].first_clip, parts[-1].last_clip
    uid = layout.unit_id(features.digest([video_id]), first, last, fingerprint)
    return ScoreUnit(uid, video_id, features.num_clips(video_id), first, last)


def plan_units(features: FeatureSet, fingerprint: str) -> list[ScoreUnit]:
    """Return a unit for every video with clips, longest first, ties by id, so that the order is deterministic."""
    units = (unit_of(features, video_id, fingerprint) for video_id in features.video_ids)
    return sorted(units, key=lambda u: (-u.num_clips, u.unit_id))
