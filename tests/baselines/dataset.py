"""Hand-made features of a manifest's videos, published as a features data set like that of ``wsvad extract``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import cv2
import numpy as np

from tests.baselines.statistics import Floats, Grey, pooled
from wsvad.clips import ClipSpec
from wsvad.dataset import layout
from wsvad.dataset.config import fingerprint_of
from wsvad.dataset.publish import publish
from wsvad.dataset.snapshots import SnapshotObject, claim_dataset
from wsvad.errors import UsageError
from wsvad.features.encoding import ClipRows, encode_unit
from wsvad.manifest.listing import VideoRef, list_videos
from wsvad.manifest.records import read_records
from wsvad.manifest.source import StoredVideo
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.video import Geometry, VideoIndex, VideoReader

TABLE_VERSION = 1
SIDE = 224

Describe = Callable[[Grey], Floats]
"""From the grey frames ``[T, H, W]`` of a clip to ``[49, C]``, everything at least 0."""


@dataclass(frozen=True)
class HandmadeConfig:
    """What made the features; the place of ``FeatureConfig``."""

    kind: ClassVar[str] = "features"

    name: str
    recipe: str
    channels: tuple[str, ...]
    logarithm: bool
    """Whether the channels are ``log(1 + x)`` of what was measured, before anything else."""
    scale_C: tuple[float, ...]
    """What the channels were divided by: their root mean square over cells and clips of the training videos."""
    clips: ClipSpec = field(default_factory=ClipSpec)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, with the keys that ``FeatureConfig.to_dict`` has, too."""
        own = asdict(self)
        return {
            "table_version": TABLE_VERSION,
            "backbone": "handmade",
            "weights": f"handmade:{self.name}:{fingerprint_of(own)[:16]}",
            "geometry": "squash",
            "precision": "fp32",
            "cuboids": True,
            "views": 1,
            "pooled_dim": 3 * len(self.channels),
            **own,
            "channels": list(self.channels),
            "scale_C": list(self.scale_C),
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON of :meth:`to_dict`."""
        return fingerprint_of(self.to_dict())


@dataclass(frozen=True)
class Described:
    """One video's cells ``[T, 49, C]``, and where in time its clips are."""

    video: VideoRef
    index: VideoIndex
    times: tuple[tuple[int, int, int, float, float], ...]
    """Clip, start and end frame, start and end in seconds."""
    cells_TKC: Floats


def build(manifest: str, out: str, config: HandmadeConfig, describe: Describe, say: Callable[[str], None]) -> Store:
    """Describe every video of a manifest and publish the whole at ``out``; ``scale_C`` is found on the way.

    Every channel is divided by its root mean square over the training videos, so that networks are given numbers of
    one size, and stays at least 0, so that no motion is 0 and the length of a vector means much of it.

    Raises:
        UsageError: no training video, or a video of which clips are missing.
        ConflictError: the target holds other features.
    """
    training = {record.video_id for record in read_records(manifest) if record.split == "train"}
    listing = list_videos(manifest)
    if listing.unreachable or not training & {video.video_id for video in listing.videos}:
        gone = ", ".join(u.message for u in listing.unreachable[:3])
        raise UsageError(f"expected a manifest of videos, some of split train, got {manifest}: {gone or 'none'}")
    videos = []
    with VideoReader() as reader:
        for video in listing.videos:
            videos.append(_described(reader, video, config, describe))
            say(f"{len(videos)}/{len(listing.videos)} {video.video_id}: {len(videos[-1].times)} clips")
    seen = np.concatenate(
        [v.cells_TKC.reshape(-1, len(config.channels)) for v in videos if v.video.video_id in training]
    )
    rms_C = np.sqrt(np.square(seen.astype(np.float64)).mean(0))
    scale_C = tuple(float(f"{value:.6g}") or 1.0 for value in rms_C)
    return _publish(videos, replace(config, scale_C=scale_C), open_store(out))


def _described(reader: VideoReader, video: VideoRef, config: HandmadeConfig, describe: Describe) -> Described:
    source = StoredVideo(video, StoreOptions())
    index = reader.index(source, name=video.video_id)
    count = config.clips.count(index.num_frames)
    times, cells = [], []
    squash = Geometry("squash", SIDE)
    for clip in reader.clips(source, index, 0, count, config.clips, squash, name=video.video_id):
        with clip:
            true = clip.frames_THWC[: clip.end_frame - clip.start_frame]  # padding would be a still end
            flat = np.ascontiguousarray(true).reshape(-1, SIDE, 3)
            grey = cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY).reshape(-1, SIDE, SIDE)
            cells.append(describe(grey))
            times.append((clip.clip, clip.start_frame, clip.end_frame, clip.start_s, clip.end_s))
    if len(cells) != count:
        raise UsageError(f"{video.uri}: expected {count} clips, got {len(cells)}")
    values = np.stack(cells)
    return Described(video, index, tuple(times), np.log1p(values) if config.logarithm else values)


def _publish(videos: Sequence[Described], config: HandmadeConfig, store: Store) -> Store:
    claim_dataset(store, config)
    objects = [_stored(video, config, store) for video in videos]
    publish(
        store,
        config.fingerprint,
        config.to_dict(),
        objects,
        [_row(video) for video in videos],
        replaced_videos=frozenset(video.video.video_id for video in videos),
        run_id=f"handmade-{config.name}",
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return store


def _stored(video: Described, config: HandmadeConfig, store: Store) -> SnapshotObject:
    cells_TKC = video.cells_TKC / np.array(config.scale_C, np.float32)
    pooled_TD = pooled(cells_TKC).astype(np.float16)
    rows = [
        ClipRows(*time, pooled_D[None], cells_KC[None].astype(np.float16))
        for time, pooled_D, cells_KC in zip(video.times, pooled_TD, cells_TKC, strict=True)
    ]
    video_id, content, count = video.video.video_id, video.video.content_id, len(rows)
    unit = {"video_id": video_id, "content_id": content, "first_clip": 0, "last_clip": count, "clips": count}
    data = encode_unit(video_id, rows, fingerprint=config.fingerprint, features=config.to_dict(), unit=unit)
    key = layout.unit_key(layout.unit_id(content, 0, count, config.fingerprint))
    store.create(key, data)
    return SnapshotObject(key, video_id, content, 0, count, count, count, len(data), hashlib.sha256(data).hexdigest())


def _row(video: Described) -> dict[str, Any]:
    index, count = video.index, len(video.times)
    known = ("num_frames", "fps", "duration_s", "width", "height", "rotation", "variable_rate", "container", "codec")
    return {
        "video_id": video.video.video_id,
        "uri": video.video.uri,
        "content_id": video.video.content_id,
        **{name: getattr(index, name) for name in known},
        "expected_clips": count,
        "clips": count,
        "status": "complete",
    }
