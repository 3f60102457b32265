"""Expand clip scores to frame scores, for metrics and plots at the full length of a video."""

from __future__ import annotations

import numpy as np

from wsvad.errors import UsageError


def expand_scores(scores_T: np.ndarray, start_frame: np.ndarray, end_frame: np.ndarray, num_frames: int) -> np.ndarray:
    """Return a score for every frame of a video from the scores of its clips.

    A frame in several clips (stride below length) gets their mean. A frame in no clip (stride above length, footage
    that could not be decoded, the tail after a dropped last clip) gets the score of the preceding clip, or of the first
    clip if there is none. Equals RTFM's ``repeat(score, 16)`` if all clips are full and without gaps.

    Args:
        scores_T: ``[T]``, or ``[T, ...]`` for several values per clip; T at least 1.
        start_frame: int ``[T]``, ascending.
        end_frame: int ``[T]``, exclusive, above ``start_frame``; frames beyond ``num_frames`` are ignored.
        num_frames: number of frames of the video, at least 1.

    Returns:
        ``[num_frames, ...]`` with the dtype of ``scores_T``; means are computed in float64.

    Raises:
        UsageError: no clip, no frame, different lengths, or spans that are empty or not in order.
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
            f"expected one span per score, got {len(scores_T)} scores, starts {start_T.shape} and ends {end_T.shape}"
        )
    if start_T[0] < 0 or (np.diff(start_T) <= 0).any() or (end_T <= start_T).any():
        raise UsageError("expected non-empty clips in ascending order, with start frames of at least 0")
