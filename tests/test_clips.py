"""Clip arithmetic against a naive loop over frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.clips import ClipSpec
from wsvad.errors import UsageError


@pytest.mark.parametrize(
    ("frames", "length", "stride", "last", "spans"),
    [
        (0, 16, 16, "pad", []),
        (1, 16, 16, "pad", [(0, 1)]),
        (16, 16, 16, "pad", [(0, 16)]),
        (17, 16, 16, "pad", [(0, 16), (16, 17)]),
        (17, 16, 16, "drop", [(0, 16)]),
        (15, 16, 16, "drop", []),
        (48, 16, 16, "pad", [(0, 16), (16, 32), (32, 48)]),
        (16, 16, 8, "pad", [(0, 16)]),
        (17, 16, 8, "pad", [(0, 16), (8, 17)]),
        (40, 16, 32, "pad", [(0, 16), (32, 40)]),
        (30, 16, 32, "pad", [(0, 16)]),
    ],
)
def test_spans_by_hand(frames, length, stride, last, spans):
    """The spans of a video's clips, written out."""
    spec = ClipSpec(length, stride, last)
    assert [spec.span(i, frames) for i in range(spec.count(frames))] == spans


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 40))
def test_padded_clips_cover_what_strides_reach(frames, length, stride):
    """Every frame that a full or partial clip can reach is in a clip, and no clip is redundant or empty."""
    spec = ClipSpec(length, stride, "pad")
    spans = [spec.span(i, frames) for i in range(spec.count(frames))]
    reached = {f for start in range(0, frames, stride) for f in range(start, min(start + length, frames))}
    assert {f for a, b in spans for f in range(a, b)} == reached
    ends = [b for _, b in spans]
    assert ends == sorted(set(ends))
    assert all(a < b for a, b in spans)


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 40))
def test_dropping_keeps_exactly_the_full_clips(frames, length, stride):
    """With ``drop`` every clip is full, and there are as many as fit."""
    spec = ClipSpec(length, stride, "drop")
    spans = [spec.span(i, frames) for i in range(spec.count(frames))]
    assert spans == [(s, s + length) for s in range(0, frames, stride) if s + length <= frames]


@pytest.mark.parametrize("wrong", [{"length": 0}, {"stride": 0}, {"last": "keep"}])
def test_invalid_specs_are_usage_errors(wrong):
    """The message states what was expected."""
    with pytest.raises(UsageError, match="must be"):
        ClipSpec(**wrong)
