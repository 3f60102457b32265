"""All clips of whole videos in a memory-mapped file, built once per node; training evaluates on them.

Axes: N clips of all videos, D/C features, K cuboids.
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

import numpy as np

from wsvad.features.cached_rows import cached_rows, mapped
from wsvad.features.decoding import Inputs
from wsvad.features.reading import FeatureSet

log = logging.getLogger(__name__)

CACHE_VERSION = 1
"""Incremented if the same features would be stored as other values; part of the file's name."""


@dataclass(frozen=True)
class ClipCache:
    """The clips of some videos, mean of the crops, float16, with their frame spans."""

    video_ids: tuple[str, ...]
    edges: tuple[int, ...]
    """The clips of video ``i`` are ``edges[i]`` to ``edges[i + 1]`` of N."""
    path: Path
    """Path of the file, a plain ``.npy`` of records."""

    @classmethod
    def build(
        cls, features: FeatureSet, video_ids: Sequence[str], *, kind: Inputs, folder: Path | None = None
    ) -> ClipCache:
        """Open the cache of these videos; build it if no process of this node has built it yet.

        Args:
            features: Data set to read from, with every check of ``FeatureSet.stream``.
            video_ids: At least one video, each with at least one clip.
            kind: ``pooled`` ``[D]`` or ``cuboids`` ``[K, C]``.
            folder: See :func:`wsvad.features.cached_rows.cached_rows`.

        Raises:
            UsageError: A missing video, or features without cuboids.
            StorageError: Too little disk space, or damaged features.
        """
        ids = tuple(video_ids)
        counts = [features.num_clips(video_id) for video_id in ids]
        edges = tuple(int(edge) for edge in np.concatenate([[0], np.cumsum(counts)]))
        record = np.dtype([("frames", "<i8", (2,)), ("values", "<f2", features.shape_of(kind))])
        whole = json.dumps([CACHE_VERSION, features.digest(ids), ids, kind])
        started = time.monotonic()

        def rows() -> Iterator[np.ndarray]:
            for unit in features.stream(ids, cuboids=kind == "cuboids"):
                piece = np.empty(len(unit.clip), record)
                piece["frames"] = np.stack([unit.start_frame, unit.end_frame], axis=1)
                piece["values"] = unit.averaged(kind)
                yield piece
            log.info("cached %d clips of %d videos in %.1f s", edges[-1], len(ids), time.monotonic() - started)

        name = f"clips-{hashlib.sha256(whole.encode()).hexdigest()[:32]}"
        return cls(ids, edges, cached_rows(name, record, (edges[-1],), rows, folder=folder))

    @cached_property
    def _records(self) -> np.ndarray:
        return mapped(self.path)

    @property
    def values_N(self) -> np.ndarray:
        """float16 ``[N, D]`` or ``[N, K, C]``, memory-mapped and read-only."""
        values: np.ndarray = self._records["values"]
        return values

    @property
    def frames_N2(self) -> np.ndarray:
        """int64 ``[N, 2]``: first frame of each clip, and its end, exclusive."""
        return np.ascontiguousarray(self._records["frames"])

    def __getstate__(self) -> dict[str, object]:
        """Exclude the mapped array: pickled, it would be a full copy."""
        return {"video_ids": self.video_ids, "edges": self.edges, "path": self.path}
