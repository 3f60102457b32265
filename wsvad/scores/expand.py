"""Scores of clips as scores of frames, for anything that is measured or drawn at the length of the video."""

from __future__ import annotations

import numpy as np

from wsvad.errors import UsageError


def expand_scores(scores_T: np.ndarray, start_frame: np.ndarray, end_frame: np.ndarray, num_frames: int) -> np.ndarray:
    """Give every frame of a video the score of its clip.

    A frame in several clips (stride below length) takes their mean. A frame in none (stride above length, footage that
    could not be decoded, the tail after a dropped last clip) holds the score of the clip before it; before the first
    clip that is the first clip's. RTFM's ``repeat(score, 16)`` is the same where clips are whole and have no gaps.

    Args:
        scores_T: ``[T]``, or ``[T, ...]`` for more than one value a clip; T at least 1.
        start_frame: int ``[T]``, ascending.
        end_frame: int ``[T]``, exclusive, above ``start_frame``; what runs past ``num_frames`` is cut.
        num_frames: of the video, at least 1.

    Returns:
        ``[num_frames, ...]`` of the dtype of ``scores_T``; means are taken in float64.

    Raises:
        UsageError: no clip or no frame, lengths that differ, spans that are empty or not in order.
    """
    scores_T = np.asarray(scores_T)
    start_T, end_T = np.asarray(start_frame, np.int64), np.asarray(end_frame, np.int64)
    _check(scores_T, start_T, end_T, num_frames)
    frames_N = np.arange(num_frames)
    before_N = np.maximum(np.searchsorted(start_T, frames_N, side="right") - 1, 0)
    held: np.ndarray = scores_T[before_N]
    if (end_T[:-1] <= start_T[1:]).all():
        return held
    total = np.zeros((num_frames, *scores_T.shape[1:]))
    count_N = np.zeros(num_frames, np.int64)
    for score, start, end in zip(scores_T, start_T, end_T, strict=True):
        total[start:end] += score
        count_N[start:end] += 1
    several_N = count_N > 1
    shared = total[several_N] / count_N[several_N].reshape(-1, *[1] * (scores_T.ndim - 1))
    held[several_N] = shared.astype(held.dtype)
    single_N = count_N == 1
    held[single_N] = total[single_N].astype(held.dtype)
    return held


def _check(scores_T: np.ndarray, start_T: np.ndarray, end_T: np.ndarray, num_frames: int) -> None:
    if num_frames < 1 or scores_T.ndim < 1 or not len(scores_T):
        raise UsageError(f"expected at least one clip and one frame, got scores {scores_T.shape}, {num_frames} frames")
    if start_T.shape != scores_T.shape[:1] or end_T.shape != scores_T.shape[:1]:
        raise UsageError(
            f"expected one span a score, got {len(scores_T)} scores, starts {start_T.shape} and ends {end_T.shape}"
        )
    if start_T[0] < 0 or (np.diff(start_T) <= 0).any() or (end_T <= start_T).any():
        raise UsageError("expected clips that are not empty, in ascending order, from frame 0 on")
