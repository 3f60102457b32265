"""Optical flow, compared with known shifts of drawn patterns and with OpenCV called directly."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from tests.video.conftest import Corpus
from tests.video.sources import BytesSource
from tests.video.synthetic import CLOSED_GOP, Recipe, make_video, number_in
from wsvad.clips import ClipSpec
from wsvad.errors import UsageError, VideoError
from wsvad.video import Clip, FlowMethod, Geometry, Limits, VideoReader, crop_flow, require_flow
from wsvad.video.flow import FLOW_BOUND, FlowEstimator, encode_flow
from wsvad.video.geometry import Frames
from wsvad.video.process import run_in_subprocess

METHODS = get_args(FlowMethod)
SMALL = Geometry(size=32)
Flows = dict[int, Frames]


def decode_flow(flow: np.ndarray) -> np.ndarray:
    """Return the displacement in pixels of encoded flow."""
    return flow.astype(np.float32) * np.float32(2 * FLOW_BOUND / 255) - np.float32(FLOW_BOUND)


def texture(across: float, down: float, size: int = 96) -> Frames:
    """Return an RGB frame with a pattern, a sum of waves, moved by the given pixels; exact for any fraction."""
    generator = np.random.default_rng(7)
    y, x = np.mgrid[0:size, 0:size].astype(float)
    grey = np.zeros((size, size))
    for length, angle, phase in zip(
        np.linspace(9, 45, 14), generator.uniform(0, np.pi, 14), generator.uniform(0, 2 * np.pi, 14), strict=True
    ):
        along = (x - across) * np.cos(angle) + (y - down) * np.sin(angle)
        grey += np.sin(2 * np.pi * along / length + phase)
    grey = 127.5 + 127.5 * grey / np.abs(grey).max()
    return np.repeat(np.rint(grey).astype(np.uint8)[:, :, None], 3, axis=2)


def flow_between(method: FlowMethod, earlier: Frames, later: Frames) -> Frames:
    """Return the flow from one frame to the next as bytes."""
    flow_estimator = FlowEstimator(method)
    assert flow_estimator.add_frame(0, earlier) is None
    flow = flow_estimator.add_frame(1, later)
    assert flow is not None
    return flow


def flows(
    reader: VideoReader, video: Path, clips: tuple[int, int], spec: ClipSpec, geometry: Geometry = SMALL
) -> Flows:
    """Return a copy of the flow of each clip."""
    return {clip.clip: copy for clip, copy in copied(reader, video, clips, spec, geometry)}


def copied(
    reader: VideoReader,
    video: Path,
    clips: tuple[int, int],
    spec: ClipSpec,
    geometry: Geometry = SMALL,
    method: FlowMethod = "dis",
) -> Iterator[tuple[Clip, Frames]]:
    """Yield each clip, not yet released, with a copy of its flow."""
    source = BytesSource(video)
    for clip in reader.clips(source, reader.index(source), *clips, spec, geometry, flow=method):
        with clip:
            assert clip.flow_THWC is not None
            yield clip, clip.flow_THWC.copy()


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 90 frames with a key frame at every 25th; seek points come every 30 s, at 1 frame/s."""
    return make_video(tmp_path_factory.mktemp("flow") / "moving.mp4", Recipe(options=CLOSED_GOP, num_frames=90, fps=1))


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, -1), (3, 2), (-2.5, 0.5)], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_a_known_shift_is_recovered_to_a_third_of_a_pixel(method: FlowMethod, shift: tuple[float, float]) -> None:
    """In every pixel that is in both frames and not at their edge; x first, positive to the right and down."""
    flow = decode_flow(flow_between(method, texture(0, 0), texture(*shift)))
    assert flow.shape == (96, 96, 2)
    assert np.abs(flow - shift)[8:-8, 8:-8].max() <= 0.3


