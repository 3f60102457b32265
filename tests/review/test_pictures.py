"""Pictures of an event: selected frames, times, rotation and aspect ratio; undecodable videos."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.video.synthetic import CLOSED_GOP, Recipe, make_video, number_in, plain_decode, plain_times
from wsvad.errors import StorageError, VideoError
from wsvad.review.choice import ReviewItem
from wsvad.review.config import MediaOptions, ReviewOptions, SourceOptions
from wsvad.review.curves import VideoCurve
from wsvad.review.pictures import PictureMaker, Pictures
from wsvad.scores.table import VideoScores

RECIPE = Recipe(options=CLOSED_GOP, num_frames=200)
OPTIONS = MediaOptions(clip_margin_s=1.0)


def curve_of(path: Path) -> VideoCurve:
    """Return a curve with clips of 16 frames at the times of a plain decode."""
    times = plain_times(plain_decode(path))
    first = np.arange(0, len(times), 16)
    last = np.minimum(first + 16, len(times))
    ends = np.array([*times[1:], times[-1] + 0.2])[last - 1]
    scores = VideoScores(
        "v", np.arange(len(first), dtype=np.int32), first, last, np.array(times)[first], ends,
        np.zeros(len(first), np.float32), None, len(times), 96, 64,
    )  # fmt: skip
    return VideoCurve(scores, scores.score_T, scores.score_T, None)


def make(path: Path, span: tuple[float, float], options: MediaOptions = OPTIONS, **row: Any) -> Pictures:
    """Create the pictures of an event in a video."""
    archive: Any = SimpleNamespace(scores=SimpleNamespace(videos={"v": {"num_frames": None}}), records={}, indexes=None)
    asked = ReviewOptions(SourceOptions(root="unused"), media=options)
    event = {"video_id": "v", "content_id": "c", "uri": str(path), "start_s": span[0], "end_s": span[1]}
    with PictureMaker(archive, asked) as maker:
        return maker.make(ReviewItem(event | {"peak_s": sum(span) / 2, **row}, "event"), curve_of(path))


def decoded(made: Pictures) -> list[tuple[float, int, tuple[int, int]]]:
    """Return time in the source, number and size of each picture of a clip."""
    facts = made.facts["clip"]
    with av.open(io.BytesIO(made.files[facts["src"]])) as container:
        frames = list(container.decode(video=0))
    return [(f.time + facts["start_s"], number_in(f.to_ndarray(format="rgb24")), (f.width, f.height)) for f in frames]


def uneven(number: int) -> int:
    """Presentation timestamps in milliseconds: a slow half, a gap, a fast half."""
    return number * 200 + (number % 3) * 37 if number < 60 else 20_000 + (number - 60) * 41


@pytest.mark.parametrize("codec", ["vp9", "h264"])
@pytest.mark.parametrize("stamp", [None, uneven], ids=["constant", "variable"])
def test_presentation_times(tmp_path: Path, codec: Any, stamp: Callable[[int], int] | None) -> None:
    """Every frame of the window occurs once at its presentation time, within half a tick of the container."""
    path = make_video(tmp_path / "v.mp4", replace(RECIPE, stamp=stamp))
    made = make(path, (11.0, 21.5), replace(OPTIONS, clip_codec=codec))
    expected = [(t, n) for n, t in enumerate(plain_times(plain_decode(path))) if 10.0 <= t <= 22.5]
    found = decoded(made)
    assert [number for _, number, _ in found] == [number for _, number in expected]
    assert [time for time, _, _ in found] == pytest.approx([time for time, _ in expected], abs=6e-4)
    times = made.facts["clip"]["times_s"]
    assert times is None if stamp is None else times == pytest.approx([t for t, _ in expected], abs=1e-6)
    strip = made.facts["strip"]
    with Image.open(io.BytesIO(made.files["strip.jpg"])) as sheet:
        for place, time in enumerate(strip["times_s"]):
            x, y = place % strip["columns"] * strip["width"], place // strip["columns"] * strip["height"]
            picture = np.asarray(sheet.crop((x, y, x + strip["width"], y + strip["height"])))
            assert {round(t, 3): n for t, n in expected}[time] == number_in(picture)
    with Image.open(io.BytesIO(made.files["poster.jpg"])) as poster:
        assert number_in(np.asarray(poster)) == max(n for t, n in expected if t <= 16.25)


@pytest.mark.parametrize(
    ("rotation", "aspect", "size"),
    [
        (0, Fraction(1), (96, 64)),
        (90, Fraction(1), (64, 96)),
        (0, Fraction(2), (192, 64)),
        (0, Fraction(1, 2), (96, 128)),
        (90, Fraction(2), (64, 192)),
    ],
)
def test_display_size(tmp_path: Path, rotation: int, aspect: Fraction, size: tuple[int, int]) -> None:
    """Upright, with square pixels; the numbers in the pictures are readable."""
    path = make_video(tmp_path / "v.mp4", replace(RECIPE, rotation=rotation, aspect=aspect))
    found = decoded(make(path, (2.0, 3.0)))
    assert {shape for _, _, shape in found} == {size}
    assert [number for _, number, _ in found] == list(range(5, 21))


def test_length_and_size_are_limited(tmp_path: Path) -> None:
    """The maximum duration includes the peak; the maximum size is kept."""
    path = make_video(tmp_path / "v.mp4", replace(RECIPE, width=192, height=96))
    options = MediaOptions(clip_length_s=5, clip_width=96, clip_margin_s=1)
    early = decoded(make(path, (3.0, 35.0), options, peak_s=4.0))
    assert (early[0][0], early[-1][0]) == pytest.approx((2.0, 7.0))
    late = decoded(make(path, (3.0, 35.0), options, peak_s=30.0))
    assert (late[0][0], late[-1][0]) == pytest.approx((27.6, 32.4), abs=0.11)
    assert late[0][2] == (96, 48)


def test_undecodable_videos(tmp_path: Path) -> None:
    """Not a video, no frame, another video than the scored one, missing: each has its own message."""
    path = make_video(tmp_path / "v.mp4", RECIPE)
    data = path.read_bytes()
    curve = curve_of(path)
    archive: Any = SimpleNamespace(scores=SimpleNamespace(videos={"v": {"num_frames": 7}}), records={}, indexes=None)
    row = {"video_id": "v", "content_id": "c", "uri": str(path), "start_s": 2.0, "end_s": 3.0, "peak_s": 2.5}
    with PictureMaker(archive, ReviewOptions(SourceOptions(root="unused"), media=OPTIONS)) as maker:
        with pytest.raises(VideoError, match="differs from the scored video: it had 7 frames"):
            maker.make(ReviewItem(row, "event"), curve)
        archive.scores.videos["v"]["num_frames"] = 200
        assert maker.make(ReviewItem(row, "event"), curve).files.keys() == {"strip.jpg", "poster.jpg", "clip.webm"}
        path.write_bytes(b"not a video at all")
        with pytest.raises(VideoError):
            maker.make(ReviewItem(row, "event"), curve)
        path.unlink()
        with pytest.raises(StorageError):
            maker.make(ReviewItem(row, "event"), curve)
        path.write_bytes(data)
        assert maker.make(ReviewItem(row, "event"), curve).files
