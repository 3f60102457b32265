"""``VideoReader``: back pressure, release of clips, early termination, storage failures."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.video.sources import BytesSource, FailingSource, SlowSource
from tests.video.synthetic import CLOSED_GOP, Recipe, make_video, number_in
from wsvad.clips import ClipSpec
from wsvad.errors import StorageError, StoreUnavailable, UsageError
from wsvad.video import Clip, Geometry, Limits, VideoIndex, VideoReader

SMALL = Geometry(size=32)


def start(reader: VideoReader, source: BytesSource, index: VideoIndex | None = None) -> Iterator[Clip]:
    """Start a run over all clips."""
    index = index or reader.index(source)
    return reader.clips(source, index, 0, 25, ClipSpec(), SMALL)


def reader_index(video: Path) -> VideoIndex:
    """Index with a separate reader."""
    with VideoReader() as other:
        return other.index(BytesSource(video))


def numbers(clip: Clip) -> list[int]:
    """Return the numbers that the frames of a clip show."""
    return [number_in(frame) for frame in clip.frames_THWC]


def test_decoding_stops_when_all_slots_are_full(video: Path) -> None:
    """With two slots and one clip held, exactly one further clip is ready after any time."""
    with VideoReader(queue_clips=2) as reader:
        run = start(reader, BytesSource(video))
        first = next(run)
        time.sleep(0.3)
        assert reader._ring is not None
        assert reader._ring.free_slots() == []
        assert numbers(first) == list(range(16))
        second = next(run)
        assert numbers(second) == list(range(16, 32))
        first.release()
        third = next(run)
        assert numbers(third) == list(range(32, 48))
        assert numbers(second) == list(range(16, 32))
        second.release()
        third.release()
        assert sum(1 for clip in run if clip.release() is None) == 22


def test_clips_are_read_only_and_stay_valid_until_release(video: Path) -> None:
    """Three clips held over the whole run keep their frames while 22 others pass through the fourth slot."""
    with VideoReader(queue_clips=4) as reader:
        held = []
        for clip in start(reader, BytesSource(video)):
            if clip.clip < 3:
                held.append(clip)
            else:
                clip.release()
        with pytest.raises(ValueError, match="read-only"):
            held[0].frames_THWC[:] = 0
        assert [numbers(clip)[0] for clip in held] == [0, 16, 32]
    assert [numbers(clip)[0] for clip in held] == [0, 16, 32]


def test_clips_of_an_earlier_run_stay_valid_until_release(video: Path, reader: VideoReader) -> None:
    """The next run does not use their slots until they are released during it."""
    run = start(reader, BytesSource(video))
    held = [next(run) for _ in range(3)]
    run.close()
    assert reader._ring is not None
    assert len(reader._ring.free_slots()) == 1
    for clip in start(reader, BytesSource(video)):
        assert numbers(clip)[0] == clip.clip * 16
        if clip.clip < 3:
            assert numbers(held[clip.clip]) == list(range(clip.clip * 16, clip.clip * 16 + 16))
            held[clip.clip].release()
        clip.release()
    assert len(reader._ring.free_slots()) == 4


def test_two_runs_at_once_are_refused(video: Path, reader: VideoReader) -> None:
    """A child serves one request at a time; the running one is not disturbed."""
    run = start(reader, BytesSource(video))
    next(run).release()
    with pytest.raises(RuntimeError, match="not finished"):
        reader.index(BytesSource(video))
    with pytest.raises(RuntimeError, match="not finished"):
        next(start(reader, BytesSource(video), reader_index(video)))
    assert sum(1 for clip in run if clip.release() is None) == 24


def test_a_reader_is_reusable_after_a_run_is_closed_early(video: Path, reader: VideoReader) -> None:
    """The same child continues; the clip taken before stays readable."""
    source = BytesSource(video)
    index = reader.index(source)
    assert reader._child is not None
    pid = reader._child.pid
    for _ in range(3):
        run = reader.clips(source, index, 0, 25, ClipSpec(), SMALL)
        clip = next(run)
        run.close()
        assert numbers(clip) == list(range(16))
        clip.release()
    assert reader._child.pid == pid
    assert sum(1 for clip in start(reader, source, index) if clip.release() is None) == 25
    assert reader.report.decoded_frames == 400


def test_holding_every_clip_raises_instead_of_hanging(video: Path) -> None:
    """The message names the remedy."""
    with VideoReader(Limits(stall_s=0.5), queue_clips=2) as reader:
        run = start(reader, BytesSource(video))
        held = [next(run), next(run)]
        with pytest.raises(RuntimeError, match=r"release\(\)"):
            next(run)
        for clip in held:
            clip.release()
        assert sum(1 for clip in start(reader, BytesSource(video)) if clip.release() is None) == 25


def test_a_slow_consumer_is_not_a_decoder_hang(video: Path) -> None:
    """All slots are full for three times the limit."""
    with VideoReader(Limits(stall_s=0.4), queue_clips=1) as reader:
        run = start(reader, BytesSource(video))
        for clip in range(2):
            got = next(run)
            assert got.clip == clip
            time.sleep(1.2)
            got.release()
        run.close()


def test_slow_storage_is_not_a_decoder_hang(video: Path) -> None:
    """Each read takes twice the limit."""
    with VideoReader(Limits(stall_s=0.4)) as reader:
        assert reader.index(SlowSource(video, 0.8)).num_frames == 400


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six megabytes of video in each of three containers, so that several reads are needed."""
    folder = tmp_path_factory.mktemp("large")
    recipe = Recipe(codec="rawvideo", pixel_format="yuyv422", width=320, height=240, num_frames=40)
    for name in ("large.mov", "large.mkv", "large.avi"):
        assert make_video(folder / name, recipe).stat().st_size > 6_000_000
    return folder


