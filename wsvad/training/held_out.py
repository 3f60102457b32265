"""Whole videos that the loop scores now and then: every clip, as `wsvad score` does, not the segments of training.

Axes: T clips of a video, N clips of all videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from wsvad.features.clip_cache import ClipCache
from wsvad.features.reading import FeatureSet
from wsvad.loop.group import Group
from wsvad.models.contract import Inputs, MilModel
from wsvad.models.inference import Take, score_clips
from wsvad.models.windows import WINDOWS


class HeldOut:
    """Videos shared among the workers of a group; those of a node map one file with all clips.

    Args:
        features: where the videos are.
        video_ids: of every video, the same on every worker.
        kind: what the model reads.
        group: the workers.
        device: where the model is, and what workers tell each other.
        folder: where the node keeps its cache; ``None``: a folder of the user's below the temporary one.

    Raises:
        UsageError, StorageError: as ``ClipCache.build``.
    """

    def __init__(
        self,
        features: FeatureSet,
        video_ids: Sequence[str],
        kind: Inputs,
        group: Group,
        device: torch.device,
        folder: Path | None = None,
    ) -> None:
        self._group, self._device, self._window = group, device, WINDOWS[kind]
        self._cache = ClipCache.build(features, video_ids, kind=kind, folder=folder)
        self.edges = np.array(self._cache.edges, np.int64)
        """int64 [videos + 1]: clips of video ``i`` are ``edges[i]:edges[i + 1]`` of N."""
        self.start_frame_N, self.end_frame_N = self._cache.frames_N2.T
        self._own = range(group.rank, len(video_ids), group.world_size)

    def scores(self, model: MilModel) -> np.ndarray:
        """Return the score of every clip of every video, float64 [N], the same on every worker.

        Videos that are longer than ``WINDOWS`` are scored in windows, as the scorer does.
        """
        scores_N = torch.zeros(int(self.edges[-1]), dtype=torch.float64)
        model.eval()
        for video in self._own:
            start, end = int(self.edges[video]), int(self.edges[video + 1])
            take = ranges_of(self._cache.values_N[start:end])
            found, _ = score_clips(model, take, end - start, self._window, self._device)
            scores_N[start:end] = torch.from_numpy(found)
        model.train()
        shared = scores_N.to(self._device)
        self._group.sum(shared)
        return shared.cpu().numpy()


def ranges_of(clips_T: np.ndarray) -> Take:
    """Return what gives ranges of these clips."""
    return lambda start, stop: clips_T[start:stop]
