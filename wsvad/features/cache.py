"""The features of chosen videos, pooled to segments, held once per node in a memory-mapped file.

Processes of a node share its pages, and it can be larger than memory. Axes: S segments, D/C features, K cuboids.
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
"""Raised when the same features would be pooled to other values; part of the file's name."""


@dataclass(frozen=True)
class SegmentCache:
    """Videos as S segments each: crops averaged, clips pooled as RTFM does (``SegmentPooler``), float16.

    Small and cheap to pickle for another process of the same node, which maps the same file.
    """

    video_ids: tuple[str, ...]
    path: Path
    """The file, a plain ``.npy``."""

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
        """Open the cache of these videos; build it first where no process of this node has yet.

        It is found by content: features that change, other videos, another order, or other arguments make another file.
        While building, memory holds a few stored units (10 minutes of footage each) and one video's segments.

        Args:
            features: where they are read from, with every check of ``FeatureSet.stream``.
            video_ids: at least one, each once, with at least one clip each.
            segments: S; 32 in the papers.
            kind: ``pooled`` ``[D]`` or ``cuboids`` ``[K, C]``.
            folder: where the file goes; by default this user's, below the system's temporary folder. There, caches that
                were not used for two weeks make room for a new one.

        Raises:
            UsageError: no videos, one that is twice or not there, no segment, or features without cuboids.
            StorageError: too little room on the disk, or damaged features.
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
        """Leave the map out: pickled, it would be a copy of everything."""
        return {"video_ids": self.video_ids, "path": self.path}


def _shape(features: FeatureSet, ids: tuple[str, ...], segments: int, kind: Inputs) -> tuple[int, ...]:
    """Shape of a segment, once the request is found to be possible."""
    if not ids:
        raise UsageError("no videos to cache; expected at least one")
    if len(set(ids)) != len(ids):
        twice = sorted({i for i in ids if ids.count(i) > 1})
        raise UsageError(f"videos must be there once each; {twice[0]!r} and {len(twice) - 1} others are repeated")
    if segments < 1:
        raise UsageError(f"expected at least 1 segment, got {segments}")
    for video_id in ids:
        features.num_clips(video_id)
    if kind not in get_args(Inputs):
        raise UsageError(f"expected kind 'pooled' or 'cuboids', got {kind!r}")
    return features.shape_of(kind)


def _name(features: FeatureSet, ids: tuple[str, ...], segments: int, kind: Inputs) -> str:
    """Digest of everything that the values depend on."""
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