@pytest.mark.parametrize("name", ["large.mov", "large.mkv", "large.avi"])
@pytest.mark.parametrize("operation", ["index", "clips"])
def test_storage_errors_are_raised_unchanged(large: Path, reader: VideoReader, name: str, operation: str) -> None:
    """Whichever read fails, while indexing or decoding, in any container: the same error object.

    It is never a VideoError and never missing frames.
    """
    path = large / name
    whole = BytesSource(path)
    index = reader.index(whole)
    if operation == "clips":
        whole.reads.clear()
        list(_all(reader, whole, index))
    assert len(whole.reads) >= 2
    for after in range(len(whole.reads)):
        source = FailingSource(path, after)
        with pytest.raises(StoreUnavailable) as error:
            reader.index(source) if operation == "index" else list(_all(reader, source, index))
        assert error.value is source.error
        assert reader.index(BytesSource(path)) == index


def _all(reader: VideoReader, source: BytesSource, index: VideoIndex) -> Iterator[int]:
    for clip in reader.clips(source, index, 0, 3, ClipSpec(), SMALL):
        clip.release()
        yield clip.clip


def test_an_object_that_shrank_is_a_storage_error(video: Path, reader: VideoReader) -> None:
    """It changed between listing and reading, which is no evidence against the video."""
    source = BytesSource(video)
    source.size += 1000
    with pytest.raises(StorageError, match="changed while it was read"):
        reader.index(source)


def test_other_errors_of_a_source_are_raised_unchanged(video: Path, reader: VideoReader) -> None:
    """A bug in the caller's source, or Ctrl-C during a read, is no evidence against the video either."""

    class Broken(BytesSource):
        def read_at(self, offset: int, length: int) -> bytes:
            raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        reader.index(Broken(video))
    assert reader.index(BytesSource(video)).num_frames == 400


def test_a_reader_serves_geometries_of_any_size(tmp_path: Path, reader: VideoReader) -> None:
    """The ring is resized with the clips."""
    path = make_video(tmp_path / "short.mp4", Recipe(options=CLOSED_GOP, num_frames=40))
    source = BytesSource(path)
    index = reader.index(source)
    for geometry in (SMALL, Geometry(), Geometry("ten-crop"), SMALL):
        across, down = geometry.delivered(96, 64)
        for clip in reader.clips(source, index, 0, 3, ClipSpec(), geometry):
            with clip:
                assert clip.frames_THWC.shape == (16, down, across, 3)
                assert number_in(clip.frames_THWC[0]) == clip.start_frame
                assert geometry.crops(clip.frames_THWC).dtype == np.uint8


def test_a_garbage_collected_reader_ends_its_child(video: Path) -> None:
    """No zombie, no warning about an open pipe."""
    reader = VideoReader()
    reader.index(BytesSource(video))
    assert reader._child is not None
    process = reader._child._process
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del reader
    assert process.poll() is not None


def test_invalid_settings_are_usage_errors() -> None:
    """Before any child starts."""
    with pytest.raises(UsageError):
        VideoReader(queue_clips=0)
    with pytest.raises(UsageError):
        replace(Limits(), stall_s=0)
