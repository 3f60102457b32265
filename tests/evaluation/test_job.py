"""``wsvad evaluate``: from a scores data set and a manifest to a report, on disk and in object storage."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.extraction.videos import write_video
from tests.scoring.factories import write_scores
from tests.services.moto_server import MotoServer
from wsvad.cli import main
from wsvad.manifest.records import Box, VideoRecord, write_records
from wsvad.report.frames import video_uri
from wsvad.storage import open_store

QUICK = ("--resamples", "100")


def make_inputs(root: str, training_ids: tuple[str, ...] = ("t.mp4",)) -> tuple[str, str]:
    """Write three scored videos of 40 frames and their manifest; return ``(scores, manifest)``."""
    cuboids = np.full((3, 49), 0.1)
    cuboids[1, 24] = 0.9
    quiet = np.full((3, 49), 0.2)
    videos = {
        "a.mp4": (cuboids.max(axis=1), cuboids),
        "n.mp4": (quiet.max(axis=1), quiet),
        "m.mp4": (quiet.max(axis=1), quiet),
    }
    scored = write_scores(
        f"{root}/scores",
        videos,
        num_frames=dict.fromkeys(videos, 40),
        training_ids=training_ids,
        sizes=dict.fromkeys(videos, (64, 48)),
    )
    box = Box(16, 32, 28, 21, 36, 27, 1)
    records = [
        VideoRecord("a.mp4", "videos/a.mp4", 1, "test", "Arson", 40, 64, 48, ((16, 32),), (box,)),
        VideoRecord("n.mp4", "videos/n.mp4", 0, "test"),
        VideoRecord("m.mp4", "videos/gone.mp4", 0, "test"),
        VideoRecord("t.mp4", "videos/t.mp4", 1, "train"),
    ]
    write_records(f"{root}/manifest.csv", records)
    return scored, f"{root}/manifest.csv"


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[str, ...]:
    """Return options that evaluate three small videos, two of which exist."""
    scored, manifest = make_inputs(str(tmp_path))
    return ("--scores", scored, "--manifest", manifest, "--out", str(tmp_path / "report"), *QUICK)


def test_no_report_is_written_into_a_data_set(inputs: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 5 if the target is the scores data set; nothing is written."""
    words = [str(tmp_path / "scores") if word == str(tmp_path / "report") else word for word in inputs]
    assert main(["evaluate", *words]) == 5
    assert not (tmp_path / "scores" / "report.json").exists()


