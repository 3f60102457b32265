"""Scoring of a video: apply a trained model to features. No Ray, no files.

Axes: T clips in time, V crops, K cuboids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from wsvad.checkpoint import Checkpoint
from wsvad.cores import limit_threads
from wsvad.errors import UsageError, VideoError
from wsvad.features.decoding import UnitFeatures
from wsvad.features.reading import VideoFeatures
from wsvad.models.inference import score_clips
from wsvad.scores.config import window_of
from wsvad.scores.table import VideoScores

BAD_SCORES = "scores_not_finite"
"""Kind of a video whose features give scores of NaN or infinity."""


class Scorer:
    """Score videos with a trained model.

    The crops of a clip are averaged in float32 and rounded to float16, as in training. At test time videos are not
    divided into segments: the model processes all T clips of a video at once (RTFM, section 4), or windows of
    ``window`` clips of a longer video (see :func:`wsvad.models.windows.windows`). The same features give the same bits
    on the same kind of machine.

    Args:
        checkpoint: the trained model.
        window: number of clips per window, at least 2; ``None`` uses the default of ``WINDOWS``.
        device: torch device, such as ``cpu``, ``cuda`` or ``cuda:1``.
        threads: CPU threads of the process; ``None`` keeps torch's setting.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, window: int | None = None, device: str = "cpu", threads: int | None = None
    ) -> None:
        if threads is not None:
            torch.set_num_threads(limit_threads(threads))
        self._device = torch.device(device)
        self._model = checkpoint.model().to(self._device).eval()
        self._dim = checkpoint.model_config.input_dim
        self._window = window_of(checkpoint.model_config.inputs, window)
        self._inputs = checkpoint.model_config.inputs
        self.uses_cuboids = self._inputs == "cuboids"

    def __call__(self, features: VideoFeatures) -> VideoScores:
        """Score a video in memory.

        Raises:
            UsageError: the features have another width, or lack cuboids that the model needs.
            VideoError: a score is NaN or infinite.
        """
        scores = self.score_units(features.video_id, [features], len(features.clip))
        return VideoScores(**scores, num_frames=features.num_frames, width=features.width, height=features.height)

    def score_units(
        self,
        video_id: str,
        units: Iterable[UnitFeatures],
        num_clips: int,
        on_clips: Callable[[int], None] | None = None,
    ) -> dict[str, Any]:
        """Score a video unit by unit; only one window and a few units are held in memory.

        Args:
            video_id: id of the video, for the result and for messages.
            units: the stored units of the video, in order.
            num_clips: T, the total number of clips.
            on_clips: called with the number of clips scored so far.

        Returns:
            The fields of :class:`VideoScores` except length and size of the video. Raises as :meth:`__call__`.
        """
        clips = _Clips(self._averaged(video_id, units))
        score_T, cuboids_TK = score_clips(self._model, clips, num_clips, self._window, self._device, on_clips)
        _check_finite(video_id, score_T, cuboids_TK)
        return {"video_id": video_id, **clips.spans(), "score_T": score_T, "cuboid_scores_TK": cuboids_TK}

    def _averaged(self, video_id: str, units: Iterable[UnitFeatures]) -> Iterator[tuple[UnitFeatures, np.ndarray]]:
        """Yield each unit with its model input, float16 ``[t, D]`` or ``[t, K, C]``."""
        for unit in units:
            values_T = unit.averaged(self._inputs)
            if values_T.shape[-1] != self._dim:
                raise UsageError(f"{video_id}: the model takes {self._dim} values, the features have {values_T.shape}")
            yield unit, values_T.astype(np.float16, copy=False)


class _Clips:
    """The clips of a video, read unit by unit; only as many are held as a window needs."""

    def __init__(self, units: Iterator[tuple[UnitFeatures, np.ndarray]]) -> None:
        self._units = units
        self._spans: dict[str, list[np.ndarray]] = {
            name: [] for name in ("clip", "start_frame", "end_frame", "start_s", "end_s")
        }
        self._held: list[np.ndarray] = []
        self._at = 0  # position of the first clip in ``_held``

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Return the clips ``[start, stop)``; earlier ones are dropped."""
        while self._at + sum(map(len, self._held)) < stop:
            unit, values_T = next(self._units)
            self._held.append(values_T)
            for name, parts in self._spans.items():
                parts.append(getattr(unit, name))
        block = np.concatenate(self._held)[start - self._at :]
        self._held, self._at = [block], start
        return block[: stop - start]

    def spans(self) -> dict[str, np.ndarray]:
        """Return the fields of ``VideoScores`` with the positions of the clips, for all units read so far."""
        return {name: np.concatenate(parts) for name, parts in self._spans.items()}


def _check_finite(video_id: str, score_T: np.ndarray, cuboids_TK: np.ndarray | None) -> None:
    bad_T = ~np.isfinite(score_T)
    if cuboids_TK is not None:
        bad_T |= ~np.isfinite(cuboids_TK).all(axis=1)
    if bad_T.any():
        first = int(np.argmax(bad_T))
        raise VideoError(
            BAD_SCORES,
            f"{int(bad_T.sum())} of {len(score_T)} clips of {video_id!r} have scores that are NaN or infinite, first at"
            f" position {first}; the checkpoint is broken, or trained on features of another scale",
        )
