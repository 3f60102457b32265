"""Pooling of clips to segments, and mapping back to clips."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.pooling import pool_segments
from wsvad.errors import UsageError
from wsvad.features.pooling import SegmentPooler, segment_edges, segment_ranges

RTFM = Path(__file__).resolve().parents[1] / "data" / "rtfm.npz"
LENGTHS = (1, 5, 31, 32, 33, 100, 1000)
SIZES = st.integers(1, 90)


def naive(features_TX: np.ndarray, segments: int) -> np.ndarray:
    """Return the result of the loop of RTFM's ``process_feat``, in float64."""
    edges = np.linspace(0, len(features_TX), segments + 1, dtype=int)
    rows = []
    for i in range(segments):
        chosen = features_TX[edges[i] : edges[i + 1]] if edges[i] != edges[i + 1] else features_TX[edges[i]][None]
        rows.append(chosen.astype(np.float64).mean(axis=0))
    return np.array(rows)


@pytest.mark.parametrize("length", LENGTHS)
def test_pooling_equals_that_of_rtfm(length: int) -> None:
    """Up to float32 rounding, compared with values of the public code."""
    features = np.random.Generator(np.random.PCG64(length)).standard_normal((length, 4)).astype(np.float32)
    with np.load(RTFM) as reference:
        expected = reference[f"pool_T{length}"]
    pooled = pool_segments(features, 32)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, expected, rtol=2e-6, atol=2e-7)


@settings(deadline=None, max_examples=60)
@given(length=SIZES, segments=SIZES, axes=st.lists(st.integers(1, 3), max_size=2), half=st.booleans())
def test_pooling_is_a_mean_or_the_clip_at_the_start(length: int, segments: int, axes: list[int], half: bool) -> None:
    """Any length, number of segments, shape and type; the reference is a loop."""
    dtype = np.float16 if half else np.float32
    features = np.random.default_rng(length).standard_normal((length, *axes)).astype(dtype)
    np.testing.assert_allclose(pool_segments(features, segments), naive(features, segments), rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(length=SIZES, segments=SIZES, cuts=st.lists(st.integers(0, 90), max_size=5))
def test_pooling_does_not_depend_on_the_parts(length: int, segments: int, cuts: list[int]) -> None:
    """Wherever the parts end, including empty ones."""
    features = np.random.default_rng(length).standard_normal((length, 3)).astype(np.float32)
    pooler = SegmentPooler(length, segments)
    for part in np.split(features, sorted(min(cut, length) for cut in cuts)):
        pooler.add(part)
    np.testing.assert_allclose(pooler.result(), pool_segments(features, segments), rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(length=SIZES, segments=SIZES)
def test_edges_cover_every_clip_in_order(length: int, segments: int) -> None:
    """From 0 to T; ranges are never empty, and disjoint if there are enough clips."""
    edges, ranges = segment_edges(length, segments), segment_ranges(length, segments)
    assert (edges[0], edges[-1], len(edges)) == (0, length, segments + 1)
    assert (np.diff(edges) >= 0).all()
    assert (ranges[:, 1] > ranges[:, 0]).all()
    assert set(np.concatenate([np.arange(a, b) for a, b in ranges])) == set(range(length))
    if length >= segments:
        assert ranges.tolist() == np.stack([edges[:-1], edges[1:]], axis=1).tolist()


def test_many_clips_of_float16_keep_their_mean() -> None:
    """Sums of 50,000 values near 1000 would stop growing in float16, and drift in float32."""
    features = np.full((50_000, 2), 1000.0, np.float16)
    features[::2] += 1
    np.testing.assert_array_equal(pool_segments(features, 2), np.full((2, 2), 1000.5))


@pytest.mark.parametrize(("length", "segments"), [(0, 32), (5, 0), (5, -1)])
def test_pooling_without_clips_is_refused(length: int, segments: int) -> None:
    """A video without clips has no bag."""
    with pytest.raises(UsageError, match="at least 1 clip and 1 segment"):
        pool_segments(np.zeros((length, 3), np.float32), segments)
