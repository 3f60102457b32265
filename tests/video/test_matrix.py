"""Containers times codecs times treatments: number, order and times of frames equal those of an independent decode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from tests.video.matrix import CONTAINERS, FPS, Cell, cells, make_cell
from tests.video.sources import BytesSource
from tests.video.synthetic import number_in
from wsvad.clips import ClipSpec
from wsvad.video import Geometry, VideoReader

# An MPEG program stream of small H.264 pictures stamps one in several; where a pause falls between two stamps, no
# reader can tell which of the frames between them it is in front of.
SPARSE = {("mpg", "h264", t) for t in ("cut", "gap", "dropped")} | {
    ("mpg", codec, treatment) for codec in ("h264_b", "h264_open") for treatment in ("gap", "dropped")
}
WITHOUT = {"avi": {"hevc"}}
"""Codecs that a muxer does not write."""


@dataclass
class Found:
    """Result of the reader for a file."""

    numbers: list[int | None]
    starts: dict[int, float]
    notes: list[str]


def full_decode(path: Path) -> list[int]:
    """Decode every packet, continuing after errors, and return the numbers that the pictures show."""
    numbers = []
    with av.open(str(path), format="mjpeg" if path.suffix == ".mjpeg" else None) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        packets = [packet for packet in container.demux(stream) if packet.size]
        for packet in (*packets, None):
            try:
                pictures = stream.codec_context.decode(packet)
            except av.FFmpegError:
                continue
            numbers += [number_in(frame.to_ndarray(format="rgb24")) for frame in pictures]
    return numbers


def read_video(reader: VideoReader, path: Path) -> Found:
    """Index and decode a file with ``VideoReader``."""
    source, spec = BytesSource(path), ClipSpec()
    index = reader.index(source, name=path.name)
    numbers: list[int | None] = [None] * index.num_frames
    starts = {}
    for clip in reader.clips(source, index, 0, spec.count(index.num_frames), spec, Geometry(size=96)):
        with clip:
            for place in range(clip.start_frame, clip.end_frame):
                numbers[place] = number_in(clip.frames_THWC[place - clip.start_frame])
            starts[clip.start_frame] = clip.start_s
    return Found(numbers, starts, [note.code for note in index.notes])


def largest_delay(cell: Cell, found: Found, truth: list[int]) -> float:
    """Return the largest delay of a clip's start against the recording time of its first picture, in frames."""
    first = cell.times[truth[0]]
    return max(abs(start - (cell.times[truth[frame]] - first)) for frame, start in found.starts.items()) * FPS


@pytest.mark.parametrize("container", [*CONTAINERS, "raw"])
def test_frames_and_times_equal_a_full_decode(tmp_path: Path, reader: VideoReader, container: str) -> None:
    """Every file that a muxer can write is exact; a note is added if too few timestamps determine times."""
    made, codecs, wrong = 0, set(), []
    for cell_container, codec, treatment in cells():
        if cell_container != container or (cell := make_cell(tmp_path, container, codec, treatment)) is None:
            continue
        made += 1
        codecs.add(codec)
        truth, found = full_decode(cell.path), read_video(reader, cell.path)
        late = largest_delay(cell, found, truth)
        exact = found.numbers == truth and late <= 0.6 and cell.jumps == ("clock_jump" in found.notes)
        noted = found.numbers == truth and "stamps_mended" in found.notes and (container, codec, treatment) in SPARSE
        if not exact and not noted:
            wrong.append((codec, treatment, len(found.numbers), len(truth), late, found.notes))
        cell.path.unlink()
    assert not wrong
    assert made > 10
    assert {codec for kind, codec, _ in cells() if kind == container} - codecs == WITHOUT.get(container, set())
