"""Render the demo: frames with the artifacts of a real camera, encoded videos, and a manifest with the ground truth.

``python -m wsvad.demo.render FOLDER SEED VIDEOS SECONDS NAME...`` renders the named videos of a plan.
:func:`render_demo` runs it in separate processes to use more cores, because drawing small strokes holds the GIL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from math import pi, sin
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

import wsvad
from wsvad.demo.draw import Canvas, Field, lettering, stamp
from wsvad.demo.figures import draw_figure
from wsvad.demo.plan import DemoVideo, plan_demo
from wsvad.demo.scenes import Scene, furnish, paint
from wsvad.demo.story import FPS
from wsvad.errors import StorageError, UsageError
from wsvad.manifest.records import Box, VideoRecord, encode_records

MANIFEST = "manifest.csv"
_RECIPE = ".recipe.json"
_VERSION = 2  # of the recipe: incremented whenever the same seed gives other files
_MUXERS = {".mp4": "mp4", ".mkv": "matroska", ".avi": "avi"}
_NOISE_TILES = 16
_MAX_JOBS = 4


def render_demo(folder: Path, *, seed: int = 0, videos: int = 8, seconds: float = 12.0) -> Path:
    """Render the demo videos and their manifest into ``folder``; existing files are kept.

    The manifest has every column of ``wsvad.manifest.records``: labels, splits, and the exact ground truth.

    Args:
        folder: Created if it is missing.
        seed: The same seed, with the same FFmpeg, gives the same bytes.
        videos: Number of videos, at least 1; two consecutive ones share a scene, and one of them is anomalous.
        seconds: Mean length, 2 to 3600; each video is within a quarter of it.

    Returns:
        Path of ``manifest.csv``, which is written last.

    Raises:
        UsageError: An argument is out of range, or the folder holds other files.
        StorageError: The folder cannot be written.
    """
    plan = plan_demo(seed, videos, seconds)
    manifest = folder / MANIFEST
    try:
        _claim(folder, {"version": _VERSION, "seed": seed, "videos": videos, "seconds": float(seconds)})
        missing = [video for video in plan if not (folder / video.name).is_file()]
        if missing or not manifest.is_file():
            _render_all(missing, folder, [str(seed), str(videos), str(seconds)])
            _replace(manifest, _manifest(plan))
    except OSError as error:
        raise StorageError(f"cannot render the demo into {folder}: {error}; free space or use another one") from error
    return manifest


def _claim(folder: Path, recipe: dict[str, int | float]) -> None:
    """Claim the folder for this recipe: rendered files are never mixed with other files."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / _RECIPE
    if note.is_file():
        if note.read_text(encoding="utf-8") != json.dumps(recipe):
            raise UsageError(f"{folder} holds a demo with another seed, number or length; use another folder")
    elif any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no demo: use another folder")
    else:
        _replace(note, json.dumps(recipe).encode())


