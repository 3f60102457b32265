"""Degradations of pictures by a camera, a recorder and a network."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from wsvad.pretraining.poses import Rng

Frames = NDArray[np.uint8]
_CODECS = ("libx264", "libx264", "libx264", "mpeg4", "mpeg2video", "mjpeg")


def degrade(rng: Rng, frames_THW: Frames) -> Frames:
    """Apply random degradations: blur, ghosting, repeated frames, noise, tone, and a real codec.

    Args:
        rng: Random generator for the choice and strength of degradations.
        frames_THW: Grey frames of even width and height.
    """
    if rng.random() < 0.5:
        wide = rng.uniform(0.3, 1.2)
        frames_THW = np.stack([cv2.GaussianBlur(frame, (0, 0), wide) for frame in frames_THW])
    if rng.random() < 0.15:
        frames_THW = _repeat_frames(rng, frames_THW)
    if rng.random() < 0.12:
        frames_THW = _blend_frames(frames_THW, rng.uniform(0.2, 0.6))
    if rng.random() < 0.6:
        frames_THW = _grain(rng, frames_THW, np.exp(rng.uniform(np.log(0.7), np.log(12))))
    if rng.random() < 0.5:
        table = 255 * np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.3))
        table = np.clip((table - 128) * rng.uniform(0.35, 1.2) + 128 + rng.normal(0, 25), 0, 255)
        frames_THW = table.astype(np.uint8)[frames_THW]
    if rng.random() < 0.7:
        frames_THW = recode(frames_THW, str(rng.choice(_CODECS)), rng.uniform(0, 1), int(rng.integers(3, 40)))
    return frames_THW


def _repeat_frames(rng: Rng, frames_THW: Frames) -> Frames:
    """Repeat frames, like footage whose frame rate was raised."""
    keep = np.arange(len(frames_THW))
    period, phase = int(rng.integers(2, 8)), int(rng.integers(8))
    keep[(keep + phase) % period == 0] -= 1
    return frames_THW[np.clip(keep, 0, None)]


def _blend_frames(frames_THW: Frames, share: float) -> Frames:
    """Blend each frame with the previous ones, like noise filters in cameras."""
    out = frames_THW.astype(np.float32)
    for index in range(1, len(out)):
        out[index] = (1 - share) * out[index] + share * out[index - 1]
    return out.astype(np.uint8)


def _grain(rng: Rng, frames_THW: Frames, size: float) -> Frames:
    """Add noise from one tile, shifted randomly in every frame: drawing new noise takes longer than the scene."""
    count, height, width = frames_THW.shape
    tile = rng.normal(0, size, (height + 32, width + 32)).astype(np.float32)
    if rng.random() < 0.5:
        tile = cv2.blur(tile, (2, 2)) * 1.6
    out = np.empty_like(frames_THW)
    for index in range(count):
        top, left = rng.integers(0, 32, 2)
        noisy = frames_THW[index] + tile[top : top + height, left : left + width]
        out[index] = np.clip(noisy, 0, 255)
    return out


def recode(frames_THW: Frames, codec: str, severity: float, group: int) -> Frames:
    """Encode and decode with a real codec.

    Args:
        frames_THW: Grey frames of even width and height.
        codec: FFmpeg's name of the encoder.
        severity: Severity from 0 (hardly visible) to 1 (as bad as surveillance footage gets).
        group: Number of frames between key frames.
    """
    count, height, width = frames_THW.shape
    store = io.BytesIO()
    quality = {
        "libx264": {"crf": str(round(18 + 20 * severity)), "preset": "ultrafast" if severity < 0.5 else "veryfast"},
        "mpeg4": {"qmin": str(round(2 + 20 * severity)), "qmax": str(round(3 + 24 * severity))},
        "mpeg2video": {"qmin": str(round(2 + 16 * severity)), "qmax": str(round(3 + 20 * severity))},
        "mjpeg": {"qmin": str(round(2 + 16 * severity)), "qmax": str(round(3 + 20 * severity))},
    }[codec]
    with av.open(store, "w", format="matroska") as target:
        stream = target.add_stream(codec, rate=25, options=quality | {"g": str(group), "threads": "1"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = width, height
        pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.pix_fmt = pixels
        no_colour = np.full((height // 2, width), 128, np.uint8)
        for frame in frames_THW:
            target.mux(stream.encode(VideoFrame.from_ndarray(np.concatenate([frame, no_colour]), format=pixels)))
        target.mux(stream.encode())
    store.seek(0)
    out = np.empty_like(frames_THW)
    with av.open(store, "r", options={"threads": "1"}) as source:
        for index, decoded in zip(range(count), source.decode(video=0), strict=False):
            out[index] = decoded.to_ndarray()[:height]
    return out
