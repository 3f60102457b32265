"""The index states what a full decode yields, without decoding everything."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data_sets import DATA_SETS, needs_data_sets
from tests.video.sources import BytesSource
from tests.video.synthetic import CLOSED_GOP, OPEN_GOP, Recipe, make_video, plain_decode, plain_times
from wsvad.errors import UsageError
from wsvad.video import SeekPoint, VideoIndex, VideoReader

BASE = Recipe(options=CLOSED_GOP, num_frames=200)


def listed(table: Path) -> list[dict[str, str]]:
    """Read a ``videos.csv``."""
    with table.open(newline="") as rows:
        return list(csv.DictReader(rows))


@needs_data_sets
@pytest.mark.parametrize(
    ("data", "count"), [("survfight/temporal", 108), ("survfight/spatial", 92), ("ucsd_ped2", 28)], ids=str
)
def test_frame_counts_rates_and_sizes_match_the_data_sets(reader: VideoReader, data: str, count: int) -> None:
    """All 200 SurvFight videos and all 28 of Ped2, compared with the tables that came with them."""
    rows = listed(DATA_SETS / data / "videos.csv")
    assert len(rows) == count
    for row in rows:
        index = reader.index(BytesSource(DATA_SETS / data / "videos" / row["video"]))
        found = (index.num_frames, index.fps, index.width, index.height, index.rotation, index.variable_rate)
        size = (int(row["width"]), int(row["height"]))
        assert found == (int(row["frames"]), float(row["fps"]), *size, 0, False), row["video"]
        assert index.duration_s == pytest.approx(index.num_frames / index.fps)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("closed.mp4", BASE),
        ("open.mp4", replace(BASE, options=OPEN_GOP)),
        ("open.mkv", replace(BASE, options=OPEN_GOP)),
        ("open.ts", replace(BASE, options=OPEN_GOP)),
        ("reordered.avi", BASE),
        ("flash.flv", BASE),
        ("fragments.mp4", replace(BASE, container_options={"movflags": "frag_keyframe+empty_moov"})),
        ("front.mp4", replace(BASE, container_options={"movflags": "faststart"})),
        ("elementary.h264", BASE),
        ("mpeg4.avi", replace(BASE, codec="mpeg4", options={"g": "25"})),
        ("mpeg4_b.mp4", replace(BASE, codec="mpeg4", options={"g": "25", "bf": "2"})),
        ("dvd.mpg", replace(BASE, codec="mpeg2video", fps=25, options={"g": "12", "bf": "2"}, container="mpeg")),
        (
            "vp8.webm",
            replace(BASE, codec="libvpx", num_frames=60, options={"lag-in-frames": "16", "auto-alt-ref": "1"}),
        ),
        ("vp9.webm", replace(BASE, codec="libvpx-vp9", num_frames=60, options={"cpu-used": "8"})),
        ("windows.asf", replace(BASE, codec="wmv2", options={"g": "25"})),
        ("one_frame.mp4", replace(BASE, num_frames=1)),
        ("with_sound.mp4", replace(BASE, audio=True)),
    ],
)
def test_index_equals_a_full_decode(tmp_path: Path, reader: VideoReader, name: str, recipe: Recipe) -> None:
    """Frame count and size are compared with plain PyAV; times too if the container stores presentation timestamps."""
    path = make_video(tmp_path / name, recipe)
    index, frames = reader.index(BytesSource(path)), plain_decode(path)
    assert index.num_frames == len(frames) == recipe.num_frames
    assert (index.width, index.height) == (frames[0].width, frames[0].height)
    if index.clock == "pts":
        assert index.duration_s == pytest.approx(plain_times(frames)[-1] + 1 / recipe.fps, abs=0.01)
        assert index.fps == pytest.approx(recipe.fps, rel=0.01)
        assert not index.variable_rate


def test_seek_points_are_key_frames_thirty_seconds_apart(tmp_path: Path, reader: VideoReader, video: Path) -> None:
    """Key frames come every 5 s; the points are the first ones after 30 s and 60 s."""
    index = reader.index(BytesSource(video))
    assert [point.frame for point in index.seek_points] == [0, 150, 300]
    assert [index.seconds(point.timestamp) for point in index.seek_points] == [0, 30, 60]
    keys = [number for number, frame in enumerate(plain_decode(video)) if frame.key_frame]
    assert {point.frame for point in index.seek_points} <= set(keys)
    raw = make_video(tmp_path / "raw.h264", BASE)
    assert reader.index(BytesSource(raw)).seek_points == ()


def test_variable_rate_is_detected_but_not_in_rounded_timestamps(tmp_path: Path, reader: VideoReader) -> None:
    """Matroska rounds 30 frames/s to 33 and 34 ms."""
    jittery = make_video(tmp_path / "jittery.mkv", replace(BASE, stamp=lambda n: n * 200 + n % 7 * 25))
    assert reader.index(BytesSource(jittery)).variable_rate
    rounded = make_video(tmp_path / "rounded.mkv", replace(BASE, fps=30))
    assert not reader.index(BytesSource(rounded)).variable_rate


def test_a_large_mp4_is_indexed_from_its_table(tmp_path: Path, reader: VideoReader, video: Path) -> None:
    """With 64 MiB of other data between sample data and table, only a few megabytes are read."""
    whole = video.read_bytes()
    gap = 64 << 20
    source = BytesSource(whole + (8 + gap).to_bytes(4, "big") + b"free" + bytes(gap))
    assert reader.index(source).num_frames == 400
    assert source.bytes_read < 5 << 20


def test_samples_are_not_read_after_the_first_picture(tmp_path: Path, reader: VideoReader) -> None:
    """A video with megabytes of samples and its table in front: only the beginning is read, with the same result."""
    large = replace(BASE, codec="rawvideo", options={}, width=320, height=240, pixel_format="yuyv422")
    path = make_video(
        tmp_path / "large.mov", replace(large, num_frames=60, container_options={"movflags": "faststart"})
    )
    source = BytesSource(path)
    assert source.size > 5 << 20
    index = reader.index(source)
    assert index.num_frames == 60
    assert source.bytes_read < 4 << 20


def test_index_round_trips_through_json(reader: VideoReader, video: Path) -> None:
    """It is stored with the plan; another version is refused."""
    index = reader.index(BytesSource(video))
    plain = json.loads(json.dumps(index.to_dict()))
    assert VideoIndex.from_dict(plain) == index
    assert isinstance(VideoIndex.from_dict(plain).seek_points[0], SeekPoint)
    with pytest.raises(UsageError, match="version 0"):
        VideoIndex.from_dict({**plain, "version": 0})
