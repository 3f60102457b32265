"""Generate the corpus of hostile and unusual videos, with the outcomes documented in ``docs/video-outcomes.md``.

``make_corpus(folder)`` writes every file and returns its expected outcome; the end-to-end suite uses it too.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av
import numpy as np

from tests.video.synthetic import CLOSED_GOP, NO_B, OPEN_GOP, Recipe, add_silence, make_video, picture


@dataclass(frozen=True)
class ExpectedOutcome:
    """Expected outcome of one file of the corpus."""

    result: Literal["clips", "gap", "quarantined"]
    """All clips; some clips and a recorded gap; none, and a quarantine record."""
    kind: str | None = None
    """``VideoError.kind`` of a quarantined file."""
    num_frames: int | None = None
    """Frames of the index, where the file has one."""


_ALL = ExpectedOutcome("clips", num_frames=100)
_GAP = ExpectedOutcome("gap", num_frames=100)
_FAST_START = {"movflags": "faststart"}


def make_corpus(folder: Path, canary_url: str = "http://127.0.0.1:9/canary") -> dict[str, ExpectedOutcome]:
    """Write the corpus into ``folder`` and return the expected outcome of every file by its name.

    Playlists in the corpus refer to ``canary_url`` and to the file ``canary.mp4`` in the same folder; neither may ever
    be opened. The canary file is a valid video, so that following a reference would be visible.
    """
    canary = make_video(folder / "canary.mp4", Recipe(options=CLOSED_GOP, num_frames=100))
    expected = {"canary.mp4": _ALL}
    expected |= _good(folder)
    expected |= _truncated(folder)
    expected |= _not_video(folder, canary, canary_url)
    expected |= _unusable(folder)
    return expected


_BASE = Recipe(options=CLOSED_GOP, num_frames=100)
_INTRA = Recipe(codec="mjpeg", pixel_format="yuvj420p", num_frames=100)


def _good(folder: Path) -> dict[str, ExpectedOutcome]:
    """Write unusual but intact files: every clip is decoded."""
    make_video(folder / "open_gop.mkv", replace(_BASE, options=OPEN_GOP))
    make_video(folder / "transport.ts", replace(_BASE, options=OPEN_GOP))
    make_video(folder / "recorder.avi", replace(_BASE, codec="mpeg4", options={"g": "25"}))
    make_video(folder / "reordered.avi", _BASE)
    make_video(folder / "elementary.h264", _BASE)
    make_video(folder / "fragmented.mp4", replace(_BASE, container_options={"movflags": "frag_keyframe+empty_moov"}))
    make_video(folder / "variable_rate.mp4", replace(_BASE, stamp=lambda n: n * 200 + n % 7 * 25))
    make_video(folder / "rotated.mp4", replace(_BASE, rotation=90))
    make_video(folder / "with_sound.mp4", replace(_BASE, audio=True))
    make_video(folder / "ten_bit.mp4", replace(_BASE, pixel_format="yuv420p10le"))
    make_video(folder / "grey.mkv", replace(_BASE, codec="ffv1", options={}, pixel_format="gray"))
    make_video(folder / "rgb.mkv", replace(_BASE, codec="ffv1", options={}, pixel_format="bgr0"))
    make_video(folder / "odd_size.avi", replace(_INTRA, width=97, height=63))
    changing_size(folder / "changing_size.ts")
    joined = folder / "joined.ts"
    silent, loud = (make_video(joined, replace(_BASE, audio=audio)).read_bytes() for audio in (False, True))
    joined.unlink()
    (folder / "two_recordings.ts").write_bytes(silent + silent)
    (folder / "sound_from_the_middle.ts").write_bytes(silent + loud)
    tagged = make_video(folder / "non_utf8_metadata.mp4", replace(_BASE, metadata={"title": "Kamera am Eingang"}))
    tagged.write_bytes(_replace_once(tagged.read_bytes(), b"Kamera am Eingang", b"Kam\xe9ra \xff\xfe Eing\x80ng"))
    names = (
        *("open_gop.mkv", "transport.ts", "recorder.avi", "reordered.avi", "elementary.h264", "fragmented.mp4"),
        *("variable_rate.mp4", "rotated.mp4", "with_sound.mp4", "ten_bit.mp4", "grey.mkv", "rgb.mkv"),
        *("odd_size.avi", "changing_size.ts", "non_utf8_metadata.mp4"),
    )
    return {
        **dict.fromkeys(names, _ALL),
        **dict.fromkeys(("two_recordings.ts", "sound_from_the_middle.ts"), ExpectedOutcome("clips", num_frames=200)),
    }


def changing_size(path: Path, sizes: tuple[tuple[int, int], ...] = ((96, 64), (64, 96))) -> Path:
    """Write one H.264 transport stream whose pictures change their size every 50 frames."""
    parts = []
    for part, (width, height) in enumerate(sizes):
        recipe = Recipe(options=NO_B, num_frames=50, first=50 * part, width=width, height=height)
        parts.append(make_video(path.with_suffix(".part.ts"), recipe).read_bytes())
    path.with_suffix(".part.ts").unlink()
    path.write_bytes(b"".join(parts))
    return path


def _truncated(folder: Path) -> dict[str, ExpectedOutcome]:
    """Write files that are truncated, zeroed in the middle or start in the middle."""
    front = make_video(folder / "front.mp4", replace(_BASE, container_options=_FAST_START))
    data = front.read_bytes()
    for percent in (40, 90):
        (folder / f"index_first_cut_{percent}.mp4").write_bytes(data[: len(data) * percent // 100])
    (folder / "index_first_cut_2.mp4").write_bytes(data[: len(data) * 2 // 100])
    front.unlink()
    end = (folder / "canary.mp4").read_bytes()
    (folder / "index_last_cut.mp4").write_bytes(end[: len(end) * 60 // 100])
    (folder / "zeroed_middle.mp4").write_bytes(_zeroed(end))
    (folder / "zeroed_middle.avi").write_bytes(_zeroed((folder / "odd_size.avi").read_bytes()))
    transport = (folder / "transport.ts").read_bytes()
    third = len(transport) // 3 // 188 * 188
    (folder / "starts_inside_gop.ts").write_bytes(transport[third:])
    (folder / "cut.ts").write_bytes(transport[: 2 * third])
    return {
        "index_first_cut_2.mp4": ExpectedOutcome("quarantined", "damaged"),
        "index_first_cut_40.mp4": _GAP,
        "index_first_cut_90.mp4": _GAP,
        "index_last_cut.mp4": ExpectedOutcome("quarantined", "damaged"),
        "zeroed_middle.mp4": _GAP,
        "zeroed_middle.avi": _GAP,
        "starts_inside_gop.ts": ExpectedOutcome("clips"),
        "cut.ts": ExpectedOutcome("clips"),
    }


def _not_video(folder: Path, canary: Path, canary_url: str) -> dict[str, ExpectedOutcome]:
    """Write other files named like a video, including scripts that would make FFmpeg open other files."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("readme.txt", "not a video " * 100)
    image = av.VideoFrame.from_ndarray(picture(7, 96, 64), format="rgb24")
    still = folder / "still.png"
    image.save(str(still))
    sound = folder / "sound.mp3"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("mp3", rate=44100)
        add_silence(container, stream, 2)
    contents = {
        "text.mp4": b"This is not a video. " * 200,
        "zip.mp4": archive.getvalue(),
        "random.mp4": np.random.default_rng(5).bytes(50_000),
        "hls_url.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{canary_url}.ts\n#EXT-X-ENDLIST\n".encode(),
        "hls_file.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{canary}\n#EXT-X-ENDLIST\n".encode(),
        "concat_url.mp4": f"ffconcat version 1.0\nfile '{canary_url}.mp4'\n".encode(),
        "concat_file.mp4": f"ffconcat version 1.0\nfile '{canary}'\n".encode(),
        "dash.mp4": _dash(canary_url),
        "sdp.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
        b"a=rtpmap:96 H264/90000\n",
        "still.mp4": still.read_bytes(),
        "sound.mp4": sound.read_bytes(),
    }
    still.unlink()
    sound.unlink()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return dict.fromkeys(contents, ExpectedOutcome("quarantined", "not_video"))


