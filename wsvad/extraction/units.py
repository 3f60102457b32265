"""Units of work and their plan: a pure function of the listing, the indexes and the configuration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wsvad.dataset import layout
from wsvad.features.config import FeatureConfig
from wsvad.manifest.listing import VideoRef
from wsvad.storage import ObjectInfo
from wsvad.video import VideoIndex


@dataclass(frozen=True)
class Unit:
    """A clip range of one video, which is extracted, stored, retried and quarantined as a whole."""

    unit_id: str
    """32 hex digits, a hash of content id, range and fingerprint."""
    video: VideoRef
    index: VideoIndex
    first_clip: int
    """First clip of the range."""
    last_clip: int
    """End of the range, exclusive."""

    @property
    def video_id(self) -> str:
        """Id of the video."""
        return self.video.video_id

    @property
    def num_clips(self) -> int:
        """Expected number of clips of the range."""
        return self.last_clip - self.first_clip

    def to_row(self) -> dict[str, Any]:
        """Return plain values that can be stored in an Arrow block."""
        return {
            "unit_id": self.unit_id,
            "video_id": self.video.video_id,
            "uri": self.video.uri,
            "root": self.video.root,
            "key": self.video.info.key.encode(errors="surrogateescape"),
            "content_id": self.video.content_id,
            "size": self.video.info.size,
            "mtime_ns": self.video.info.mtime_ns,
            "etag": self.video.info.etag,
            "index": json.dumps(self.index.to_dict()),
            "first_clip": self.first_clip,
            "last_clip": self.last_clip,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Unit:
        """Undo :meth:`to_row`."""
        key = row["key"].decode(errors="surrogateescape")
        info = ObjectInfo(key, int(row["size"]), int(row["mtime_ns"]), row["etag"])
        video = VideoRef(row["video_id"], row["uri"], row["root"], info, row["content_id"])
        index = VideoIndex.from_dict(json.loads(row["index"]))
        return cls(row["unit_id"], video, index, int(row["first_clip"]), int(row["last_clip"]))


MAX_ROWS = 2048
"""Maximum rows of a unit; ten minutes at 25 frames/s and stride 16 have 937."""
MAX_BYTES = MAX_ROWS * 2 * (1024 + 49 * 528)
"""Maximum bytes of features of a unit: ``MAX_ROWS`` rows of full I3D."""


def clips_per_unit(index: VideoIndex, config: FeatureConfig) -> int:
    """Return the number of clips of a full unit of this video: ``unit_s`` of footage, at most 2,048 rows.

    This limits memory: a row of full I3D has 54 KB, so a unit has at most 110 MB of features; backbones with larger
    rows have fewer rows per unit.
    """
    places, width = config.spec.cuboid_shape
    row_bytes = 2 * (config.spec.pooled_dim + places * width)
    # long pauses lower the average rate and would make units of few clips, so the rate during recording is used then
    rate = index.usual_fps if index.usual_fps > 2 * index.fps else index.fps
    clips = min(int(config.unit_s * rate / config.clips.stride), MAX_ROWS, MAX_BYTES // row_bytes)
    return max(1, clips // config.views)


def plan_units(video: VideoRef, index: VideoIndex, config: FeatureConfig) -> list[Unit]:
    """Cut one video into its units, in order; together they contain every clip once."""
    total = config.clips.count(index.num_frames)
    step = clips_per_unit(index, config)
    fingerprint = config.fingerprint
    content = f"{video.content_id}+{index.reading}" if index.reading else video.content_id
    return [
        Unit(layout.unit_id(content, a, min(a + step, total), fingerprint), video, index, a, min(a + step, total))
        for a in range(0, total, step)
    ]


def longest_first(units: Iterable[Unit]) -> list[Unit]:
    """Order units so that no long one starts last; ties are broken by id, so that the order is reproducible."""
    return sorted(units, key=lambda u: (-u.num_clips * u.index.width * u.index.height, u.unit_id))
