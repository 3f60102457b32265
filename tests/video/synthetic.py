"""Generate small videos whose frames show their own number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Recipe:
    """Parameters of a test video. The default is H.264 with B-frames at 5 frames/s, so that 400 frames are 80 s."""

    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    num_frames: int = 400
    first: int = 0
    """Number and presentation stamp of the first frame."""
    width: int = 96
    height: int = 64
    fps: int = 5
    pixel_format: str = "yuv420p"
    container: str | None = None
    container_options: dict[str, str] = field(default_factory=dict)
    rotation: int = 0
    """Degrees counter-clockwise written into the container's display matrix."""
    mirrored: bool = False
    """The display matrix also mirrors left and right, after the rotation."""
    stamp: Callable[[int], int] | None = None
    """Presentation stamp of a frame in units of 1/1000 s; None: constant rate."""
    aspect: Fraction = Fraction(1)
    """Width of a stored pixel over its height."""
    metadata: dict[str, str] = field(default_factory=dict)
    audio: bool = False


X264 = {"preset": "ultrafast", "crf": "30"}
CLOSED_GOP = {"x264-params": "keyint=25:min-keyint=25:scenecut=0:bframes=3:b-adapt=0:open-gop=0", **X264}
OPEN_GOP = {"x264-params": "keyint=24:min-keyint=24:scenecut=0:bframes=3:b-adapt=0:open-gop=1", **X264}
NO_B = {"x264-params": "keyint=25:min-keyint=25:scenecut=0:bframes=0", **X264}


def picture(number: int, width: int, height: int) -> Frames:
    """Return frame ``number`` ``[height, width, 3]``.

    It shows a moving bar on a gradient, and the number as 12 black or white blocks along the top, least significant
    first.
    """
    y, x = np.mgrid[0:height, 0:width]
    slope = (x * 160 // width + y * 60 // height + 20).astype(np.uint8)
    image = np.stack([slope, np.roll(slope, number, axis=1), 220 - slope], axis=2).astype(np.uint8)
    image[:, (number * 3) % width : (number * 3) % width + max(2, width // 12)] = (230, 40, 40)
    for bit in range(12):
        image[: height // 4, bit * width // 12 : (bit + 1) * width // 12] = 255 if number >> bit & 1 else 0
    return image


def number_in(image: Frames) -> int:
    """Return the number shown in a picture of any size made by ``picture``."""
    height, width = image.shape[:2]
    row = image[height // 8].astype(int).mean(axis=1)
    return sum(1 << bit for bit in range(12) if row[int((bit + 0.5) * width / 12)] > 128)


def make_video(path: Path, recipe: Recipe | None = None) -> Path:
    """Write a video according to a recipe and return its path."""
    recipe = recipe or Recipe(options=CLOSED_GOP)
    with av.open(str(path), "w", format=recipe.container, options=recipe.container_options) as container:
        container.metadata.update(recipe.metadata)
        stream = container.add_stream(recipe.codec, rate=recipe.fps, options=dict(recipe.options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, recipe.pixel_format
        stream.codec_context.thread_count = 1
        if recipe.aspect != 1:
            stream.codec_context.sample_aspect_ratio = recipe.aspect
        base = Fraction(1, 1000) if recipe.stamp else Fraction(1, recipe.fps)
        stream.codec_context.time_base = base
        if recipe.rotation or recipe.mirrored:
            stream.set_display_rotation(recipe.rotation, hflip=recipe.mirrored)
        sound = container.add_stream("aac", rate=44100) if recipe.audio else None
        for number in range(recipe.first, recipe.first + recipe.num_frames):
            frame = av.VideoFrame.from_ndarray(_stored(number, recipe), format="rgb24")
            frame = frame.reformat(format=recipe.pixel_format)
            frame.pts = recipe.stamp(number) if recipe.stamp else number
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            assert isinstance(sound, av.AudioStream)
            add_silence(container, sound, recipe.num_frames / recipe.fps)
    return path


def _stored(number: int, recipe: Recipe) -> Frames:
    """Return the picture to store so that a player that applies the display matrix shows ``picture(number)``."""
    turned = recipe.rotation % 180 != 0
    width, height = (recipe.height, recipe.width) if turned else (recipe.width, recipe.height)
    shown = picture(number, width, height)
    if recipe.mirrored:
        shown = shown[:, ::-1]
    return np.ascontiguousarray(np.rot90(shown, -recipe.rotation // 90))


def add_silence(container: av.container.OutputContainer, sound: av.AudioStream, seconds: float) -> None:
    """Mux silence into an open container."""
    for number in range(int(seconds * 44100 / 1152)):
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1152), dtype=np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 44100, number * 1152
        resampled = av.AudioResampler(format=sound.format.name, layout="stereo", rate=44100).resample(frame)
        for part in resampled:
            part.pts = number * 1152
            container.mux(sound.encode(part))
    container.mux(sound.encode(None))


def plain_decode(path: Path) -> list[av.VideoFrame]:
    """Decode a file with plain PyAV; stops at the first error."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return list(container.decode(video=0))


def plain_times(frames: Sequence[av.VideoFrame]) -> list[float]:
    """Return presentation times relative to the first frame."""
    times = [float(frame.pts * frame.time_base) for frame in frames if frame.pts is not None and frame.time_base]
    return [time - times[0] for time in times]
