"""Small features data sets, written in the same way as by extraction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wsvad.dataset import layout
from wsvad.dataset.publish import publish
from wsvad.dataset.snapshots import SnapshotObject, claim_dataset
from wsvad.features.config import FeatureConfig
from wsvad.features.encoding import ClipRows, encode_unit
from wsvad.manifest.ids import content_id
from wsvad.storage import Store, open_store

CONFIG = FeatureConfig("random:0:test", precision="fp32")
WIDTH, HEIGHT = 320, 240


def write_features(
    folder: Path | str,
    videos: Mapping[str, np.ndarray],
    cuboids: Mapping[str, np.ndarray] | None = None,
    fps: float = 25.0,
    *,
    clips: Mapping[str, Sequence[int]] | None = None,
    num_frames: Mapping[str, int] | None = None,
    clips_per_unit: int = 1000,
    config: FeatureConfig = CONFIG,
) -> str:
    """Write and publish a features data set; return its URI. More videos can be added by another call.

    Args:
        folder: Target, a local folder or any URI.
        videos: Pooled features ``[T, V, D]`` by video id; with ``T = 0`` the video is listed, without a clip.
        cuboids: ``[T, V, K, C]`` of the same videos, or ``None``.
        fps: Frame rate of every video; clips are 16 frames at stride 16.
        clips: Ascending indexes of the existing clips, for videos with gaps; by default ``0..T-1``.
        num_frames: Frames of videos whose last clip is partial; by default up to the end of the last clip.
        clips_per_unit: Clip range of an object.
        config: Configuration of the data set.

    Returns:
        The URI of the data set, for ``FeatureSet.open`` and ``--features``.
    """
    store = open_store(str(folder))
    claim_dataset(store, config)
    objects, rows = [], []
    for video_id, pooled_TVD in videos.items():
        numbers = list(range(len(pooled_TVD))) if clips is None or video_id not in clips else list(clips[video_id])
        default_frames = 16 * (numbers[-1] + 1) if numbers else 16
        frames = (num_frames or {}).get(video_id, default_frames)
        tensors = None if cuboids is None else cuboids[video_id]
        made = _clip_rows(numbers, pooled_TVD, tensors, frames, fps)
        objects += _store_units(store, video_id, made, clips_per_unit, config)
        rows.append(video_row(video_id, frames, len(made), fps))
    publish(
        store,
        config.fingerprint,
        config.to_dict(),
        objects,
        rows,
        replaced_videos=frozenset(videos),
        run_id="test",
        created_utc="2026-01-01T00:00:00+00:00",
    )
    return store.uri


def random_videos(
    lengths: Mapping[str, int], views: int = 1, dim: int = 8, cuboid_shape: tuple[int, int] | None = None, seed: int = 0
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray] | None]:
    """Float16 features for :func:`write_features`, standard normal: pooled ``[T, V, D]``, cuboids ``[T, V, K, C]``."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float16)

    pooled = {name: draw(length, views, dim) for name, length in lengths.items()}
    if cuboid_shape is None:
        return pooled, None
    return pooled, {name: draw(length, views, *cuboid_shape) for name, length in lengths.items()}


def video_row(video_id: str, num_frames: int, clips: int, fps: float = 25.0) -> dict[str, Any]:
    """Return a row of the videos table."""
    expected = CONFIG.clips.count(num_frames)
    status = "complete" if clips == expected else "partial" if clips else "quarantined"
    return {
        "video_id": video_id,
        "uri": f"file:///videos/{video_id}",
        "content_id": content_id(video_id, "1"),
        "num_frames": num_frames,
        "fps": fps,
        "duration_s": num_frames / fps,
        "width": WIDTH,
        "height": HEIGHT,
        "rotation": 0,
        "variable_rate": False,
        "container": "mp4",
        "codec": "h264",
        "expected_clips": expected,
        "clips": clips,
        "status": status,
    }


def _clip_rows(
    numbers: Sequence[int], pooled_TVD: np.ndarray, cuboids: np.ndarray | None, num_frames: int, fps: float
) -> list[ClipRows]:
    rows = []
    for position, clip in enumerate(numbers):
        start, end = 16 * clip, min(16 * clip + 16, num_frames)
        tensor = None if cuboids is None else cuboids[position].astype(np.float16)
        rows.append(ClipRows(clip, start, end, start / fps, end / fps, pooled_TVD[position].astype(np.float16), tensor))
    return rows


def _store_units(
    store: Store, video_id: str, rows: Sequence[ClipRows], clips_per_unit: int, config: FeatureConfig
) -> list[SnapshotObject]:
    objects = []
    end = rows[-1].clip + 1 if rows else 0
    for first in range(0, end, clips_per_unit):
        last = min(first + clips_per_unit, end)
        chosen = [row for row in rows if first <= row.clip < last]
        if not chosen:
            continue
        data = encode_unit(
            video_id, chosen, fingerprint=config.fingerprint, features=config.to_dict(), unit={"clips": len(chosen)}
        )
        objects.append(store_object(store, video_id, data, first, last, len(chosen), len(chosen[0].pooled_VD)))
    return objects


def store_object(
    store: Store, video_id: str, data: bytes, first_clip: int, last_clip: int, clips: int, views: int = 1
) -> SnapshotObject:
    """Store a unit's bytes under a name derived from them; return its description in a snapshot."""
    digest = hashlib.sha256(data).hexdigest()
    content = content_id(video_id, "1")
    key = layout.unit_key(layout.unit_id(content, first_clip, last_clip, digest))
    store.create(key, data)
    return SnapshotObject(key, video_id, content, first_clip, last_clip, clips, clips * views, len(data), digest)


def zero_rows(
    clips: Iterable[int], views: int = 1, dim: int = 8, shape: tuple[int, int] | None = None
) -> list[ClipRows]:
    """Return clips of zeros, for :func:`unit_bytes`."""
    tensor = None if shape is None else np.zeros((views, *shape), np.float16)
    return [
        ClipRows(c, 16 * c, 16 * c + 16, 0.64 * c, 0.64 * c + 0.64, np.zeros((views, dim), np.float16), tensor)
        for c in clips
    ]


def unit_bytes(video_id: str, rows: Sequence[ClipRows], fingerprint: str = CONFIG.fingerprint) -> bytes:
    """Return a unit as extraction encodes it."""
    return encode_unit(video_id, rows, fingerprint=fingerprint, features=CONFIG.to_dict(), unit={})
