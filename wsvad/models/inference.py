"""A video of any length shown to a model, in windows where it is long: the same for training and scoring.

Axes: T clips in time, K cuboids.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from wsvad.models.contract import MilModel
from wsvad.models.windows import windows

Take = Callable[[int, int], np.ndarray]
"""Returns the clips of a half-open range of positions as the model sees them, ``[t, D]`` or ``[t, K, C]``, float16 or
float32. Called with ranges that never go back."""


def score_clips(
    model: MilModel,
    take: Take,
    num_clips: int,
    window: int,
    device: torch.device,
    on_clips: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Score every clip of one video. At test time there are no segments (RTFM, section 4).

    Args:
        model: on ``device``, in evaluation mode.
        take: the clips.
        num_clips: T, at least 1.
        window: clips that the model sees at once, see :func:`wsvad.models.windows.windows`.
        device: where the model is.
        on_clips: called with the number of clips that are scored so far.

    Returns:
        float32 ``[T]``, and ``[T, K]`` of a model of cuboids.
    """
    score_T = np.empty(num_clips, np.float32)
    cuboids_TK: np.ndarray | None = None
    for part in windows(num_clips, window):
        seen = torch.from_numpy(take(part.start, part.stop).astype(np.float32))[None].to(device)
        with torch.inference_mode():
            output = model(seen)
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
