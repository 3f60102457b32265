"""Segment features of chosen videos in a memory-mapped file, built once per node.

Processes of a node share its pages, and it may exceed the memory. Axes: S segments, D/C features, K cuboids.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np

from wsvad.errors import UsageError
from wsvad.features.cached_rows import cached_rows, mapped
from wsvad.features.decoding import Inputs
from wsvad.features.pooling import SegmentPooler
from wsvad.features.reading import FeatureSet

log = logging.getLogger(__name__)


CACHE_VERSION = 1
"""Incremented if the same features would be pooled to other values; part of the file's name."""


@dataclass(frozen=True)
class SegmentCache:
    """Videos as S segments each: mean of the crops, clips pooled like RTFM (``SegmentPooler``), float16.

    Small and cheap to pickle for another process of the same node, which maps the same file.
    """

    video_ids: tuple[str, ...]
    path: Path
    """Path of the file, a plain ``.npy``."""

    @classmethod
    def build(
        cls,
        features: FeatureSet,
        video_ids: Sequence[str],
        *,
        segments: int,
        kind: Inputs,
        folder: Path | None = None,
    ) -> SegmentCache:
        """Open the cache of these videos; build it if no process of this node has built it yet.

        The file name is a hash of the content: changed features, other videos, another order or other arguments give
        another file. While building, memory holds a few stored units (10 minutes of footage each) and one video's
        segments.

        Args:
            features: Data set to read from, with every check of ``FeatureSet.stream``.
            video_ids: Distinct ids of at least one video; each has at least one clip.
            segments: S; 32 in the papers.
            kind: ``pooled`` ``[D]`` or ``cuboids`` ``[K, C]``.
            folder: Folder of the file; by default this user's, below the system's temporary folder. In the default
                folder, caches unused for two weeks are removed before a new one is built.

        Raises:
            UsageError: No videos, a repeated or missing video, no segment, or features without cuboids.
            StorageError: Too little disk space, or damaged features.
        """
        ids = tuple(video_ids)
        shape = (len(ids), segments, *_shape(features, ids, segments, kind))
        started = time.monotonic()

        def rows() -> Iterator[np.ndarray]:
            yield from _rows(features, ids, segments, kind)
            log.info("cached %d videos as %s in %.1f s", len(ids), shape, time.monotonic() - started)

        name = f"segments-{_name(features, ids, segments, kind)}"
        return cls(ids, cached_rows(name, np.dtype("<f2"), shape, rows, folder=folder))

    @cached_property
    def features(self) -> np.ndarray:
        """``np.memmap`` float16, read-only: ``[videos, S, D]`` or ``[videos, S, K, C]``."""
        return mapped(self.path)

    def __getstate__(self) -> dict[str, object]:
        """Exclude the mapped array: pickled, it would be a full copy."""
        return {"video_ids": self.video_ids, "path": self.path}


def _shape(features: FeatureSet, ids: tuple[str, ...], segments: int, kind: Inputs) -> tuple[int, ...]:
    """Return the shape of a segment, after checking the request."""
    if not ids:
        raise UsageError("no videos to cache; expected at least one")
    if len(set(ids)) != len(ids):
        repeated = sorted({i for i in ids if ids.count(i) > 1})
        raise UsageError(f"expected distinct videos; {repeated[0]!r} and {len(repeated) - 1} others are repeated")
    if segments < 1:
        raise UsageError(f"expected at least 1 segment, got {segments}")
    for video_id in ids:
        features.num_clips(video_id)
    if kind not in get_args(Inputs):
        raise UsageError(f"expected kind 'pooled' or 'cuboids', got {kind!r}")
    return features.shape_of(kind)


def _name(features: FeatureSet, ids: tuple[str, ...], segments: int, kind: Inputs) -> str:
    """Return a digest of everything that the values depend on."""
    whole = json.dumps([CACHE_VERSION, features.digest(ids), ids, segments, kind])
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def _rows(features: FeatureSet, ids: tuple[str, ...], segments: int, kind: Inputs) -> Iterator[np.ndarray]:
    """Yield the segments of each video in order, float16 ``[S, ...]``."""
    units = features.stream(ids, cuboids=kind == "cuboids")
    for video_id in ids:
        num_clips = features.num_clips(video_id)
        pooler = SegmentPooler(num_clips, segments)
        added = 0
        while added < num_clips:
            unit = next(units)
            pooler.add(unit.averaged(kind))
            added += len(unit.clip)
        row = pooler.result().astype(np.float16)
        assert np.isfinite(row).all(), f"means of finite values of {video_id} are not finite"
        yield row
