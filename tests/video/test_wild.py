"""Videos as archives hold them: frames, times and pictures are correct, or the deviation is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.video.sources import BytesSource
from wsvad.clips import ClipSpec
from wsvad.errors import UsageError, VideoError
from wsvad.extraction.units import clips_per_unit
from wsvad.features.config import FeatureConfig
from wsvad.video import Geometry, ReadOptions, VideoIndex, VideoReader

WILD = Path(__file__).parents[1] / "data" / "wild"


def read(
    reader: VideoReader, name: str, reading: ReadOptions | None = None
) -> tuple[VideoIndex, list[int], list[float]]:
    """Return the index, the number in every picture (-1 if there is none), and the start of every frame's clip."""
    source = BytesSource(WILD / name)
    index = reader.index(source, name=name, reading=reading)
    spec = ClipSpec(1, 1)
    numbers, starts = [-1] * index.num_frames, [-1.0] * index.num_frames
    for clip in reader.clips(source, index, 0, spec.count(index.num_frames), spec, Geometry()):
        with clip:
            row = clip.frames_THWC[0][224 // 8].astype(int).mean(axis=1)
            numbers[clip.clip] = sum(1 << bit for bit in range(14) if row[int((bit + 0.5) * 224 / 14)] > 128)
            starts[clip.clip] = clip.start_s
    return index, numbers, starts


@pytest.mark.parametrize(
    ("name", "first", "frames", "seconds"),
    [
        ("vp8_altref.webm", 0, 200, 8.0),
        ("thumbfirst.mkv", 0, 200, 8.0),
        ("slow_dup.mkv", 0, 160, 34.0),
        ("hevc_cut.mkv", 50, 150, 6.0),
        ("drop_h264b.avi", 0, 130, 13.2),
        ("raw12.h264", 0, 200, 200 / 12),
        ("ntp.mkv", 0, 200, 20.0),
    ],
)
def test_every_picture_has_its_number_and_nothing_is_missing(
    reader: VideoReader, name: str, first: int, frames: int, seconds: float
) -> None:
    """Packets without a picture are no frames; every frame has the number of a full decode."""
    index, numbers, _ = read(reader, name)
    assert numbers == list(range(first, first + frames))
    assert index.num_frames == frames
    assert index.duration_s == pytest.approx(seconds)
    assert reader.report.missing == ()


def test_one_repeated_timestamp_does_not_affect_the_others(reader: VideoReader) -> None:
    """25 frames/s for 4 s, then 2: the frame with the repeated timestamp is placed between its neighbours."""
    index, _, starts = read(reader, "slow_dup.mkv")
    assert index.variable_rate
    assert [starts[n] for n in (0, 99, 119, 120, 121, 144, 159)] == pytest.approx([0, 3.96, 13.5, 14, 14.5, 26, 33.5])
    assert [note.code for note in index.notes] == ["stamps_mended"]


def test_empty_chunks_of_an_avi_count_as_time(reader: VideoReader) -> None:
    """Nothing was recorded from second 2 to 4 and from 6 to 12."""
    _, _, starts = read(reader, "drop_h264b.avi")
    assert [starts[n] for n in (49, 50, 99, 100, 129)] == pytest.approx([1.96, 4.0, 5.96, 12.0, 13.16])


def test_a_clock_jump_is_reported_and_removed(reader: VideoReader) -> None:
    """56 years between two frames; one unit, not thirteen."""
    index, _, starts = read(reader, "ntp.mkv")
    assert index.fps == pytest.approx(10.0)
    assert starts == pytest.approx([n / 10 for n in range(200)])
    assert [note.code for note in index.notes] == ["clock_jump"]
    assert "frame 50" in index.notes[0].message
    features = FeatureConfig(weights="random:0", backbone="i3d-compact")
    assert clips_per_unit(index, features) > 13


def test_the_footage_stream_is_read_unless_another_is_chosen(reader: VideoReader) -> None:
    """A still as track 0 is no footage, and leaving it out gives no note."""
    index, *_ = read(reader, "thumbfirst.mkv")
    assert (index.codec, index.stream, index.notes) == ("h264", 1, ())
    still, *_ = read(reader, "thumbfirst.mkv", ReadOptions(stream=0))
    assert (still.codec, still.num_frames) == ("mjpeg", 1)
    with pytest.raises(VideoError, match="video stream 2 does not exist: the file has 2") as refused:
        read(reader, "thumbfirst.mkv", ReadOptions(stream=2))
    assert refused.value.kind == "no_video_stream"


def test_a_given_frame_rate_is_used_without_timestamps(reader: VideoReader) -> None:
    """An elementary stream states 12 frames/s; the user sets another rate. A Matroska file has its own timestamps."""
    stated, _, starts = read(reader, "raw12.h264")
    assert (stated.fps, stated.notes) == (12.0, ())
    assert starts[12] == pytest.approx(1.0)
    said, _, starts = read(reader, "raw12.h264", ReadOptions(frame_rate=8.0))
    assert said.fps == 8.0
    assert starts[12] == pytest.approx(1.5)
    assert said.reading != stated.reading
    stamped, *_ = read(reader, "hevc_cut.mkv", ReadOptions(frame_rate=8.0))
    assert stamped.fps == pytest.approx(25.0)
    for wrong in (0.0, -1.0, float("nan"), 1e9):
        with pytest.raises(UsageError, match="frame rate"):
            ReadOptions(frame_rate=wrong)
