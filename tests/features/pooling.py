"""Segments of a video in memory."""

import numpy as np

from wsvad.features.pooling import SegmentPooler


def pool_segments(features_TX: np.ndarray, segments: int) -> np.ndarray:
    """Pool ``[T, ...]`` to float32 ``[S, ...]`` at once."""
    pooler = SegmentPooler(len(features_TX), segments)
    pooler.add(features_TX)
    return pooler.result()
