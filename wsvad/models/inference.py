"""Inference on videos of any length, in overlapping windows if they are long; used in training and scoring.

``smooth_clips`` of a configuration averages logits over neighbouring clips. It is part of the model, so that training
selects by the scores that ``wsvad score``, ``rescore`` and ``Inferencer`` give.

Axes: T clips in time, K cuboids.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from wsvad.models.contract import MilModel, MilOutput
from wsvad.models.windows import Window, windows

Take = Callable[[int, int], np.ndarray]
"""Returns the clips of a half-open range of positions as model input, ``[t, D]`` or ``[t, K, C]``, float16 or float32.
Neither bound of successive ranges ever decreases."""


def score_clips(
    model: MilModel,
    take: Take,
    num_clips: int,
    window: int,
    device: torch.device,
    on_clips: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Score every clip of one video. At test time videos are not divided into segments (RTFM, section 4).

    Args:
        model: model on ``device``, in evaluation mode.
        take: returns clips by position.
        num_clips: T, at least 1.
        window: number of clips per window, see :func:`wsvad.models.windows.windows`.
        device: device of the model.
        on_clips: called with the number of clips scored so far.

    Returns:
        float32 ``[T]``, and ``[T, K]`` for a cuboid model (else None).
    """
    found = _Scores(num_clips, smooth=model.smooth_clips > 1)
    for part in windows(num_clips, window):
        clips = torch.from_numpy(take(part.start, part.stop).astype(np.float32))[None].to(device)
        with torch.inference_mode():
            output = model(clips)
        found.add(part, output)
        if on_clips:
            on_clips(part.keep_stop)
    if model.smooth_clips == 1:
        return found.clips_T, found.cuboids_TK
    if found.cuboids_TK is None:
        return _sigmoid(moving_average(found.clips_T, model.smooth_clips)), None
    cuboids_TK = _sigmoid(moving_average(found.cuboids_TK, model.smooth_clips))
    return cuboids_TK.max(1), cuboids_TK


def moving_average(values_T: np.ndarray, clips: int) -> np.ndarray:
    """Return the mean of each value and its neighbours, float64 of the same shape.

    Near the ends the mean is over the clips that exist. Neighbours are neighbours by position: a gap in the footage is
    not considered.

    Args:
        values_T: ``[T, …]``.
        clips: number of clips in a mean, odd, at least 1.
    """
    total = np.zeros(values_T.shape, np.float64)
    count = np.zeros((len(values_T),) + (1,) * (values_T.ndim - 1))
    for offset in range(-(clips // 2), clips // 2 + 1):
        target = slice(max(0, -offset), max(0, min(len(values_T), len(values_T) - offset)))
        source = slice(target.start + offset, target.stop + offset)
        if target.start < target.stop:
            total[target] += values_T[source]
            count[target] += 1
    return np.asarray(total / count)


class _Scores:
    """Scores of a video, or logits if they are to be smoothed; filled window by window."""

    def __init__(self, num_clips: int, *, smooth: bool) -> None:
        self._smooth = smooth
        self.clips_T = np.empty(num_clips, np.float32)
        self.cuboids_TK: np.ndarray | None = None

    def add(self, part: Window, output: MilOutput) -> None:
        """Take what is kept of a window."""
        keep = slice(part.keep_start, part.keep_stop)
        inside = slice(part.keep_start - part.start, part.keep_stop - part.start)
        clips_BT = output.logits_BT if self._smooth else output.scores_BT
        self.clips_T[keep] = clips_BT[0].float().cpu().numpy()[inside]
        cuboids_BTK = output.cuboid_logits_BTK if self._smooth else output.cuboid_scores_BTK
        if cuboids_BTK is None:
            return
        cuboids_tK = cuboids_BTK[0].float().cpu().numpy()
        if self.cuboids_TK is None:
            self.cuboids_TK = np.empty((len(self.clips_T), cuboids_tK.shape[1]), np.float32)
        self.cuboids_TK[keep] = cuboids_tK[inside]


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(torch.from_numpy(logits).sigmoid().float().numpy())
