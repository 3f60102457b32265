"""The rendered demo: complete, reproducible, with correct ground truth, and safe for existing files."""

from __future__ import annotations

import csv
import hashlib
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from wsvad.demo.figures import draw_figure
from wsvad.demo.plan import DemoVideo, plan_demo
from wsvad.demo.render import pictures, render_demo
from wsvad.errors import StorageError, UsageError
from wsvad.manifest.listing import list_videos
from wsvad.manifest.records import read_records

SECONDS = 2.5


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All eight videos, short."""
    return render_demo(tmp_path_factory.mktemp("demo") / "videos", seed=5, seconds=SECONDS)


def rows_of(manifest: Path) -> list[dict[str, str]]:
    """Return the rows of the manifest, read with the standard library."""
    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file of a folder, including hidden ones."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_every_video_matches_the_plan(demo: Path) -> None:
    """Frame count, size, rate and order of the timestamps, by a plain decode with PyAV."""
    plan = plan_demo(5, 8, SECONDS)
    assert {video.format.suffix for video in plan} == {".mp4", ".mkv", ".avi"}
    for video in plan:
        with av.open(str(demo.parent / video.name)) as container:
            stream = container.streams.video[0]
            frames = [(frame.pts, frame.width, frame.height) for frame in container.decode(stream)]
            assert stream.average_rate == 25
        assert len(frames) == video.num_frames, video.name
        assert {frame[1:] for frame in frames} == {(video.scene.width, video.scene.height)}
        assert [frame[0] for frame in frames] == sorted({frame[0] for frame in frames}), "pts in order, none twice"


def test_only_the_content_reveals_the_label(demo: Path) -> None:
    """Videos of a pair differ in the label and have the same scene, size, length, container, codec and split."""
    plan = plan_demo(5, 8, SECONDS)
    for one, other in zip(plan[::2], plan[1::2], strict=True):
        assert (one.scene, one.format, one.num_frames, one.split) == (
            other.scene,
            other.format,
            other.num_frames,
            other.split,
        )
        assert (one.kind == "normal") != (other.kind == "normal")
    labels = [int(row["label"]) for row in rows_of(demo)]
    assert len(set(labels[::2])) == 2, "the anomalous one is not always the first or the second"
    assert {row["split"] for row in rows_of(demo)} == {"train", "test"}
    sizes = np.array([(demo.parent / row["uri"]).stat().st_size for row in rows_of(demo)]).reshape(-1, 2)
    assert np.all(sizes.max(axis=1) < 1.6 * sizes.min(axis=1)), "nor does the size of the file, much"


def test_the_ground_truth_is_within_the_video(demo: Path) -> None:
    """Spans and boxes are half-open, within frames and picture; boxes cover the spans without a gap."""
    frames = {
        video.name: (video.num_frames, video.scene.width, video.scene.height) for video in plan_demo(5, 8, SECONDS)
    }
    for record in read_records(str(demo)):
        num_frames, width, height = frames[record.video_id]
        assert (record.num_frames, record.width, record.height) == (num_frames, width, height)
        assert record.spans is not None
        assert record.boxes is not None
        assert bool(record.spans) == bool(record.boxes) == (record.label == 1) == (record.category != "normal")
        for start, end in record.spans:
            assert 0 < start < end < num_frames
            assert [box.start_frame for box in record.boxes] == [start, *(box.end_frame for box in record.boxes[:-1])]
            assert record.boxes[-1].end_frame == end
        for box in record.boxes:
            assert 0 <= box.x1 < box.x2 <= width
            assert 0 <= box.y1 < box.y2 <= height


def test_anomalies_have_more_motion_than_talking() -> None:
    """Measured by frame differences of the same group: fights and chases have at least twice the motion."""
    for one, other in zip(*(plan_demo(2, 8, 4.0)[twin::2] for twin in (0, 1)), strict=True):
        normal, anomalous = (one, other) if one.kind == "normal" else (other, one)
        assert _motion(anomalous) > 2 * _motion(normal), anomalous.name


def _motion(video: DemoVideo) -> float:
    """Return the mean area, in pixels, that changes by more than noise between frames while the group is together."""
    story = video.story()
    alone = replace(story, people=tuple(person for person in story.people if person.takes_part))
    span = range(story.start_frame, story.end_frame)
    canvases = []
    for frame in span:
        canvas = np.full((video.scene.height, video.scene.width, 3), 128.0, np.float32)
        for person in alone.people:
            draw_figure(canvas, video.scene, person.look, person.pose(frame))
        canvases.append(canvas)
    changed = [np.abs(b - a).max(axis=2) > 15 for a, b in pairwise(canvases)]
    return float(np.mean([mask.sum() for mask in changed]))


def test_the_same_seed_gives_the_same_bytes(demo: Path, tmp_path: Path) -> None:
    """Also if fewer videos are rendered, in other processes; another seed gives other pictures."""
    again = digests(render_demo(tmp_path / "again", seed=5, videos=3, seconds=SECONDS).parent)
    videos = {name: digest for name, digest in again.items() if name[0] not in ".m"}
    assert len(videos) == 3
    assert videos.items() <= digests(demo.parent).items()
    one, other = (next(pictures(plan_demo(seed, 1, SECONDS)[0])) for seed in (5, 6))
    assert not np.array_equal(one, other)


def test_a_second_call_changes_nothing(demo: Path) -> None:
    """Neither bytes nor modification times change, so a job that identifies files by these has nothing to do."""
    before = {path.name: path.stat().st_mtime_ns for path in demo.parent.iterdir()}
    assert render_demo(demo.parent, seed=5, seconds=SECONDS) == demo
    assert {path.name: path.stat().st_mtime_ns for path in demo.parent.iterdir()} == before


def test_an_interrupted_rendering_is_completed(demo: Path) -> None:
    """Missing files are rendered to the same bytes; existing ones are kept; temporary files are removed."""
    folder, whole = demo.parent, digests(demo.parent)
    kept = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name.startswith("street")}
    demo.unlink()
    (folder / "park-1.mp4").rename(folder / ".park-1.mp4.part")
    (folder / "corridor-2.avi").unlink()
    render_demo(folder, seed=5, seconds=SECONDS)
    assert digests(folder) == whole
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name in kept} == kept


def test_the_demo_manifest_is_accepted_by_a_job(demo: Path) -> None:
    """The listing finds all eight by the manifest, and the same eight in the folder."""
    named = list_videos(str(demo))
    listed = list_videos(str(demo.parent))
    assert not named.unreachable
    assert (
        [v.video_id for v in named.videos]
        == [v.video_id for v in listed.videos]
        == sorted(row["video_id"] for row in rows_of(demo))
    )


def test_videos_are_never_mixed_with_other_files(demo: Path, tmp_path: Path) -> None:
    """A folder with another demo, or with other files, is refused and not changed."""
    with pytest.raises(UsageError, match="another seed, number or length"):
        render_demo(demo.parent, seed=6, seconds=SECONDS)
    (tmp_path / "holiday.mp4").write_bytes(b"mine")
    with pytest.raises(UsageError, match="not empty"):
        render_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.mp4"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"videos": 0}, "at least 1, got 0"),
        ({"seconds": 1.0}, "2 to 3600 seconds long, got 1"),
        ({"seconds": float("nan")}, "2 to 3600 seconds long, got nan"),
        ({"seed": -1}, "at least 0, got -1"),
    ],
)
def test_arguments_out_of_range_are_refused_before_any_work(
    tmp_path: Path, options: dict[str, int], message: str
) -> None:
    """The message states the range and the value."""
    with pytest.raises(UsageError, match=message):
        render_demo(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_created_is_a_storage_error(tmp_path: Path) -> None:
    """A file has its name."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot render the demo"):
        render_demo(tmp_path / "file")


def test_what_goes_wrong_in_a_process_of_its_own_is_reported(demo: Path, tmp_path: Path) -> None:
    """A folder stands where one video is to be written: the error names it, and no manifest claims success."""
    folder = tmp_path / "demo"
    shutil.copytree(demo.parent, folder)
    for name in ("manifest.csv", "courtyard-1.mp4", "courtyard-2.mp4"):
        (folder / name).unlink()
    (folder / ".courtyard-1.mp4.part").mkdir()
    with pytest.raises(StorageError, match=r"courtyard-1\.mp4"):
        render_demo(folder, seed=5, seconds=SECONDS)
    assert not (folder / "manifest.csv").exists()