def _dash(url: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles='
        '"urn:mpeg:dash:profile:isoff-main:2011" mediaPresentationDuration="PT4S"><Period><AdaptationSet mimeType='
        f'"video/mp4"><Representation id="1" bandwidth="1000"><BaseURL>{url}.mp4</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


def _unusable(folder: Path) -> dict[str, ExpectedOutcome]:
    """Write containers without decodable video."""
    (folder / "empty.mp4").write_bytes(b"")
    with av.open(str(folder / "audio_only.mp4"), "w") as container:
        add_silence(container, container.add_stream("aac", rate=44100), 2)
    fragments = (folder / "fragmented.mp4").read_bytes()
    (folder / "no_frames.mp4").write_bytes(fragments[: fragments.index(b"moof") - 4])
    whole = (folder / "canary.mp4").read_bytes()
    start, stop = mdat_span(whole)
    (folder / "all_zero.mp4").write_bytes(whole[:start] + bytes(stop - start) + whole[stop:])
    (folder / "unknown_codec.mp4").write_bytes(_replace_once(whole, b"avc1\0\0\0\0", b"zzz9\0\0\0\0"))
    huge = replace(_INTRA, codec="ffv1", options={}, pixel_format="yuv420p", num_frames=5)
    data = make_video(folder / "huge_header.avi", huge).read_bytes()
    header = (96).to_bytes(4, "little") + (64).to_bytes(4, "little")
    (folder / "huge_header.avi").write_bytes(data.replace(header, (16_000).to_bytes(4, "little") * 2))
    _black(folder / "huge_picture.mp4", 8192, 4112)
    kinds = {
        "empty.mp4": "empty",
        "audio_only.mp4": "no_video_stream",
        "no_frames.mp4": "no_frames",
        "all_zero.mp4": "no_frames",
        "unknown_codec.mp4": "unsupported_codec",
        "huge_picture.mp4": "too_large",
        "huge_header.avi": "too_large",
    }
    return {name: ExpectedOutcome("quarantined", kind) for name, kind in kinds.items()}


def _black(path: Path, width: int, height: int) -> None:
    """Write a video of one black picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options=dict(NO_B))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def sabotaged(data: bytes, deed: str, when: Literal["index", "clips"]) -> bytes:
    """Append a box that players ignore and at which ``misbehaving.py`` performs ``deed``."""
    body = f"WSVAD-TEST:{deed}:{when}".encode().rjust(56, b".")
    return data + (8 + len(body)).to_bytes(4, "big") + b"free" + body


def mdat_span(data: bytes) -> tuple[int, int]:
    """Return the half-open byte span of the sample data of an MP4."""
    start = 0
    while start < len(data):
        length, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        if kind == b"mdat":
            return start + 8, start + length
        start += length
    raise ValueError("no mdat box")


def _zeroed(data: bytes) -> bytes:
    """Zero a twentieth of a file, shortly after its first third."""
    start, count = len(data) * 35 // 100, len(data) // 20
    return data[:start] + bytes(count) + data[start + count :]


def _replace_once(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1
    assert len(old) == len(new)
    return data.replace(old, new)