@pytest.mark.parametrize("method", METHODS)
def test_flow_equals_opencv_with_its_defaults(method: FlowMethod) -> None:
    """Byte for byte; also the second flow of the same object, and with one flow skipped."""
    frames = [texture(0, 0, 64), texture(1.2, 0.4, 64), texture(2, 2, 64)]
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flow_estimator = FlowEstimator(method)
    assert flow_estimator.add_frame(5, frames[0]) is None
    assert flow_estimator.add_frame(6, frames[1], wanted=False) is None
    second = flow_estimator.add_frame(7, frames[2])
    assert flow_estimator.add_frame(9, frames[0]) is None
    for got, earlier, later in (
        (flow_between(method, frames[0], frames[1]), greys[0], greys[1]),
        (second, greys[1], greys[2]),
    ):
        if method == "tvl1":
            flow = cv2.optflow.createOptFlow_DualTVL1().calc(earlier, later, None)
        else:
            flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(earlier, later, None)
        assert np.array_equal(got, np.round((np.clip(flow, -20, 20) + 20) / 40 * 255).astype(np.uint8))


def test_flow_encoding_clips_and_errs_by_at_most_half_a_step() -> None:
    """20 pixels become 1 for the network, zero motion is 128, and NaN is zero motion."""
    wild = np.array([-1e9, -np.inf, -20, 0, 20, 21, np.inf, np.nan], dtype=np.float32)
    assert encode_flow(wild).tolist() == [0, 0, 0, 128, 255, 255, 255, 128]
    pixels = np.linspace(-20, 20, 9973, dtype=np.float32)
    stored = encode_flow(pixels)
    assert np.abs(decode_flow(stored) - pixels).max() <= 0.0785
    assert np.allclose(stored / 127.5 - 1, decode_flow(stored) / 20, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_uniform_picture_has_zero_flow(method: FlowMethod) -> None:
    """A black picture has no texture to follow and must not cause a division by zero."""
    black, white = np.zeros((40, 48, 3), dtype=np.uint8), np.full((40, 48, 3), 255, dtype=np.uint8)
    assert np.unique(flow_between(method, black, black)).tolist() == [128]
    assert flow_between(method, black, white).shape == (40, 48, 2)


def test_a_later_frame_of_another_size_is_resized() -> None:
    """The flow has the earlier frame's size, and a frame and its double have zero flow."""
    large = cv2.resize(texture(0, 0), (192, 192), interpolation=cv2.INTER_LINEAR)
    flow = decode_flow(flow_between("dis", texture(0, 0), large))
    assert flow.shape == (96, 96, 2)
    assert np.abs(flow).max() < 0.3
    assert flow_between("dis", large, texture(0, 0)).shape == (192, 192, 2)


def test_ten_crops_of_flow_match_those_of_frames_and_mirrors_negate_x() -> None:
    """Each view is compared with a slice written out by hand; zero motion is 128 and its mirror image 127."""
    flow = np.random.default_rng(1).integers(0, 256, (3, 40, 52, 2), dtype=np.uint8)
    kept = flow.copy()
    views = crop_flow(Geometry("ten-crop", size=32, resize=40), flow)
    assert views.shape == (10, 3, 32, 32, 2)
    corners = [flow[:, :32, :32], flow[:, :32, 20:], flow[:, 8:, :32], flow[:, 8:, 20:], flow[:, 4:36, 10:42]]
    for view, expected in enumerate(corners):
        assert np.array_equal(views[view], expected)
        assert np.array_equal(views[view + 5, ..., 0], 255 - expected[:, :, ::-1, 0])
        assert np.array_equal(views[view + 5, ..., 1], expected[:, :, ::-1, 1])
    assert np.array_equal(flow, kept)
    assert np.array_equal(crop_flow(Geometry(size=40), flow[:, :, :40]), flow[None, :, :, :40])


@pytest.mark.parametrize("method", METHODS)
def test_the_flow_of_mirrored_frames_is_the_mirrored_flow(method: FlowMethod) -> None:
    """Away from the edges, within a third of a pixel."""
    frames = np.stack([texture(0, 0, 64), texture(2, 1, 64)])
    geometry = Geometry("ten-crop", size=64, resize=64)
    mirrored = geometry.crops(frames)[5]
    expected = crop_flow(geometry, flow_between(method, *frames)[None])[5, 0]
    apart = decode_flow(flow_between(method, *mirrored)) - decode_flow(expected)
    assert np.abs(apart)[8:-8, 8:-8].max() < 0.3


def test_flow_leads_to_the_next_frame_even_at_the_end_of_a_clip(moving: Path, reader: VideoReader) -> None:
    """All 90 frames, compared with flow computed from decoded frames; the padded last clip repeats its last flow."""
    frames, found = [], []
    for clip, flow in copied(reader, moving, (0, 6), ClipSpec()):
        frames += list(clip.frames_THWC[: clip.end_frame - clip.start_frame].copy())
        found += list(flow[: clip.end_frame - clip.start_frame])
        tail = flow[clip.end_frame - clip.start_frame - 1 :]
    assert [number_in(frame) for frame in frames] == list(range(90))
    flow_estimator = FlowEstimator("dis")
    expected = [flow_estimator.add_frame(number, frame) for number, frame in enumerate(frames)][1:]
    assert np.array_equal(found[:89], expected)
    assert len(tail) == 7
    assert all(np.array_equal(flow, found[88]) for flow in tail)


@pytest.mark.parametrize("spec", [ClipSpec(), ClipSpec(16, 8), ClipSpec(16, 20), ClipSpec(1, 7)], ids=str)
def test_flow_does_not_depend_on_unit_boundaries(moving: Path, reader: VideoReader, spec: ClipSpec) -> None:
    """Each clip alone, and pairs of clips, equal one run over all clips; some decodes start at seek points."""
    count = spec.count(90)
    whole = flows(reader, moving, (0, count), spec)
    assert list(whole) == list(range(count))
    started = set()
    for first in range(count):
        for last in (first + 1, min(first + 2, count)):
            part = flows(reader, moving, (first, last), spec)
            started.add(reader.report.decoded_from)
            assert list(part) == list(range(first, last))
            assert all(np.array_equal(part[clip], whole[clip]) for clip in part)
    assert started == {0, 50}


def test_tv_l1_gives_the_same_bytes_in_the_child_and_here(moving: Path, reader: VideoReader) -> None:
    """The child's limits do not change the result."""
    ((clip, flow),) = copied(reader, moving, (1, 2), ClipSpec(4, 4), method="tvl1")
    expected = [flow_between("tvl1", *clip.frames_THWC[i : i + 2]) for i in range(3)]
    assert np.array_equal(flow[:3], expected)


def test_a_video_of_one_frame_has_zero_flow(tmp_path: Path, reader: VideoReader) -> None:
    """No frame precedes or follows it."""
    path = make_video(tmp_path / "one.mp4", Recipe(options=CLOSED_GOP, num_frames=1))
    ((_, flow),) = copied(reader, path, (0, 1), ClipSpec())
    assert np.unique(flow).tolist() == [128]


def test_flow_of_center_is_cropped_from_the_whole_frame(moving: Path, reader: VideoReader) -> None:
    """It equals the fifth view of the ten-crop flow, so that motion from outside the crop is visible."""
    centre, ten = (Geometry(kind, size=40, resize=48) for kind in ("center", "ten-crop"))
    whole = flows(reader, moving, (0, 2), ClipSpec(), ten)
    middle = flows(reader, moving, (0, 2), ClipSpec(), centre)
    for clip in (0, 1):
        assert whole[clip].shape == (16, 48, 72, 2)
        assert np.array_equal(crop_flow(centre, middle[clip])[0], crop_flow(ten, whole[clip])[4])


@pytest.mark.parametrize("kind", ["squash", "center", "ten-crop"])
def test_frames_that_change_their_size_within_a_clip_have_flow(corpus: Corpus, reader: VideoReader, kind: str) -> None:
    """Frame 50 is rotated by 90 degrees against frame 49; the frames equal those of a decode without flow."""
    source = BytesSource(corpus.folder / "changing_size.ts")
    geometry, index = Geometry(kind, size=32, resize=36), reader.index(source)
    plain = [clip.frames_THWC.copy() for clip in released(reader.clips(source, index, 2, 5, ClipSpec(), geometry))]
    moved = [
        (clip.frames_THWC.copy(), clip.flow_THWC)
        for clip in released(reader.clips(source, index, 2, 5, ClipSpec(), geometry, flow="dis"))
    ]
    assert len(plain) == len(moved) == 3
    for expected, (frames, flow) in zip(plain, moved, strict=True):
        assert np.array_equal(expected, frames)
        assert flow is not None
        assert flow.shape == (*frames.shape[:3], 2)


def released(clips: Iterator[Clip]) -> Iterator[Clip]:
    """Yield clips and release each after its turn."""
    for clip in clips:
        with clip:
            yield clip


def test_flow_is_read_only_and_stays_valid_until_release(moving: Path) -> None:
    """Runs with and without flow alternate on one reader; a held clip keeps its bytes throughout."""
    with VideoReader(queue_clips=2) as reader:
        run = copied(reader, moving, (0, 6), ClipSpec())
        held, first = next(run)
        assert held.flow_THWC is not None
        assert not held.flow_THWC.flags.writeable
        assert sum(1 for _ in run) == 5
        source = BytesSource(moving)
        kept = reader.clips(source, reader.index(source), 0, 6, ClipSpec(), SMALL, flow="dis")
        clip = next(kept)
        assert sum(1 for other in released(kept)) == 5
        for other in released(reader.clips(source, reader.index(source), 0, 6, ClipSpec(), SMALL)):
            assert other.flow_THWC is None
        assert clip.flow_THWC is not None
        assert np.array_equal(clip.flow_THWC, first)
        clip.release()
        assert len(flows(reader, moving, (0, 6), ClipSpec())) == 6


def test_impossible_flow_is_a_usage_error_before_any_work(moving: Path) -> None:
    """No OpenCV, too small a frame, an unknown method; no child is started."""
    with pytest.raises(UsageError, match=r"pip install 'wsvad\[flow\]'.*No module named 'cv3'"):
        require_flow("dis", _code="import cv3")
    with pytest.raises(UsageError, match=r"one of .*'tvl1', 'dis'.* got 'horn'"):
        require_flow("horn")
    with VideoReader() as other:
        index = other.index(BytesSource(moving))
    with VideoReader() as reader:
        with pytest.raises(UsageError, match="at least 32 pixels per side, got 31"):
            next(reader.clips(BytesSource(moving), index, 0, 1, ClipSpec(), Geometry(size=31), flow="dis"))
        assert reader._child is None


MEMORY = """
import resource, numpy
from wsvad.video.flow import FlowEstimator
flow_estimator, frame = FlowEstimator("dis"), numpy.zeros((3000, 3000, 3), dtype=numpy.uint8)
flow_estimator.add_frame(0, frame)
resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))
try:
    flow_estimator.add_frame(1, frame)
except MemoryError:
    print("no memory")
"""


def test_lack_of_memory_for_flow_is_a_memory_error() -> None:
    """OpenCV's own exception would count as a decoder error."""
    assert run_in_subprocess(MEMORY).stdout == "no memory\n"


def test_flow_works_under_tight_limits_and_has_its_own_cpu_time(moving: Path) -> None:
    """One thread, 600 MB of address space. The CPU time allowed for the footage alone does not suffice."""
    limits = Limits(address_space=600 << 20, cpu_base_s=1, cpu_per_footage_s=0.001)
    with VideoReader(limits) as reader:
        assert len(flows(reader, moving, (0, 6), ClipSpec())) == 6
        assert reader._child is not None
        status = dict(line.split(":", 1) for line in Path(f"/proc/{reader._child.pid}/status").read_text().splitlines())
        assert int(status["Threads"]) == 2
        assert resource.prlimit(reader._child.pid, resource.RLIMIT_CPU)[0] > 90 * 32 * 32 * 400e-6
    starved = replace(limits, cpu_base_s=0.01, cpu_per_flow_megapixel_s=1e-6)
    with VideoReader(starved) as reader, pytest.raises(VideoError) as error:
        list(copied(reader, moving, (0, 6), ClipSpec(), Geometry(size=128), "tvl1"))
    assert error.value.kind == "decoder_cpu"
