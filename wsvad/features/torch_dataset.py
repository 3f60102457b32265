"""Features as a PyTorch data set, for training code outside this package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset


class Readable(Protocol):
    """Interface of the data source: ``wsvad.features.reading.FeatureSet``."""

    @property
    def video_ids(self) -> tuple[str, ...]:
        """Videos with at least one clip."""
        ...

    @property
    def cuboid_shape(self) -> tuple[int, int] | None:
        """``(K, C)``, or ``None`` without cuboids."""
        ...

    def num_clips(self, video_id: str) -> int:
        """Return T of a video."""
        ...

    def load(self, video_id: str, *, cuboids: bool = True) -> Any:
        """Read one whole video."""
        ...


class VideoDataset(Dataset[dict[str, Any]]):
    """One item per video, read on demand; safe in the worker processes of a ``DataLoader``.

    An item is a dictionary: ``video_id``, ``pooled`` float32 ``[T, V, D]``, ``cuboids`` float32 ``[T, V, K, C]`` (if
    extracted and requested), ``start_s`` and ``end_s`` float64 ``[T]``. T clips, V crops.

    Args:
        features: An opened data set.
        video_ids: Videos in this order; ``None``: all.
        cuboids: Whether to read the cuboids, which have 25 times as many values as the pooled features.

    Raises:
        UsageError: A video is missing or has no clip.
    """

    def __init__(self, features: Readable, video_ids: Sequence[str] | None = None, *, cuboids: bool = True) -> None:
        self.features = features
        self.video_ids = tuple(features.video_ids if video_ids is None else video_ids)
        self.cuboids = cuboids and features.cuboid_shape is not None
        for video_id in self.video_ids:
            features.num_clips(video_id)

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read a video. Raises ``IndexError``, and ``DamagedError`` if it is damaged."""
        video = self.features.load(self.video_ids[index], cuboids=self.cuboids)
        item = {
            "video_id": video.video_id,
            "pooled": torch.from_numpy(video.pooled_TVD.astype(np.float32)),
            "start_s": torch.from_numpy(np.array(video.start_s)),
            "end_s": torch.from_numpy(np.array(video.end_s)),
        }
        if video.cuboids_TVKC is not None:
            item["cuboids"] = torch.from_numpy(video.cuboids_TVKC.astype(np.float32))
        return item