def test_a_report_is_written_with_frames_of_the_videos(
    inputs: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0; strict JSON with inputs, options and versions; the page shows two frames and a note on the third."""
    (tmp_path / "videos").mkdir()
    for name in ("a.mp4", "n.mp4"):
        write_video(tmp_path / "videos" / name, 40)
    assert main(["evaluate", *inputs, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert summary["metrics"]["frame_auc"]["value"] == report["metrics"]["frame_auc"]["value"] == 1.0
    assert report["metrics"]["pointing_peak"]["value"] == 1.0
    assert report["inputs"]["scores"]["training_videos"] == 1
    assert report["inputs"]["manifest"]["digest"].startswith("sha256:")
    assert report["command"][:2] == ["wsvad", "evaluate"]
    assert "--resamples" in report["command"]
    assert report["versions"]["wsvad"]
    assert [row["video_id"] for row in report["per_video"]] == ["a.mp4", "n.mp4", "m.mp4"]
    html = (tmp_path / "report" / "report.html").read_text()
    assert html.count("data:image/png;base64,") == 2
    assert any("m.mp4" in note and "not shown" in note for note in report["notes"])


def test_an_equal_report_is_replaced_and_another_one_is_a_conflict(inputs: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 5, and nothing is changed, unless --replace is given."""
    assert main(["evaluate", *inputs, "--no-frames"]) == 0
    assert main(["evaluate", *inputs, "--no-frames"]) == 0
    before = (tmp_path / "report" / "report.json").read_bytes()
    assert main(["evaluate", *inputs, "--no-frames", "--threshold", "0.7"]) == 5
    assert (tmp_path / "report" / "report.json").read_bytes() == before
    assert main(["evaluate", *inputs, "--no-frames", "--threshold", "0.7", "--replace"]) == 0
    (tmp_path / "report" / "report.json").write_text("[not a report")
    assert main(["evaluate", *inputs, "--no-frames"]) == 5


def test_training_videos_are_rejected_or_labelled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Equal ids always; equal file names unless --distinct-names is given; --split train is labelled."""
    for number, (trained, words, code) in enumerate(
        [
            (("a.mp4",), (), 2),
            (("a.mp4",), ("--distinct-names",), 2),
            (("other/a_x264.avi",), (), 2),
            (("other/a_x264.avi",), ("--distinct-names",), 0),
        ]
    ):
        scored, manifest = make_inputs(str(tmp_path / str(number)), trained)
        out = tmp_path / str(number) / "report"
        words = ("--scores", scored, "--manifest", manifest, "--out", str(out), "--no-frames", *QUICK, *words)
        assert main(["evaluate", *words]) == code
        assert (out / "report.json").exists() == (code == 0)
    assert "share a file name" in " ".join(json.loads((out / "report.json").read_text())["warnings"])


def test_metrics_on_training_videos_are_labelled(inputs: tuple[str, ...], tmp_path: Path) -> None:
    """The training video has no scores at first; with scores, the report has a warning."""
    assert main(["evaluate", *inputs, "--split", "train", "--no-frames"]) == 2
    write_scores(tmp_path / "scores", {"t.mp4": ([0.5, 0.6], None)}, training_ids=("t.mp4",))
    assert main(["evaluate", *inputs, "--split", "train", "--no-frames"]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert any("metrics on split 'train' (1 of these videos" in warning for warning in report["warnings"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("--scores", "/no/such/folder"), 2),
        (("--manifest", "/no/such.csv"), 2),
        (("--threshold", "2"), 2),
        (("--split", "val"), 2),
    ],
)
def test_invalid_input_is_rejected_before_anything_is_written(
    inputs: tuple[str, ...], tmp_path: Path, change: tuple[str, str], code: int
) -> None:
    """With the corresponding exit code."""
    assert main(["evaluate", *inputs, *change]) == code
    assert not (tmp_path / "report").exists()


def test_missing_scores_require_an_option(inputs: tuple[str, ...], tmp_path: Path) -> None:
    """Without it, exit code 2; with it, the report lists the videos."""
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(manifest.read_text() + "late.mp4,late.mp4,0,test,,,,,,\n")
    assert main(["evaluate", *inputs, "--no-frames"]) == 2
    assert main(["evaluate", *inputs, "--no-frames", "--allow-missing"]) == 0
    assert json.loads((tmp_path / "report" / "report.json").read_text())["videos"]["missing"] == ["late.mp4"]


def test_an_option_file_gives_the_options(inputs: tuple[str, ...], tmp_path: Path) -> None:
    """The report contains the equivalent command."""
    config = tmp_path / "evaluate.toml"
    config.write_text('truth-mode = "floor16"\nframes = false\nthreshold = 0.25\n')
    assert main(["evaluate", *inputs, "--config", str(config)]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (report["options"]["truth_mode"], report["options"]["threshold"]) == ("floor16", 0.25)
    assert report["metrics"]["frame_auc"]["counts"]["frames"] == 96
    assert {"--truth-mode", "floor16", "--no-frames", "--threshold", "0.25"} <= set(report["command"])


def test_object_storage(
    s3_bucket: str, moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Scores, manifest, videos and report on S3."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.url)
    root = f"s3://{s3_bucket}/x"
    scored, manifest = make_inputs(root)
    write_video(tmp_path / "a.mp4", 40)
    open_store(root).create("footage/videos/a.mp4", (tmp_path / "a.mp4").read_bytes())
    words = ("--scores", scored, "--manifest", manifest, "--out", f"{root}/report", "--videos-root", f"{root}/footage")
    assert main(["evaluate", *words, *QUICK]) == 0
    report = open_store(f"{root}/report")
    assert json.loads(report.read("report.json"))["metrics"]["region_auc"]["value"] == 1.0
    assert report.read("report.html").count(b"data:image/png;base64,") == 1


@pytest.mark.parametrize(
    ("uri", "root", "expected"),
    [
        ("a/b.mp4", None, "/data/a/b.mp4"),
        ("/x/b.mp4", None, "/x/b.mp4"),
        ("s3://cam/b.mp4", "/videos", "s3://cam/b.mp4"),
        ("a/b.mp4", "/videos", "/videos/a/b.mp4"),
        ("a/b.mp4", "s3://cam/videos/", "s3://cam/videos/a/b.mp4"),
    ],
)
def test_uris_of_videos(uri: str, root: str | None, expected: str) -> None:
    """Relative to the manifest, or to --videos-root."""
    assert video_uri(uri, "/data/manifest.csv", root) == expected
