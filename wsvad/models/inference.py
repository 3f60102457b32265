"""Inference on videos of any length, in overlapping windows if they are long; used in training and scoring.

Axes: T clips in time, K cuboids.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from wsvad.models.contract import MilModel
from wsvad.models.windows import windows

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
    score_T = np.empty(num_clips, np.float32)
    cuboids_TK: np.ndarray | None = None
    for part in windows(num_clips, window):
        clips = torch.from_numpy(take(part.start, part.stop).astype(np.float32))[None].to(device)
        with torch.inference_mode():
            output = model(clips)
        keep = slice(part.keep_start, part.keep_stop)
        inside = slice(part.keep_start - part.start, part.keep_stop - part.start)
        score_T[keep] = output.scores_BT[0].float().cpu().numpy()[inside]
        if output.cuboid_scores_BTK is not None:
            cuboids = output.cuboid_scores_BTK[0].float().cpu().numpy()
            if cuboids_TK is None:
                cuboids_TK = np.empty((num_clips, cuboids.shape[1]), np.float32)
            cuboids_TK[keep] = cuboids[inside]
        if on_clips:
            on_clips(part.keep_stop)
    return score_T, cuboids_TK
