"""Small realistic values for tests of the plan, the snapshots and their verification."""

from __future__ import annotations

import numpy as np

from wsvad.extraction.units import Unit
from wsvad.features.config import FeatureConfig
from wsvad.features.encoding import ClipRows, encode_unit
from wsvad.manifest.ids import content_id
from wsvad.manifest.listing import VideoRef
from wsvad.storage import ObjectInfo
from wsvad.video import VideoIndex

CONFIG = FeatureConfig("random:0:test", precision="fp32")


def make_index(num_frames: int = 100, fps: float = 25.0, width: int = 320, height: int = 240) -> VideoIndex:
    """Return an index like that of a plain MP4."""
    return VideoIndex(
        num_frames=num_frames,
        fps=fps,
        duration_s=num_frames / fps,
        width=width,
        height=height,
        rotation=0,
        variable_rate=False,
        container="mp4",
        codec="h264",
        pixel_format="yuv420p",
        clock="pts",
        time_base="1/12800",
        first_timestamp=0,
        seek_points=(),
        skipped_packets=0,
    )


def make_video(video_id: str = "a.mp4", version: str = "1", root: str = "file:///videos") -> VideoRef:
    """Return a listed video."""
    info = ObjectInfo(video_id, 1000, int(version), "")
    return VideoRef(video_id, f"{root}/{video_id}", root, info, content_id(video_id, version))


def unit_bytes(unit: Unit, clips: list[int] | None = None, views: int = 1, config: FeatureConfig = CONFIG) -> bytes:
    """Return a stored unit with a few random values, the same for the same unit."""
    rng = np.random.default_rng(int(unit.unit_id[:8], 16))
    kept = list(range(unit.first_clip, unit.last_clip)) if clips is None else clips
    rows = [
        ClipRows(
            c,
            16 * c,
            16 * c + 16,
            c * 0.64,
            (c + 1) * 0.64,
            rng.random((views, 8)).astype(np.float16),
            rng.random((views, 4, 6)).astype(np.float16),
        )
        for c in kept
    ]
    record = {
        "clips": len(kept),
        "decoded_frames": 16 * len(kept),
        "missing": [],
        "corrupt_frames": 0,
        "unit_id": unit.unit_id,
    }
    return encode_unit(
        unit.video.video_id, rows, fingerprint=config.fingerprint, features=config.to_dict(), unit=record
    )
