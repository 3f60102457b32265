"""Conversion to upright RGB: colours, formats and rotations, compared with arithmetic and numpy."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.video.synthetic import CLOSED_GOP, Recipe, make_video, number_in, picture, plain_decode
from wsvad.video.demux import Refused
from wsvad.video.geometry import Frames, Geometry
from wsvad.video.scaling import Scaler, clockwise, upright

MAX_PIXELS = 1 << 25


def convert(frame: av.VideoFrame, geometry: Geometry, size: tuple[int, int] | None = None) -> Frames:
    """Scale one picture of a video of ``size`` (the picture's own by default)."""
    width, height = size or upright(frame)
    across, down = geometry.delivered(width, height)
    scaler = Scaler(geometry, width, height, MAX_PIXELS)
    delivered = scaler.crop(scaler.scale(frame))
    assert delivered.shape == (down, across, 3)
    return delivered


def yuv(y: int, u: int, v: int, pixel_format: str, width: int = 64, height: int = 48) -> av.VideoFrame:
    """Return a picture of one colour."""
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, value in zip(frame.planes, (y, u, v), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.time_base = Fraction(1, 25)
    return frame


def rgb_of(y: int, u: int, v: int, red: float, blue: float, full: bool) -> list[float]:
    """Return the definition of Y'CbCr with luma weights ``red`` and ``blue`` (ITU-R BT.601 and BT.709)."""
    luma = y / 255 if full else (y - 16) / 219
    scale = 255 if full else 224
    cb, cr = (u - 128) / scale, (v - 128) / scale
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return [min(255.0, max(0.0, 255 * c)) for c in (r, g, b)]


@pytest.mark.parametrize(
    ("pixel_format", "colorspace", "color_range", "red", "blue"),
    [
        ("yuv420p", 5, 1, 0.299, 0.114),
        ("yuv420p", 1, 1, 0.2126, 0.0722),
        ("yuv420p", 5, 2, 0.299, 0.114),
        ("yuvj420p", 5, 2, 0.299, 0.114),
        ("yuv422p", 1, 1, 0.2126, 0.0722),
        ("yuv444p", 1, 1, 0.2126, 0.0722),
        ("yuv444p", 5, 1, 0.299, 0.114),
    ],
)
@pytest.mark.parametrize("colour", [(81, 90, 240), (145, 54, 34), (41, 240, 110), (180, 128, 128)])
def test_colours_follow_the_standards(
    pixel_format: str, colorspace: int, color_range: int, red: float, blue: float, colour: tuple[int, int, int]
) -> None:
    """Matrix and range of the stream are applied, to within 4 of 255 levels (integer conversion)."""
    frame = yuv(*colour, pixel_format)
    frame.colorspace, frame.color_range = colorspace, color_range
    got = convert(frame, Geometry(size=32))
    assert got.reshape(-1, 3).mean(axis=0) == pytest.approx(rgb_of(*colour, red, blue, color_range == 2), abs=4)
    assert np.ptp(got.reshape(-1, 3), axis=0).max() <= 2


@pytest.mark.parametrize(
    "pixel_format",
    [
        "yuv420p",
        "yuvj420p",
        "yuv422p",
        "yuv444p",
        "nv12",
        "gray",
        "yuv420p10le",
        "yuv422p12le",
        "rgb24",
        "bgr0",
        "gbrp",
        "yuva420p",
    ],
)
@pytest.mark.parametrize("kind", ["squash", "center", "ten-crop"])
def test_every_pixel_format_gives_the_same_picture(pixel_format: str, kind: str) -> None:
    """Compared with an area average of the original at half its size."""
    original = picture(1234, 512, 512)
    frame = av.VideoFrame.from_ndarray(original, format="rgb24").reformat(format=pixel_format)
    frame.time_base = Fraction(1, 25)
    got = convert(frame, Geometry(kind, size=256, resize=256)).astype(float)
    want = original.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    if pixel_format == "gray":
        want = (want @ [0.299, 0.587, 0.114])[..., None].repeat(3, axis=-1)
    assert got.shape == (256, 256, 3)
    assert np.abs(got - want).mean() < 5


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_rotated_and_mirrored_recordings_are_made_upright(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    """The stored picture is transformed so that a player that applies the display matrix shows frame 5 as drawn."""
    recipe = Recipe(options=CLOSED_GOP, num_frames=6, rotation=degrees, mirrored=mirrored)
    frame = plain_decode(make_video(tmp_path / "turned.mp4", recipe))[5]
    width, height = (64, 96) if degrees % 180 else (96, 64)
    assert upright(frame) == (width, height)
    assert mirrored or clockwise(frame) == -degrees % 360
    shown = picture(5, width, height).astype(float)
    got = convert(frame, Geometry("ten-crop", size=64, resize=64)).astype(float)
    assert got.shape == (height, width, 3)
    assert np.abs(got - shown).mean() < 12
    assert number_in(convert(frame, Geometry())) == 5


def test_center_crops_the_middle_of_the_resized_frame() -> None:
    """The centre crop is the ten-crop's fifth view of the same frame."""
    frame = av.VideoFrame.from_ndarray(picture(77, 320, 240), format="rgb24").reformat(format="yuv420p")
    frame.time_base = Fraction(1, 25)
    middle = convert(frame, Geometry("center"))
    views = Geometry("ten-crop").crops(convert(frame, Geometry("ten-crop"))[None])
    assert np.array_equal(views[4, 0], middle)


def test_a_scaler_handles_changes_of_size_and_format() -> None:
    """The graph is rebuilt, and the delivered size stays that of the video."""
    scaler = Scaler(Geometry("ten-crop"), 320, 240, MAX_PIXELS)
    for size, pixel_format in (((320, 240), "yuv420p"), ((64, 200), "yuv420p"), ((320, 240), "yuv444p10le")):
        frame = av.VideoFrame.from_ndarray(picture(99, *size), format="rgb24").reformat(format=pixel_format)
        frame.time_base = Fraction(1, 25)
        whole = scaler.scale(frame)
        assert whole.shape == (256, 341, 3)
        assert number_in(whole) == 99


def test_pictures_that_exceed_the_limit_after_resizing_are_refused() -> None:
    """A ribbon of 20000x2 would become 2,560,000x256."""
    with pytest.raises(Refused) as refused:
        Scaler(Geometry("center"), 20_000, 2, MAX_PIXELS).scale(yuv(0, 128, 128, "yuv420p", 20_000, 2))
    assert refused.value.kind == "too_large"
    with pytest.raises(Refused):
        Scaler(Geometry(), 96, 64, 100).scale(yuv(0, 128, 128, "yuv420p", 96, 64))
