"""Every bad or odd file ends in the outcome that ``docs/video-outcomes.md`` names, and nothing else is touched."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.video.conftest import Canary, Corpus
from tests.video.corpus import ExpectedOutcome
from tests.video.sources import BytesSource
from wsvad.clips import ClipSpec
from wsvad.errors import VideoError
from wsvad.video import KINDS, Geometry, VideoReader

IN_OPEN = 0x20
DOCS = Path(__file__).resolve().parents[2] / "docs" / "video-outcomes.md"


def outcome(reader: VideoReader, path: Path) -> tuple[ExpectedOutcome, int]:
    """Index and decode a file; return what came of it and the clips that came out."""
    source, spec, clips = BytesSource(path), ClipSpec(), 0
    try:
        index = reader.index(source, name=path.name)
        for clip in reader.clips(source, index, 0, spec.count(index.num_frames), spec, Geometry(), name=path.name):
            clips += 1
            clip.release()
    except VideoError as error:
        if not str(error).startswith(f"{path.name}: "):
            raise
        return ExpectedOutcome("quarantined", error.kind), clips
    report = reader.report
    assert report.expected_frames == index.num_frames
    assert report.decoded_frames + sum(stop - start for start, stop in report.missing) == index.num_frames
    if not report.missing:
        assert clips == spec.count(index.num_frames)
    return ExpectedOutcome("gap" if report.missing else "clips", None, index.num_frames), clips


def test_every_file_ends_in_its_outcome_and_no_other_file_or_server_is_touched(corpus: Corpus, canary: Canary) -> None:
    """One child for the whole corpus: bad files leave the good ones behind them alone. The canary server is never
    called, and the canary video that play lists name is opened by nothing but its own turn.
    """
    found = {}
    with VideoReader() as reader:
        with watched(corpus.folder / "canary.mp4") as was_opened:
            for name in corpus.expected:
                if name != "canary.mp4":
                    found[name] = outcome(reader, corpus.folder / name)[0]
            assert not was_opened()
            (corpus.folder / "canary.mp4").read_bytes()
            assert was_opened()
        found["canary.mp4"] = outcome(reader, corpus.folder / "canary.mp4")[0]
    for name, expected in corpus.expected.items():
        got = found[name]
        assert (got.result, got.kind) == (expected.result, expected.kind), name
        assert expected.num_frames in (None, got.num_frames), name
    assert canary.calls == []


@contextmanager
def watched(path: Path) -> Iterator[Callable[[], bool]]:
    """Let the kernel tell whether a file was opened by any process."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert fd >= 0
    assert libc.inotify_add_watch(fd, os.fsencode(path), IN_OPEN) >= 0

    def was_opened() -> bool:
        try:
            return bool(os.read(fd, 4096))
        except BlockingIOError:
            return False

    yield was_opened
    os.close(fd)


def test_a_gap_costs_only_the_clips_that_touch_it(corpus: Corpus) -> None:
    """Half of the samples cut off: the clips before the cut are there, whole."""
    with VideoReader() as reader:
        assert outcome(reader, corpus.folder / "index_first_cut_90.mp4")[1] == 5
        (start, stop), *others = reader.report.missing
        assert (start >= 80, stop, others) == (True, 100, [])
        assert reader.report.errors


def test_the_docs_name_every_kind() -> None:
    """The table of outcomes and the code agree."""
    text = DOCS.read_text()
    for kind in KINDS:
        assert f"`{kind}`" in text, kind


@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_a_file_cut_before_its_table_is_damaged_wherever_it_is_cut(
    video: Path, percent: int, reader: VideoReader
) -> None:
    """An MP4 whose table lies behind its samples, at 20 places; the corpus and ``test_damage`` cut the other kinds."""
    source = BytesSource(video.read_bytes()[: video.stat().st_size * percent // 100])
    with pytest.raises(VideoError) as error:
        reader.index(source)
    assert error.value.kind == ("empty" if percent == 0 else "damaged")
