"""Frame-level ground truth at exact length and at two lengths used in publications, and the temporal IoU."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from wsvad.manifest.records import VideoRecord
from wsvad.manifest.truth import Span, known_spans
from wsvad.metrics.options import TruthMode
from wsvad.metrics.ranking import Floats, UndefinedMetric

Bools = npt.NDArray[np.bool_]
BLOCK = 16
"""Block length of public ground truth files in frames, independent of the clip length."""


def truth_spans(record: VideoRecord) -> tuple[Span, ...] | None:
    """Return the anomalous frames of a video, see :func:`wsvad.manifest.truth.known_spans`."""
    return known_spans(record.spans, record.boxes)


def frame_truth(spans: Iterable[Span], num_frames: int) -> Bools:
    """Return bool ``[num_frames]``, true within any half-open span; spans are clipped at the end."""
    truth_N = np.zeros(num_frames, dtype=np.bool_)
    for start, end in spans:
        truth_N[start:end] = True
    return truth_N


def fit(truth_N: Bools, scores_N: Floats, mode: TruthMode) -> tuple[Bools, Floats]:
    """Adjust ground truth and scores of one video to the length at which a published number was computed.

    Args:
        truth_N: bool, one per frame.
        scores_N: float, one per frame.
        mode: ``true`` changes nothing. ``floor16`` drops the frames after the last full block of 16: n becomes
            ``16 * floor(n / 16)``, so a video of fewer than 16 frames becomes empty. ``pad16`` pads the last block:
            n becomes ``16 * ceil(n / 16)``, with truth 0 and the last score repeated.
    """
    frames = scores_N.size
    if mode == "floor16":
        kept = BLOCK * (frames // BLOCK)
        return truth_N[:kept], scores_N[:kept]
    if mode == "pad16" and frames:
        more = -frames % BLOCK
        return np.append(truth_N, np.zeros(more, dtype=np.bool_)), np.append(scores_N, np.repeat(scores_N[-1:], more))
    return truth_N, scores_N


def temporal_iou(truth_N: Bools, flagged_N: Bools) -> float:
    """Return the intersection over union of flagged and anomalous frames of a video, in [0, 1].

    Raises:
        UndefinedMetric: no frame is anomalous.
    """
    if not truth_N.any():
        raise UndefinedMetric("no frame of the video is anomalous")
    return float(np.count_nonzero(truth_N & flagged_N) / np.count_nonzero(truth_N | flagged_N))


def runs(flagged_N: Bools) -> list[Span]:
    """Return the half-open spans of consecutive true frames."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flagged_N, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
