"""Expansion of clip scores to frame scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsvad.clips import ClipSpec
from wsvad.errors import UsageError
from wsvad.scores.expand import expand_scores


def naive(scores, starts, ends, num_frames):
    """Reference implementation, frame by frame."""
    frames = []
    for frame in range(num_frames):
        inside = [s for s, a, b in zip(scores, starts, ends, strict=True) if a <= frame < b]
        before = [s for s, a in zip(scores, starts, strict=True) if a <= frame]
        frames.append(np.mean(inside, dtype=np.float64) if inside else before[-1] if before else scores[0])
    return np.asarray(frames, np.float32)


@pytest.mark.parametrize(
    ("starts", "ends", "expected"),
    [
        ([0, 2], [2, 4], [0.2, 0.2, 0.6, 0.6, 0.6]),  # the tail gets the score of the last clip
        ([0, 2], [2, 9], [0.2, 0.2, 0.6, 0.6, 0.6]),  # frames beyond the end are ignored
        ([0, 1], [3, 4], [0.2, 0.4, 0.4, 0.6, 0.6]),  # two clips share frames 1 and 2
        ([1, 4], [2, 5], [0.2, 0.2, 0.2, 0.2, 0.6]),  # gaps get the preceding score; the head gets the first
    ],
)
def test_frames_by_hand(starts, ends, expected):
    """Each rule on five frames."""
    got = expand_scores(np.array([0.2, 0.6], np.float32), np.array(starts), np.array(ends), 5)
    np.testing.assert_allclose(got, np.array(expected, np.float32), rtol=1e-7)
    assert got.dtype == np.float32


@settings(max_examples=150, deadline=None)
@given(
    length=st.integers(1, 9),
    stride=st.integers(1, 9),
    num_frames=st.integers(1, 60),
    last=st.sampled_from(["pad", "drop"]),
    seed=st.integers(0, 2**20),
)
def test_agrees_with_a_plain_loop(length, stride, num_frames, last, seed):
    """For any clip length and stride, with clips missing at random; bitwise for frames of single clips."""
    spec = ClipSpec(length, stride, last)
    rng = np.random.default_rng(seed)
    clips = [c for c in range(spec.count(num_frames)) if rng.random() < 0.8]
    if not clips:
        return
    starts, ends = np.array([spec.span(c, num_frames) for c in clips]).T
    scores = rng.random(len(clips)).astype(np.float32)
    got = expand_scores(scores, starts, ends, num_frames)
    np.testing.assert_allclose(got, naive(scores, starts, ends, num_frames), rtol=1e-6, atol=1e-7)
    cuboids = expand_scores(np.stack([scores, 1 - scores], 1), starts, ends, num_frames)
    np.testing.assert_array_equal(cuboids[:, 0], got)


def test_sixteen_by_sixteen_is_repetition():
    """Without gaps and overlaps it equals RTFM's repeat, bit for bit."""
    scores = np.random.default_rng(0).random(7).astype(np.float32)
    starts = 16 * np.arange(7)
    np.testing.assert_array_equal(expand_scores(scores, starts, starts + 16, 112), np.repeat(scores, 16))


@pytest.mark.parametrize(
    ("scores", "starts", "ends", "num_frames"),
    [([], [], [], 5), ([0.1], [0], [4], 0), ([0.1], [0, 4], [4, 8], 8), ([0.1, 0.2], [4, 0], [8, 4], 8),
     ([0.1], [3], [3], 8), ([0.1], [-1], [3], 8)],
)  # fmt: skip
def test_invalid_spans_are_refused(scores, starts, ends, num_frames):
    """No clip, no frame, different lengths, wrong order, empty or negative spans."""
    with pytest.raises(UsageError):
        expand_scores(np.array(scores), np.array(starts), np.array(ends), num_frames)