def _render_all(missing: list[DemoVideo], folder: Path, plan: list[str]) -> None:
    """Distribute the videos to processes; with one core, or one video, render in this process."""
    jobs = min(len(os.sched_getaffinity(0)), len(missing), _MAX_JOBS)
    if jobs < 2:
        for video in missing:
            render_video(video, folder)
        return
    package_parent = str(Path(wsvad.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "wsvad.demo.render", str(folder), *plan]
    running: list[subprocess.Popen[str]] = []
    try:
        for job in range(jobs):
            names = [video.name for video in missing[job::jobs]]
            environment = os.environ | {"PYTHONPATH": path}
            running.append(subprocess.Popen([*command, *names], env=environment, stderr=subprocess.PIPE, text=True))
        for process in running:
            _, stderr = process.communicate()
            if process.returncode:
                last = (stderr.strip().splitlines() or [f"status {process.returncode}"])[-1]
                raise OSError(last.removeprefix("OSError: "))
    finally:
        for process in running:
            process.kill()  # only necessary after a failure
            process.wait()
            if process.stderr:
                process.stderr.close()


def render_video(video: DemoVideo, folder: Path) -> None:
    """Render one video under its final name, which appears only when the file is complete.

    Raises:
        OSError: The file cannot be written.
    """
    unfinished = folder / f".{video.name}.part"
    try:
        _encode(video, unfinished)
    except OSError as error:  # PyAV's own errors are OSErrors too, and do not name the file
        raise OSError(f"{unfinished}: {error}") from error
    os.replace(unfinished, folder / video.name)


def _encode(video: DemoVideo, path: Path) -> None:
    # bitexact: no random ids, no dates; the same seed then gives the same bytes
    with av.open(str(path), "w", format=_MUXERS[video.format.suffix], options={"fflags": "+bitexact"}) as container:
        options = {**video.format.options, "flags": "+bitexact"}
        stream = container.add_stream(video.format.codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = video.scene.width, video.scene.height, "yuv420p"
        for number, picture in enumerate(pictures(video)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def pictures(video: DemoVideo) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video, ``[height, width, 3]`` uint8 RGB, before encoding."""
    scene, story, rng = video.scene, video.story(), video.rng(1)
    still = paint(scene, rng)
    furnish(scene, still, rng)
    camera = Camera(scene, rng)
    for number in range(video.num_frames):
        canvas = still.copy()
        posed = [(person.pose(number), person.look) for person in story.people]
        for pose, look in sorted(posed, key=lambda who: -who[0].z):
            draw_figure(canvas, scene, look, pose)
        yield camera.expose(canvas, number)


class Camera:
    """Artifacts of a cheap camera: drifting exposure, sensor noise, the clock in the corner."""

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        shape = (_NOISE_TILES, scene.height, scene.width)
        luma = rng.standard_normal(shape, dtype=np.float32)
        luma = 2.6 * luma + 1.5 * np.roll(luma, 1, axis=2)
        self._noise: Field = luma[..., None] + 1.3 * rng.standard_normal((*shape, 3), dtype=np.float32)
        self._order = rng.permutation(1 << 14) % _NOISE_TILES
        self._phases = [float(phase) for phase in rng.uniform(0, 2 * pi, 3)]
        self._clock_s = int(rng.integers(6 * 3600, 21 * 3600))
        self._number = int(rng.integers(1, 9))
        self._clock = (-1, np.zeros((0, 0, 1), np.float32))

    def expose(self, canvas: Canvas, frame: int) -> NDArray[np.uint8]:
        """Return the picture that the camera outputs, uint8; ``canvas`` is modified."""
        seconds = frame / FPS
        slow, quick, mains = self._phases
        gain = 1.0 + 0.045 * sin(0.31 * seconds + slow) + 0.012 * sin(1.7 * seconds + quick)
        canvas *= np.float32(gain * (1.0 + 0.004 * sin(8.9 * seconds + mains)))
        tile = self._noise[int(self._order[frame % len(self._order)])]
        canvas += tile if frame // _NOISE_TILES % 2 else tile[:, ::-1]
        stamp(canvas, (6, 6), self._clock_at(self._clock_s + int(seconds)), (236, 236, 230))
        np.maximum(canvas, 0.0, out=canvas)
        np.minimum(canvas, 255.0, out=canvas)
        return canvas.astype(np.uint8)

    def _clock_at(self, total_s: int) -> Field:
        if self._clock[0] != total_s:
            time = f"{total_s // 3600 % 24:02d}:{total_s // 60 % 60:02d}:{total_s % 60:02d}"
            self._clock = (total_s, lettering(f"CAM {self._number} {time}"))
        return self._clock[1]


def _manifest(plan: list[DemoVideo]) -> bytes:
    records = [
        VideoRecord(
            video.name,
            video.name,
            label=int(video.kind != "normal"),
            split=video.split,
            category=video.kind,
            num_frames=video.num_frames,
            width=video.scene.width,
            height=video.scene.height,
            spans=tuple(video.spans()),
            boxes=tuple(Box(t.start_frame, t.end_frame, *t.box, track=0) for t in video.truths()),
        )
        for video in plan
    ]
    return encode_records(records, suffix=".csv")


def _replace(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)


def main(argv: list[str]) -> None:
    """Render the named videos of a plan: ``FOLDER SEED VIDEOS SECONDS NAME...``."""
    folder, names = Path(argv[0]), frozenset(argv[4:])
    for video in plan_demo(int(argv[1]), int(argv[2]), float(argv[3])):
        if video.name in names:
            render_video(video, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
