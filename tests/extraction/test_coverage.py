"""Lost, guessed or left out footage is reported: in the summary, the exit code and the videos table."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.extraction.harness import QUICK, published_rows, published_videos, run_here
from tests.video.synthetic import CLOSED_GOP, NO_B, Recipe, make_video, picture
from wsvad.features.coverage import shortcomings, skipped_videos
from wsvad.manifest.listing import Skipped

pytestmark = pytest.mark.usefixtures("in_process")

WILD = Path(__file__).parents[1] / "data" / "wild"
Extract = tuple[int, dict[str, Any]]


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """A folder for videos."""
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def extract(capsys: pytest.CaptureFixture[str], videos: Path, *words: str) -> Extract:
    """Extract into a folder next to the videos."""
    return run_here(capsys, "extract", "--videos", str(videos), "--out", str(videos.parent / "out"), *QUICK, *words)


def table(videos: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of the published videos by id."""
    return published_videos(videos.parent / "out")


def motion_jpeg(path: Path, frames: int = 40) -> Path:
    """Write concatenated JPEGs, without a frame rate."""
    recipe = Recipe(codec="mjpeg", pixel_format="yuvj420p", num_frames=frames, container="mjpeg")
    return make_video(path, recipe)


def two_streams(path: Path) -> Path:
    """Write forty pictures of 96x64 numbered from 0 and forty of 64x48 numbered from 100, as two streams of a file."""
    with av.open(str(path), "w") as container:
        streams = []
        for width, height in ((64, 48), (96, 64)):
            stream = container.add_stream("libx264", rate=5, options=dict(NO_B))
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        for number in range(40):
            for stream, first in zip(streams, (100, 0), strict=True):
                image = picture(first + number, stream.width, stream.height)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 5)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def test_a_short_video_counts_like_a_quarantined_one(footage, capsys):
    """Half of the file missing after its table: exit code 3 with the video's name; 0 with a lower minimum."""
    recipe = Recipe(options=CLOSED_GOP, num_frames=100, container_options={"movflags": "faststart"})
    whole = make_video(footage / "cut.mp4", recipe).read_bytes()
    (footage / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    make_video(footage / "good.mp4", recipe)
    code, summary = extract(capsys, footage)
    assert code == 3
    assert (summary["quarantined"], summary["videos_short"], summary["flagged"]) == (0, 1, 1)
    (problem,) = [p for p in summary["problems"] if p["outcome"] == "short"]
    assert problem["video_id"] == "cut.mp4"
    assert "less than 99 %" in problem["message"]
    assert extract(capsys, footage, "--max-quarantine", "1")[0] == 0
    assert extract(capsys, footage, "--min-coverage", "10")[0] == 0
    assert extract(capsys, footage, "--min-coverage", "101")[0] == 2
    capsys.readouterr()
    assert run_here(capsys, "verify", "--out", str(footage.parent / "out"), "--json")[0] == 3


def test_a_guessed_rate_is_reported_until_the_rate_is_given(footage, capsys):
    """A guessed rate makes a video doubtful; a given rate makes other units, which replace those with the guess."""
    motion_jpeg(footage / "a.mjpeg")
    code, summary = extract(capsys, footage)
    assert (code, summary["videos_doubtful"]) == (3, 1)
    assert summary["problems"][0]["kind"] == "times_guessed"
    assert table(footage)["a.mjpeg"]["notes"][0].startswith("times_guessed: ")
    code, report = run_here(capsys, "verify", "--out", str(footage.parent / "out"), "--json")
    assert code == 3
    assert "times_guessed" in str(report)
    code, summary = extract(capsys, footage, "--frame-rate", "8")
    assert (code, summary["units_done_now"], summary["flagged"]) == (0, 1, 0)
    row = table(footage)["a.mjpeg"]
    assert (row["fps"], row["duration_s"], row["notes"]) == (8.0, 5.0, None)
    assert len(published_rows(footage.parent / "out")) == 10
    assert extract(capsys, footage, "--frame-rate", "8")[1]["units_to_do"] == 0
    assert run_here(capsys, "verify", "--out", str(footage.parent / "out"), "--json")[0] == 0


def test_a_given_rate_does_not_affect_files_with_timestamps(footage, capsys):
    """In a folder of both kinds, timestamps have precedence over a given rate."""
    motion_jpeg(footage / "a.mjpeg")
    make_video(footage / "b.mp4", Recipe(options=CLOSED_GOP, num_frames=40))
    assert extract(capsys, footage)[0] == 3
    code, summary = extract(capsys, footage, "--frame-rate", "8")
    assert (code, summary["units_done_now"]) == (0, 1)
    assert {v: row["fps"] for v, row in table(footage).items()} == {"a.mjpeg": 8.0, "b.mp4": 5.0}


def test_a_left_out_stream_is_reported_until_one_is_chosen(footage, capsys):
    """The larger picture is read; --stream selects the other stream."""
    two_streams(footage / "two.mkv")
    code, summary = extract(capsys, footage)
    assert (code, summary["problems"][0]["kind"]) == (3, "stream_left_out")
    assert table(footage)["two.mkv"]["width"] == 96
    code, summary = extract(capsys, footage, "--stream", "0")
    assert (code, summary["units_done_now"], table(footage)["two.mkv"]["width"]) == (0, 1, 64)
    code, summary = extract(capsys, footage, "--stream", "1")
    assert (code, table(footage)["two.mkv"]["width"]) == (0, 96)
    assert extract(capsys, footage, "--stream", "7")[0] == 3


def test_a_manifest_sets_rate_and_stream_per_video(footage, capsys):
    """Columns have precedence over options; invalid values are refused with their row."""
    motion_jpeg(footage / "a.mjpeg")
    motion_jpeg(footage / "b.mjpeg")
    two_streams(footage / "two.mkv")
    listed = footage / "list.csv"
    listed.write_text("uri,frame_rate,stream\na.mjpeg,10,\nb.mjpeg,,\ntwo.mkv,,0\n")
    code, summary = extract(capsys, listed, "--frame-rate", "4")
    assert (code, summary["flagged"]) == (0, 0)
    rows = published_videos(footage / "out")
    assert [rows[v]["fps"] for v in ("a.mjpeg", "b.mjpeg")] == [10.0, 4.0]
    assert rows["two.mkv"]["width"] == 64
    for text in ("a.mjpeg,fast,", "a.mjpeg,-3,", "a.mjpeg,nan,", "a.mjpeg,,0.5", "a.mjpeg,,-1"):
        listed.write_text(f"uri,frame_rate,stream\n{text}\n")
        capsys.readouterr()
        assert extract(capsys, listed)[0] == 2
    assert extract(capsys, footage, "--frame-rate", "1e9")[0] == 2


def test_skipped_files_with_a_video_name_count(footage, capsys):
    """A hidden video is skipped and reported."""
    make_video(footage / "a.mp4", Recipe(options=CLOSED_GOP, num_frames=16))
    (footage / ".b.mp4").write_bytes(b"x")
    (footage / "notes.txt").write_text("x")
    (footage / "._a.mp4").write_bytes(b"x")
    code, summary = extract(capsys, footage)
    assert (code, summary["videos_skipped"], summary["skipped"]) == (3, 1, 3)
    assert [p["uri"].rsplit("/", 1)[-1] for p in summary["problems"]] == [".b.mp4"]
    assert extract(capsys, footage, "--max-quarantine", "1")[0] == 0


def test_notes_are_logged_and_counted(tmp_path, capsys, caplog):
    """A clock jump and a repeated timestamp: warnings, not faults."""
    code, summary = run_here(capsys, "extract", "--videos", str(WILD), "--out", str(tmp_path / "out"), *QUICK)
    assert (code, summary["notes"]) == (0, {"clock_jump": 1, "stamps_mended": 1})
    warned = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert any(text.startswith("ntp.mkv: the clock jumps by 1769999995") for text in warned)
    assert any(text.startswith("slow_dup.mkv: 1 missing or wrong timestamps") for text in warned)


def test_shortcomings_concern_extracted_videos():
    """Quarantined and incomplete videos are counted separately."""
    row = {"video_id": "v", "uri": "v", "clips": 1, "expected_clips": 2, "notes": ["clock_jump: x", "times_guessed: y"]}
    for status, kinds in (
        ("partial", ["coverage", "times_guessed"]),
        ("incomplete", []),
        ("quarantined", []),
    ):
        assert [r["kind"] for r in shortcomings([row | {"status": status}], 99.0)] == kinds
    assert shortcomings([row | {"status": "partial", "notes": None}], 50.0) == []
    assert [r["uri"] for r in skipped_videos([Skipped("a/B.MP4", "x"), Skipped("a.txt", "y")])] == ["a/B.MP4"]
