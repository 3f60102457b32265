"""Clip assembly, compared with a naive loop over all clips."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from wsvad.clips import ClipSpec
from wsvad.video.clip_assembler import ClipAssembler, ClipTimes
from wsvad.video.geometry import Frames

Emitted = dict[int, tuple[ClipTimes, list[int], list[int]]]


def run(spec: ClipSpec, num_frames: int, clips: tuple[int, int], lost: set[int]) -> tuple[Emitted, ClipAssembler]:
    """Feed all frames from 0 that are not lost.

    All pixels of frame n are n, it starts at n seconds and ends at n + 1, and its flow is all n too.
    """
    emitted: Emitted = {}

    def emit(times: ClipTimes, pieces: tuple[Frames, ...], flow: tuple[Frames, ...]) -> None:
        shown = (np.concatenate(pieces)[:, 0, 0, 0].tolist(), np.concatenate(flow)[:, 0, 0, 0].tolist())
        emitted[times.clip] = (times, *shown)

    assembler = ClipAssembler(spec, num_frames, clips, 2, 2, emit, flow=True)
    previous = -1
    for number in range(num_frames):
        if number in lost:
            continue
        if previous == number - 1 and assembler.wants_flow(previous):
            assembler.add_flow(previous, np.full((2, 2, 2), 100 + previous, dtype=np.uint8))
        if number >= assembler.stop:
            assembler.finish(previous + 1)
            break
        assembler.close(previous + 1)
        previous = number
        if number >= assembler.start:
            assembler.slot(number)[:] = number
            assembler.added(number, float(number))
        if assembler.done:
            break
    else:
        assembler.finish(previous + 1)
    return emitted, assembler


def naive(spec: ClipSpec, num_frames: int, clips: tuple[int, int], lost: set[int]) -> dict[int, list[int]]:
    """Return the definition: every clip whose frames are all decoded."""
    found = {}
    for clip in range(clips[0], min(clips[1], spec.count(num_frames))):
        start, end = spec.span(clip, num_frames)
        if not lost & set(range(start, end)):
            found[clip] = list(range(start, end))
    return found


def naive_flow(start: int, end: int, behind: bool) -> list[int]:
    """Return the definition: the flow of each frame; the last one repeats the previous flow if no frame follows."""
    if behind:
        return list(range(100 + start, 100 + end))
    return [*range(100 + start, 100 + end - 1), 98 + end if end - start > 1 else 128]


SPECS = [
    ClipSpec(4, 4),
    ClipSpec(4, 2),
    ClipSpec(4, 1),
    ClipSpec(4, 6),
    ClipSpec(1, 1),
    ClipSpec(4, 3, "drop"),
    ClipSpec(5, 5, "drop"),
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("num_frames", [1, 3, 4, 5, 16, 23])
def test_clips_equal_those_of_a_naive_loop(spec: ClipSpec, num_frames: int) -> None:
    """All ranges, with no frame, one frame and a run of frames lost."""
    count = spec.count(num_frames)
    for first, last in itertools.combinations(range(count + 1), 2):
        for lost in (set(), {num_frames // 2}, {1, 2, 3}, {0}, {num_frames - 1}):
            emitted, assembler = run(spec, num_frames, (first, last), lost)
            expected = naive(spec, num_frames, (first, last), lost)
            assert {clip: frames for clip, (_, frames, _) in emitted.items()} == expected
            for clip, (times, _, flow) in emitted.items():
                start, end = spec.span(clip, num_frames)
                assert times == (clip, start, end, start, end)
                assert flow == naive_flow(start, end, behind=end < num_frames and end not in lost)
            gone = {n for start, stop in assembler.missing for n in range(start, stop)}
            assert gone == {n for n in lost if assembler.start <= n < assembler.stop}
            assert assembler.decoded + len(gone) == assembler.stop - assembler.start
