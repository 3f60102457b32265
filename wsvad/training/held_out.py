"""Score held-out videos during training: all their clips, as `wsvad score` does, instead of segments.

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
    """Held-out videos, distributed over the workers of a group. Workers of a node map the same cache file of all clips.

    Args:
        features: features data set.
        video_ids: ids of all held-out videos, the same on every worker.
        kind: kind of features that the model reads.
        group: the workers.
        device: device of the model and of messages between workers.
        folder: cache folder of the node; ``None`` uses a folder of the user below the temporary folder.

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

        Videos longer than ``WINDOWS`` are scored in windows, as by the scorer.
        """
        scores_N = torch.zeros(int(self.edges[-1]), dtype=torch.float64)
        model.eval()
        for video in self._own:
            start, end = int(self.edges[video]), int(self.edges[video + 1])
            take = range_reader(self._cache.values_N[start:end])
            found, _ = score_clips(model, take, end - start, self._window, self._device)
            scores_N[start:end] = torch.from_numpy(found)
        model.train()
        shared = scores_N.to(self._device)
        self._group.sum(shared)
        return shared.cpu().numpy()


def range_reader(clips_T: np.ndarray) -> Take:
    """Return a function that returns ranges of these clips."""
    return lambda start, stop: clips_T[start:stop]
