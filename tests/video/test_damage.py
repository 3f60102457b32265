"""Damage in the middle: what can be decoded keeps its frame number, and the rest is a recorded gap."""

from __future__ import annotations

import random
from pathlib import Path

import av
import pytest

from tests.data_sets import DATA_SETS, needs_data_sets
from tests.video.conftest import Corpus
from tests.video.corpus import mdat_span
from tests.video.sources import BytesSource
from tests.video.synthetic import CLOSED_GOP, Recipe, make_video, number_in
from wsvad.clips import ClipSpec
from wsvad.errors import VideoError
from wsvad.video import ISOLATION_KINDS, Geometry, VideoReader

SINGLE = ClipSpec(1, 1)


def frames_of(reader: VideoReader, data: bytes) -> dict[int, int]:
    """Decode frame by frame; return the number that each frame shows, by the number that it was given."""
    source = BytesSource(data)
    index = reader.index(source)
    shown = {}
    for clip in reader.clips(source, index, 0, index.num_frames, SINGLE, Geometry(size=96)):
        with clip:
            shown[clip.start_frame] = number_in(clip.frames_THWC[0])
    return shown


def zeroed(data: bytes, start: float, share: float) -> bytes:
    """Zero a fraction of a file."""
    first, count = int(len(data) * start), int(len(data) * share)
    return data[:first] + bytes(count) + data[first + count :]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("h264.mp4", "libx264", CLOSED_GOP),
        ("h264.avi", "libx264", CLOSED_GOP),
        ("mpeg4.avi", "mpeg4", {"g": "25"}),
        ("mpeg4_b.avi", "mpeg4", {"g": "25", "bf": "2"}),
        ("mjpeg.avi", "mjpeg", {}),
    ],
)
def test_frames_after_a_zeroed_span_keep_their_numbers(
    tmp_path: Path, reader: VideoReader, name: str, codec: str, options: dict[str, str]
) -> None:
    """A twentieth of the file is zeroed, and later frames have their numbers again.

    From the second key frame after it on, every frame is decoded and shows the number it was given; frames in between
    may show concealed errors, and the report lists missing frames. AVI is the difficult container: its demuxer counts
    the packets that it finds, so that all later frames would get smaller numbers.
    """
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_video(tmp_path / name, Recipe(codec=codec, options=options, pixel_format=pixel_format))
    shown = frames_of(reader, zeroed(path.read_bytes(), 0.45, 0.05))
    report = reader.report
    lost = {number for start, stop in report.missing for number in range(start, stop)}
    assert lost
    assert set(shown) | lost == set(range(400))
    assert not set(shown) & lost
    assert all(shown[number] == number for number in range(250, 400))
    assert all(shown[number] == number for number in range(150))
    assert min(lost) >= 150
    assert max(lost) < 250


@needs_data_sets
def test_a_real_video_with_60_kb_zeroed_keeps_nine_tenths(reader: VideoReader) -> None:
    """A plain decode stops at the first error; here decoding continues, and every clip equals the undamaged one."""
    path = DATA_SETS / "survfight" / "temporal" / "videos" / "t_dev_train_001.mp4"
    whole = path.read_bytes()
    start, stop = mdat_span(whole)
    middle = (start + stop) // 2
    damaged = whole[:middle] + bytes(60_000) + whole[middle + 60_000 :]
    clips = {}
    for name, data in (("whole", whole), ("damaged", damaged)):
        source = BytesSource(data)
        index = reader.index(source)
        for clip in reader.clips(source, index, 0, 55, ClipSpec(), Geometry()):
            with clip:
                clips[name, clip.clip] = clip.frames_THWC.tobytes()
    assert index.num_frames == 879
    assert 0.8 * 879 < reader.report.decoded_frames < 879
    assert reader.report.missing
    same = [clip for clip in range(55) if clips.get(("damaged", clip)) == clips["whole", clip]]
    assert len(same) > 35
    assert same[-1] == 54


def test_after_a_truncation_no_frame_has_a_wrong_number(tmp_path: Path, reader: VideoReader) -> None:
    """Table in front, truncated at 30 positions: the decoded frames are a prefix, with their own numbers."""
    recipe = Recipe(options=CLOSED_GOP, num_frames=100, container_options={"movflags": "faststart"})
    whole = make_video(tmp_path / "front.mp4", recipe).read_bytes()
    start, stop = mdat_span(whole)
    for place in range(start + 2000, stop, (stop - start) // 30):
        shown = frames_of(reader, whole[:place])
        assert all(given == seen for given, seen in shown.items())
        assert reader.report.expected_frames == 100
        assert sorted(shown) == list(range(len(shown)))
        assert reader.report.missing == ((len(shown), 100),)


def mutated(data: bytes, seed: int) -> bytes:
    """Change, remove and insert random bytes, some of them in the first kilobyte."""
    dice, changed = random.Random(seed), bytearray(data)
    for _ in range(dice.choice((1, 3, 10, 50))):
        place = dice.randrange(len(changed) if dice.random() < 0.6 else 1000)
        match dice.randrange(4):
            case 0:
                changed[place] = dice.randrange(256)
            case 1:
                changed[place : place + 100] = dice.randbytes(100)
            case 2:
                del changed[place : place + dice.randrange(1, 300)]
            case _:
                changed[place:place] = dice.randbytes(dice.randrange(1, 100))
    return bytes(changed)


def test_any_mutation_has_an_outcome_that_depends_on_the_bytes(corpus: Corpus) -> None:
    """100 mutants of six containers: all frames are accounted for, or the kind concerns the bytes.

    Never a crash, a hang, or an unnamed error.
    """
    names = ("canary.mp4", "fragmented.mp4", "transport.ts", "open_gop.mkv", "reordered.avi", "elementary.h264")
    originals = [(corpus.folder / name).read_bytes() for name in names]
    with VideoReader() as reader:
        reader.index(BytesSource(originals[0]))
        assert reader._child is not None
        pid = reader._child.pid
        for seed in range(100):
            source = BytesSource(mutated(originals[seed % len(names)], seed))
            try:
                index = reader.index(source)
                for clip in reader.clips(source, index, 0, index.num_frames, ClipSpec(), Geometry(size=32)):
                    clip.release()
            except VideoError as error:
                if error.kind in ISOLATION_KINDS:
                    raise
                continue
            missing = sum(stop - start for start, stop in reader.report.missing)
            assert reader.report.decoded_frames + missing == index.num_frames, f"seed {seed}"
        assert reader._child.pid == pid


@pytest.mark.parametrize("name", ["elementary.h264", "whole.avi"])
def test_a_lost_picture_is_recorded_at_its_position(tmp_path: Path, reader: VideoReader, name: str) -> None:
    """No timestamps, B pictures, a damaged key frame: every picture has its number, also after the loss."""
    path = make_video(tmp_path / name, Recipe(options=CLOSED_GOP, num_frames=200))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        hit = [p for p in container.demux(video=0) if p.is_keyframe and p.size][4]
    assert hit.pos is not None
    start = data.index(b"\0\0\1\x65", hit.pos) + 4
    data[start : start + 200] = bytes(200)
    shown = frames_of(reader, bytes(data))
    lost = {number for a, b in reader.report.missing for number in range(a, b)}
    assert reader.report.expected_frames == 200
    assert set(shown) | lost == set(range(200))
    assert all(shown[number] == number for number in shown if number < 100 or number >= 125)
    assert not lost & {*range(96), *range(129, 200)}
