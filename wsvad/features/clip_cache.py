"""Whole videos, every clip of them, held once per node in a memory-mapped file: what training measures on.

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
"""Raised when the same features would be stored as other values; part of the file's name."""


@dataclass(frozen=True)
class ClipCache:
    """The clips of some videos, crops averaged, float16, with the frames that each stands for."""

    video_ids: tuple[str, ...]
    edges: tuple[int, ...]
    """Clips of video ``i`` are ``edges[i]`` to ``edges[i + 1]`` of N."""
    path: Path
    """The file, a plain ``.npy`` of records."""

    @classmethod
    def build(
        cls, features: FeatureSet, video_ids: Sequence[str], *, kind: Inputs, folder: Path | None = None
    ) -> ClipCache:
        """Open the cache of these videos; build it first where no process of this node has yet.

        Args:
            features: where they are read from, with every check of ``FeatureSet.stream``.
            video_ids: at least one, each with at least one clip.
            kind: ``pooled`` ``[D]`` or ``cuboids`` ``[K, C]``.
            folder: see :func:`wsvad.features.cached_rows.cached_rows`.

        Raises:
            UsageError: a video that is not there, or features without cuboids.
            StorageError: too little room on the disk, or damaged features.
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
        """float16 ``[N, D]`` or ``[N, K, C]``, read-only, mapped to memory."""
        values: np.ndarray = self._records["values"]
        return values

    @property
    def frames_N2(self) -> np.ndarray:
        """int64 ``[N, 2]``: first frame of each clip, and its end, exclusive."""
        return np.ascontiguousarray(self._records["frames"])

    def __getstate__(self) -> dict[str, object]:
        """Leave the map out: pickled, it would be a copy of everything."""
        return {"video_ids": self.video_ids, "edges": self.edges, "path": self.path}
