"""Whole videos that the loop scores now and then: every clip, as `wsvad score` does, not the segments of training.

Axes: T clips of a video, N clips of all videos.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence

import numpy as np
import torch

from wsvad.errors import StorageError
from wsvad.features.reading import FeatureSet
from wsvad.loop.group import Group
from wsvad.models.contract import Inputs, MilModel
from wsvad.models.inference import Take, score_clips
from wsvad.models.windows import WINDOWS


class HeldOut:
    """Videos shared among the workers of a group: each keeps the clips of its share in an unnamed file, mapped to
    memory, crops averaged, float16.

    Args:
        features: where the videos are.
        video_ids: of every video, the same on every worker.
        kind: what the model reads.
        group: the workers.
        device: where the model is, and what workers tell each other.

    Raises:
        StorageError: no room for the file; else as ``FeatureSet.stream``.
    """

    def __init__(
        self, features: FeatureSet, video_ids: Sequence[str], kind: Inputs, group: Group, device: torch.device
    ) -> None:
        self._group, self._device, self._window = group, device, WINDOWS[kind]
        lengths = [features.num_clips(video_id) for video_id in video_ids]
        self.edges = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        """int64 [videos + 1]: clips of video ``i`` are ``edges[i]:edges[i + 1]`` of N."""
        self._own = range(group.rank, len(video_ids), group.world_size)
        self.start_frame_N, self.end_frame_N = (np.zeros(self.edges[-1], np.int64) for _ in range(2))
        shape = features.shape_of(kind)
        own_clips = sum(lengths[i] for i in self._own)
        self._clips: np.ndarray = np.zeros((0, *shape), np.float16)
        if own_clips:
            with tempfile.TemporaryFile() as file:
                _claim_room(file.fileno(), own_clips * math.prod(shape) * np.dtype(np.float16).itemsize)
                self._clips = np.memmap(file, np.float16, "w+", shape=(own_clips, *shape))
        self._fill(features, [video_ids[i] for i in self._own], kind)

    def scores(self, model: MilModel) -> np.ndarray:
        """Return the score of every clip of every video, float64 [N], the same on every worker.

        Videos that are longer than ``WINDOWS`` are scored in windows, as the scorer does.
        """
        scores_N = torch.zeros(int(self.edges[-1]), dtype=torch.float64)
        model.eval()
        at = 0
        for video in self._own:
            start, end = int(self.edges[video]), int(self.edges[video + 1])
            take = _ranges_of(self._clips[at : at + end - start])
            found, _ = score_clips(model, take, end - start, self._window, self._device)
            scores_N[start:end] = torch.from_numpy(found)
            at += end - start
        model.train()
        shared = scores_N.to(self._device)
        self._group.sum(shared)
        return shared.cpu().numpy()

    def _fill(self, features: FeatureSet, own_ids: Sequence[str], kind: Inputs) -> None:
        at = 0
        frames = torch.zeros(2, int(self.edges[-1]), dtype=torch.float64)
        own = [np.arange(self.edges[i], self.edges[i + 1]) for i in self._own]
        places = np.concatenate([np.zeros(0, np.int64), *own])
        for unit in features.stream(own_ids, cuboids=kind == "cuboids"):
            end = at + len(unit.clip)
            self._clips[at:end] = unit.averaged(kind)
            frames[0, places[at:end]] = torch.from_numpy(unit.start_frame.astype(np.float64))
            frames[1, places[at:end]] = torch.from_numpy(unit.end_frame.astype(np.float64))
            at = end
        frames = frames.to(self._device)
        self._group.sum(frames)
        frames = frames.cpu()
        self.start_frame_N, self.end_frame_N = frames.numpy().astype(np.int64)


def _ranges_of(clips_T: np.ndarray) -> Take:
    return lambda start, stop: clips_T[start:stop]


def _claim_room(descriptor: int, size: int) -> None:
    """Make room for what is written through a map later, when a full disk would end the process without a word."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        raise StorageError(
            f"no room for {size} bytes of validation and test features in {tempfile.gettempdir()}: {error.strerror}; "
            "set TMPDIR to a larger disk, or --val-fraction to less"
        ) from error
