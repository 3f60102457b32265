"""Every file of the corpus has the outcome documented in ``docs/video-outcomes.md``, and no other file is opened."""

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
    """Index and decode a file; return its outcome and the number of clips."""
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


def test_every_file_has_its_outcome_and_no_other_file_or_server_is_accessed(corpus: Corpus, canary: Canary) -> None:
    """One child decodes the whole corpus: bad files do not affect later files.

    The canary server receives no request, the canary file is not opened.
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
    """Detect with inotify whether any process opens a file."""
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


def test_a_gap_affects_only_the_clips_that_contain_it(corpus: Corpus) -> None:
    """With half of the samples cut off, all clips before the cut are complete."""
    with VideoReader() as reader:
        assert outcome(reader, corpus.folder / "index_first_cut_90.mp4")[1] == 5
        (start, stop), *others = reader.report.missing
        assert (start >= 80, stop, others) == (True, 100, [])
        assert reader.report.errors


def test_docs_list_every_kind() -> None:
    """The table of outcomes and the code list the same kinds."""
    text = DOCS.read_text()
    for kind in KINDS:
        assert f"`{kind}`" in text, kind


@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_an_mp4_truncated_before_its_table_is_damaged(video: Path, percent: int, reader: VideoReader) -> None:
    """An MP4 whose table follows its samples, truncated at 20 positions; ``test_damage`` covers other kinds."""
    source = BytesSource(video.read_bytes()[: video.stat().st_size * percent // 100])
    with pytest.raises(VideoError) as error:
        reader.index(source)
    assert error.value.kind == ("empty" if percent == 0 else "damaged")
