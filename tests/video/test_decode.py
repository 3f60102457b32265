"""Decoding: correct frames with correct numbers, from any start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tests.data_sets import DATA_SETS, needs_data_sets
from tests.video.corpus import changing_size
from tests.video.sources import BytesSource
from tests.video.synthetic import (
    CLOSED_GOP,
    NO_B,
    OPEN_GOP,
    X264,
    Recipe,
    make_video,
    number_in,
    plain_decode,
    plain_times,
)
from wsvad.clips import ClipSpec
from wsvad.errors import VideoError
from wsvad.video import Clip, Geometry, Limits, VideoIndex, VideoReader
from wsvad.video.geometry import Frames

BASE = Recipe(options=CLOSED_GOP)
X265 = "keyint=24:min-keyint=24:scenecut=0:bframes=3:b-adapt=0:open-gop=1:log-level=none:pools=1:frame-threads=1"
HEVC = {"preset": "ultrafast", "x265-params": X265}
REFRESH = {"x264-params": "keyint=25:intra-refresh=1:bframes=0", **X264}

Clips = dict[int, tuple[int, int, float, float, Frames]]


def decode(
    reader: VideoReader,
    path: Path,
    first: int = 0,
    last: int | None = None,
    spec: ClipSpec | None = None,
    geometry: Geometry | None = None,
) -> tuple[VideoIndex, Clips]:
    """Index a file and return copies of the clips of a range."""
    spec, geometry = spec or ClipSpec(), geometry or Geometry(size=96)
    source = BytesSource(path)
    index = reader.index(source, name=path.name)
    clips: Clips = {}
    last = spec.count(index.num_frames) if last is None else last
    for clip in reader.clips(source, index, first, last, spec, geometry, name=path.name):
        with clip:
            frames = clip.frames_THWC.copy()
        clips[clip.clip] = (clip.start_frame, clip.end_frame, clip.start_s, clip.end_s, frames)
    return index, clips


FILES = [
    ("closed.mp4", BASE, True),
    ("open.mp4", replace(BASE, options=OPEN_GOP), True),
    ("open.mkv", replace(BASE, options=OPEN_GOP), True),
    ("open.ts", replace(BASE, options=OPEN_GOP), True),
    ("open.flv", replace(BASE, options=OPEN_GOP), True),
    ("hevc_open.mp4", replace(BASE, codec="libx265", options=HEVC), True),
    ("hevc_open.ts", replace(BASE, codec="libx265", options=HEVC), True),
    ("fragments.mp4", replace(BASE, container_options={"movflags": "frag_keyframe+empty_moov"}), True),
    ("plain.avi", replace(BASE, codec="mpeg4", options={"g": "25"}), True),
    ("h264.avi", replace(BASE, options=NO_B), True),
    ("reordered.avi", BASE, False),
    ("elementary.h264", BASE, False),
    ("variable.mp4", replace(BASE, stamp=lambda n: n * 200 + n % 7 * 25), True),
    ("variable.mkv", replace(BASE, options=OPEN_GOP, stamp=lambda n: n * 200 + n % 7 * 25), True),
    ("vp9.webm", replace(BASE, codec="libvpx-vp9", options={"g": "25", "cpu-used": "8", "deadline": "realtime"}), True),
    ("refresh.ts", replace(BASE, options=REFRESH), False),
]


@pytest.mark.parametrize(("name", "recipe", "seeks"), FILES, ids=[name for name, _, _ in FILES])
def test_a_decode_from_the_middle_gives_the_same_bytes(
    tmp_path: Path, reader: VideoReader, name: str, recipe: Recipe, seeks: bool
) -> None:
    """Clips of a range equal those of a full decode, bytes, spans and times; each frame shows its own number.

    ``refresh.ts`` has no picture at which a decode may start; that shows after a seek, and the decode starts over.
    """
    path = make_video(tmp_path / name, recipe)
    index, full = decode(reader, path)
    assert index.num_frames == 400
    assert sorted(full) == list(range(25))
    for clip, (start, end, _, _, frames) in full.items():
        assert [number_in(frame) for frame in frames[: end - start]] == list(range(start, end))
        assert (start, end) == (clip * 16, clip * 16 + 16)
    for first, last in ((9, 10), (12, 13), (19, 21), (24, 25)):
        _, part = decode(reader, path, first, last)
        assert (reader.report.decoded_from > 0) == (seeks and first > 9)
        assert sorted(part) == list(range(first, last))
        for clip, (*span, frames) in part.items():
            assert tuple(span) == full[clip][:4]
            assert np.array_equal(frames, full[clip][4])


def test_the_previous_seek_point_is_used_if_one_is_damaged(video: Path, reader: VideoReader) -> None:
    """The key frame at 300 is overwritten. Frames that need it are missing; the others are decoded from 150 on."""
    index = reader.index(BytesSource(video))
    with av.open(str(video)) as container:
        hit = [p for p in container.demux(video=0) if p.is_keyframe and p.pts == index.seek_points[2].timestamp]
    data = bytearray(video.read_bytes())
    assert hit[0].pos is not None
    data[hit[0].pos : hit[0].pos + hit[0].size] = bytes(hit[0].size)
    source = BytesSource(bytes(data))
    clips = [clip.clip for clip in reader.clips(source, index, 18, 25, ClipSpec(), Geometry(size=96)) if released(clip)]
    assert reader.report.decoded_from == 150
    assert reader.report.missing[0][0] == 300
    assert clips[-4:] == [21, 22, 23, 24]
    assert 18 not in clips


def test_clip_times_are_presentation_times(tmp_path: Path, reader: VideoReader) -> None:
    """Variable rate with B-frames: a clip starts with its first frame and ends where the next frame starts."""
    path = make_video(tmp_path / "variable.mp4", replace(BASE, num_frames=100, stamp=lambda n: n * 200 + n % 7 * 25))
    times = plain_times(plain_decode(path))
    index, clips = decode(reader, path)
    for start, end, start_s, end_s, _ in clips.values():
        assert start_s == pytest.approx(times[start])
        assert end_s == pytest.approx(times[end] if end < 100 else index.duration_s)


@needs_data_sets
@pytest.mark.parametrize("geometry", [Geometry(), Geometry("center"), Geometry("ten-crop")], ids=lambda g: g.kind)
def test_pixels_equal_a_plain_decode_resized(reader: VideoReader, geometry: Geometry) -> None:
    """A real video, compared with PyAV's own conversion of each frame and numpy slices; mean error below 2.5 levels."""
    path = DATA_SETS / "ucsd_ped2" / "videos" / "Test004.mp4"
    index, clips = decode(reader, path, geometry=geometry)
    frames = plain_decode(path)
    assert index.num_frames == len(frames)
    across, down = geometry.scaled(index.width, index.height)
    for number in (0, 33, 100, len(frames) - 1):
        want = (
            frames[number].to_ndarray(format="rgb24", width=across, height=down, interpolation="BILINEAR").astype(int)
        )
        if geometry.kind == "center":
            left, top = (across - 224) // 2, (down - 224) // 2
            want = want[top : top + 224, left : left + 224]
        got = clips[number // 16][4][number % 16].astype(int)
        assert got.shape == want.shape
        assert np.abs(got - want).mean() < 2.5


@needs_data_sets
def test_real_videos_decode_completely(reader: VideoReader) -> None:
    """Some videos of SurvFight, every frame decoded once."""
    for name in ("temporal/videos/t_dev_test_001.mp4", "spatial/videos/s_dev_train_002.mp4"):
        index, clips = decode(reader, DATA_SETS / "survfight" / name)
        assert len(clips) == ClipSpec().count(index.num_frames)
        assert reader.report.decoded_frames == reader.report.expected_frames == index.num_frames
        assert reader.report.missing == ()


@pytest.mark.parametrize(
    ("spec", "last_span", "shown"),
    [
        (ClipSpec(), (96, 100), [96, 97, 98, 99] + 12 * [99]),
        (ClipSpec(last="drop"), (80, 96), list(range(80, 96))),
        (ClipSpec(16, 8), (88, 100), list(range(88, 100)) + 4 * [99]),
        (ClipSpec(8, 24), (96, 100), [96, 97, 98, 99] + 4 * [99]),
        (ClipSpec(200, 200), (0, 100), list(range(100)) + 100 * [99]),
    ],
    ids=str,
)
def test_the_last_clip_is_padded_or_dropped(
    hundred_frames: Path, reader: VideoReader, spec: ClipSpec, last_span: tuple[int, int], shown: list[int]
) -> None:
    """100 frames; the recorded span excludes padding."""
    index, clips = decode(reader, hundred_frames, spec=spec)
    assert sorted(clips) == list(range(spec.count(index.num_frames)))
    start, end, _, end_s, frames = clips[max(clips)]
    assert (start, end) == last_span
    assert end_s == pytest.approx(end / 5)
    assert [number_in(frame) for frame in frames] == shown


@pytest.fixture
def hundred_frames(tmp_path: Path) -> Path:
    """A video of 100 frames at 5 frames/s."""
    return make_video(tmp_path / "hundred.mp4", replace(BASE, num_frames=100))


def test_overlapping_clips_contain_the_same_frames(hundred_frames: Path, reader: VideoReader) -> None:
    """Stride 3, length 8: every clip is compared with the numbers its frames show."""
    _, clips = decode(reader, hundred_frames, 4, 20, spec=ClipSpec(8, 3))
    assert sorted(clips) == list(range(4, 20))
    for clip, (*_, frames) in clips.items():
        assert [number_in(frame) for frame in frames] == list(range(clip * 3, clip * 3 + 8))


def test_an_empty_range_yields_no_clips(hundred_frames: Path, reader: VideoReader) -> None:
    """Also after the end."""
    for first, last in ((3, 3), (7, 9), (5, 2)):
        assert decode(reader, hundred_frames, first, last)[1] == {}
        assert reader.report.expected_frames == 0


def test_pictures_may_change_their_size(tmp_path: Path, reader: VideoReader) -> None:
    """Portrait after landscape, both scaled to the same view."""
    _, clips = decode(reader, changing_size(tmp_path / "changing.ts"))
    shown = [number_in(frame) for start, end, _, _, frames in clips.values() for frame in frames[: end - start]]
    assert shown == list(range(100))


def test_pictures_that_grow_above_the_limit_are_refused(tmp_path: Path) -> None:
    """The first pictures are small; nothing is allocated for the large ones."""
    path = changing_size(tmp_path / "growing.ts", ((96, 64), (640, 480)))
    with VideoReader(Limits(max_pixels=100_000)) as reader:
        source = BytesSource(path)
        index = reader.index(source)
        with pytest.raises(VideoError, match="640x480") as refused:
            all_clips(reader, source, index)
        assert refused.value.kind == "too_large"


def released(clip: Clip) -> bool:
    """Release a clip; return True."""
    clip.release()
    return True


def all_clips(reader: VideoReader, source: BytesSource, index: VideoIndex) -> list[int]:
    """Decode all clips and return their numbers."""
    found = []
    for clip in reader.clips(source, index, 0, ClipSpec().count(index.num_frames), ClipSpec(), Geometry()):
        found.append(clip.clip)
        clip.release()
    return found
