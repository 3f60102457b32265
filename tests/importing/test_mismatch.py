"""Mismatched numbers of clips, unusable files, and test features of a single crop."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.importing.data import features, manifest, run_import, save, save_crops, save_text
from wsvad.cli import main
from wsvad.features.reading import FeatureSet
from wsvad.importing.lengths import MISMATCH_KIND
from wsvad.scores.reading import ScoreSet
from wsvad.storage import StoreOptions, open_store

DATA = Path(__file__).parents[1] / "data"
RTFM78 = DATA / "rtfm78"
"""One file with 120 clips for 1,588 frames and one that matches, 10 crops of 8 values; see README-wild-features.md."""
VADCLIP = DATA / "vadclip"
"""Two test videos published with crop 5 only, 512 values."""


def _rtfm78(capsys, out, *words):
    return run_import(capsys, str(RTFM78), out, "--manifest", str(RTFM78 / "m78.csv"), "--id-suffix", ".mp4", *words)


def test_mismatched_videos_are_rejected_with_the_likely_cause(capsys, caplog, tmp_path):
    """120 clips for 1,588 frames result from a copy at 30 instead of 25 frames per second; remedies are listed."""
    assert _rtfm78(capsys, tmp_path / "out")[0] == 2
    for words in (
        "Normal_Videos586_x264_i3d.npy: 120 clips, but the manifest's 1588 frames give 98 to 100 clips of 16 frames",
        "1 of 2 videos do not match the manifest. Likely cause: another frame rate",
        "30 instead of 25 frames per second",
        "the clips cover 1.21 times the length of the manifest's videos",
        "import the other 1 with --mismatch skip; import these unchanged, too, with --mismatch keep",
    ):
        assert words in caplog.text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("mismatch", "videos", "status", "clips", "frames"),
    [("skip", ["Normal_Videos001_x264.mp4"], "quarantined", 0, 1588),
     ("keep", ["Normal_Videos001_x264.mp4", "Normal_Videos586_x264.mp4"], "partial", 120, 1920)],
)  # fmt: skip
def test_mismatched_videos_are_skipped_or_kept(capsys, caplog, tmp_path, mismatch, videos, status, clips, frames):
    """They are reported by the summary, the data set and verify, and count as quarantined, also in a second run."""
    for number, more in enumerate((("--dry-run",), (), (), ("--max-quarantine", "1"))):
        code, summary = _rtfm78(capsys, tmp_path / "out", "--mismatch", mismatch, *more)
        assert (code, summary["exit_code"]) == ((0, 0) if "--max-quarantine" in more else (3, 3))
        assert (summary["videos"], summary["quarantined"]) == (len(videos), 1)
        assert (summary["mismatched_skipped"], summary["mismatched_kept"]) == (2 - len(videos), len(videos) - 1)
        (problem,) = summary["problems"]
        assert problem["video_id"] == "Normal_Videos586_x264.mp4"
        assert problem["outcome"] == {"skip": "skipped", "keep": "kept"}[mismatch]
        assert "120 clips, but the manifest's 1588 frames" in problem["message"]
        assert summary["units_to_do"] == (len(videos) if number < 2 else 0)
    assert "Likely cause: another frame rate" in caplog.text
    there = FeatureSet.open(str(tmp_path / "out"))
    assert list(there.video_ids) == videos
    row = there.videos["Normal_Videos586_x264.mp4"]
    assert (row["kind"], row["status"], row["clips"], row["expected_clips"]) == (MISMATCH_KIND, status, clips, 100)
    assert row["num_frames"] == frames
    if mismatch == "keep":
        read = there.load("Normal_Videos586_x264.mp4")
        array = np.load(RTFM78 / "Normal_Videos586_x264_i3d.npy")
        np.testing.assert_array_equal(read.pooled_TVD, array.astype(np.float16))
        assert (read.start_frame[-1], read.end_frame[-1], read.num_frames) == (1904, 1920, 1920)
    assert main(["verify", "--out", str(tmp_path / "out"), "--json"]) == 3
    (unaccounted,) = json.loads(capsys.readouterr().out)["unaccounted"]
    assert "Normal_Videos586_x264.mp4" in unaccounted
    assert "120 clips" in unaccounted
    words = ["--files", str(RTFM78), "--out", str(tmp_path / "out"), "--source", "made by a test"]
    words += ["--manifest", str(RTFM78 / "m78.csv"), "--id-suffix", ".mp4", "--mismatch", mismatch]
    assert main(["import-features", *words]) == 3
    printed = capsys.readouterr().out
    assert "Normal_Videos586_x264_i3d.npy" in printed
    assert "quarantined" in printed


def test_mismatch_modes_can_be_changed(capsys, tmp_path):
    """A skipped video replaces a kept one and vice versa; a corrected manifest resolves the mismatch."""
    for mismatch, clips in (("keep", 219), ("skip", 99), ("keep", 219)):
        code, summary = _rtfm78(capsys, tmp_path / "out", "--mismatch", mismatch)
        assert (code, summary["clips"]) == (3, clips)
        there = FeatureSet.open(str(tmp_path / "out"))
        assert sum(there.num_clips(i) for i in there.video_ids) == clips
    lengths = {"Normal_Videos586_x264.mp4": 1906, "Normal_Videos001_x264.mp4": 1588}
    listed = manifest(tmp_path / "m.csv", lengths)
    words = ("--manifest", listed, "--id-suffix", ".mp4")
    code, summary = run_import(capsys, str(RTFM78), tmp_path / "out", *words)
    assert (code, summary["clips"], summary["problems"]) == (0, 219, [])
    assert main(["verify", "--out", str(tmp_path / "out")]) == 0


def test_too_few_clips_are_kept_with_the_length_of_the_manifest(capsys, tmp_path):
    """They are the first clips of a longer video."""
    files = save(tmp_path / "in", {"a.npy": features(103, 1)[:, 0]})
    listed = manifest(tmp_path / "m.csv", {"a": 1700})
    assert run_import(capsys, files, tmp_path / "out", "--manifest", listed, "--mismatch", "keep")[0] == 3
    there = FeatureSet.open(str(tmp_path / "out"))
    read, row = there.load("a"), there.videos["a"]
    assert (read.num_frames, read.end_frame[-1], row["status"], row["expected_clips"]) == (1700, 1648, "partial", 107)


@pytest.mark.parametrize(
    ("videos", "cause"),
    [
        # As published (tianyu0207/RTFM#78): 30 instead of 25 frames per second.
        ({120: (120, 1588), 158: (158, 2100), 85: (85, 1130), 67: (67, 890)}, "30 instead of 25 frames"),
        ({1: (100, 2000), 2: (50, 800), 3: (75, 1200)}, "24 instead of 30 frames"),
        ({1: (199, 1600), 2: (50, 800), 3: (40, 640), 4: (10, 160)}, "60 instead of 30 frames"),
        # tianyu0207/RTFM#36: three of 106 clips are missing.
        ({1: (103, 1700), 2: (50, 800), 3: (40, 640)}, "truncated features, or features of a truncated video"),
        ({1: (199, 1600), 2: (99, 800), 3: (400, 3200)}, "--clip-length 8 --clip-stride 8"),
        ({1: (199, 1608), 2: (99, 808)}, "--clip-length 16 --clip-stride 8"),
        ({1: (200, 6400), 2: (399, 12800)}, "--clip-length 32 --clip-stride 32"),
        ({1: (32, 1600), 2: (32, 8000), 3: (32, 900)}, "resampled to a fixed number of segments, 32 per video"),
        ({1: (700, 1600), 2: (50, 800), 3: (40, 640)}, "longer version of the video, or a wrong num_frames"),
        ({1: (103, 1700), 2: (204, 3400), 3: (250, 1600)}, "Likely cause of 2 of 3: truncated"),
    ],
)  # fmt: skip
def test_likely_causes(capsys, caplog, tmp_path, videos, cause):
    """``videos`` are pairs of clips and frames; options are suggested only if most videos are mismatched."""
    files = save(tmp_path / "in", {f"v{n}.npy": np.ones((clips, 3), np.float32) for n, (clips, _) in videos.items()})
    listed = manifest(tmp_path / "m.csv", {f"v{n}": frames for n, (_, frames) in videos.items()})
    assert run_import(capsys, files, tmp_path / "out", "--manifest", listed)[0] == 2
    assert "Likely cause" in caplog.text
    assert cause in caplog.text


def test_an_import_without_clips_is_rejected(capsys, caplog, tmp_path):
    """A data set without clips is not a success."""
    files = save(tmp_path / "in", {"a.npy": features(5, 1)[:, 0]})
    listed = manifest(tmp_path / "m.csv", {"a": 4000})
    assert run_import(capsys, files, tmp_path / "out", "--manifest", listed, "--mismatch", "skip")[0] == 2
    assert "--mismatch skip leaves nothing to import" in caplog.text
    assert not (tmp_path / "out").exists()


def test_segments_of_unknown_length(capsys, caplog, tmp_path):
    """They can be skipped but not kept, because their frames are unknown."""
    for name in ("a", "b"):
        files = save_text(tmp_path / "in" / f"{name}.txt", features(32, 1)[:, 0])
    listed = manifest(tmp_path / "m.csv", {"a": 640, "b": None})
    words = ("--manifest", listed, "--mismatch")
    assert run_import(capsys, files, tmp_path / "out", *words, "keep")[0] == 2
    assert "b.txt: 32 segments need a manifest" in caplog.text
    assert "import the other 1 with --mismatch skip" in caplog.text
    assert "unchanged, too" not in caplog.text
    code, summary = run_import(capsys, files, tmp_path / "out", *words, "skip")
    assert (code, summary["videos"], summary["problems"][0]["video_id"]) == (3, 1, "b")
    assert FeatureSet.open(str(tmp_path / "out")).videos["b"]["num_frames"] is None


def test_object_storage_keys(capsys, tmp_path, s3_bucket, moto_server):
    """Keys with ``//`` are read; feature files with unusable names are reported and counted."""
    path = tmp_path / "a.npy"
    np.save(path, features(4))
    for key in ("in//cam8/a.npy", "in/cam8//b.npy", "in/x/../c.npy", "in/.tmp/d.npy", "in/notes.md", "in/x/./notes.md"):
        moto_server.client.put_object(Bucket=s3_bucket, Key=key, Body=path.read_bytes())
    words = ("--s3-endpoint-url", moto_server.url)
    code, summary = run_import(capsys, f"s3://{s3_bucket}/in", tmp_path / "out", *words)
    assert (code, summary["videos"], summary["quarantined"], summary["skipped"]) == (3, 2, 2, 4)
    named = {p["uri"].rpartition("/")[2] for p in summary["problems"]}
    assert named == {"c.npy", "d.npy"}
    assert run_import(capsys, f"s3://{s3_bucket}/in", tmp_path / "out", *words, "--max-quarantine", "2")[0] == 0
    assert FeatureSet.open(str(tmp_path / "out")).video_ids == ("a", "b")
    assert list(open_store(f"s3://{s3_bucket}/in/", StoreOptions(endpoint_url=moto_server.url)).list())


def _train_ten_crops(capsys, tmp_path):
    """Train a model on ten crops of generated training videos; return the checkpoint."""
    for number, name in enumerate(("Abuse001", "Abuse002", "Normal_Videos001", "Normal_Videos002")):
        values = features(6 + number, 10, 512, seed=number) + (name[0] == "A")
        save_crops(tmp_path / "train", f"{name}_x264", values.astype(np.float16))
    words = ("--manifest", str(VADCLIP / "mclip.csv"), "--id-suffix", ".mp4")
    code, summary = run_import(capsys, str(tmp_path / "train"), tmp_path / "f-train", *words)
    assert (code, summary["views"], summary["crops"]) == (0, 10, list(range(10)))
    steps = ["--steps", "4", "--pairs", "2", "--segments", "4", "--val-fraction", "0", "--model", "sultani", "--no-ray"]
    assert main(["train", "--features", str(tmp_path / "f-train"), "--manifest", str(VADCLIP / "mclip.csv"), *steps,
                 "--out", str(tmp_path / "run")]) == 0  # fmt: skip
    return str(tmp_path / "run/checkpoint")


def test_one_crop_is_scored_with_a_model_of_ten_crops(capsys, caplog, tmp_path):
    """Test features of crop 5 are imported, scored and evaluated; scores equal those of ten copies of the crop."""
    checkpoint = _train_ten_crops(capsys, tmp_path)
    words = ("--manifest", str(VADCLIP / "mclip.csv"), "--id-suffix", ".mp4")
    code, summary = run_import(capsys, str(VADCLIP / "clip_test"), tmp_path / "f-test", *words)
    assert (code, summary["videos"], summary["views"], summary["crops"]) == (0, 2, 1, [5])
    assert "only crop 5 of each video exists" in caplog.text
    for path in (VADCLIP / "clip_test").rglob("*__5.npy"):
        for crop in range(10):
            target = tmp_path / "copies" / path.name.replace("__5", f"__{crop}")
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
    assert run_import(capsys, str(tmp_path / "copies"), tmp_path / "f-copies", *words)[1]["views"] == 10
    for name in ("test", "copies"):
        assert main(["score", "--features", str(tmp_path / f"f-{name}"), "--checkpoint", checkpoint, "--no-ray",
                     "--out", str(tmp_path / f"s-{name}")]) == 0  # fmt: skip
    assert "views: there 10, here 1" in caplog.text
    one, ten = (ScoreSet.open(str(tmp_path / f"s-{name}")) for name in ("test", "copies"))
    assert one.video_ids == ("Abuse028_x264.mp4", "Normal_Videos_003_x264.mp4")
    for video_id in one.video_ids:
        np.testing.assert_allclose(one.load(video_id).score_T, ten.load(video_id).score_T, atol=1e-6)
    assert main(["evaluate", "--scores", str(tmp_path / "s-test"), "--manifest", str(VADCLIP / "mclip.csv"), "--out",
                 str(tmp_path / "report"), "--resamples", "0", "--no-frames"]) == 0  # fmt: skip
    # Other differences of the features stay a conflict.
    files = str(VADCLIP / "clip_test")
    assert main(["import-features", "--files", files, "--source", "another", "--out", str(tmp_path / "f-other")]) == 0
    assert main(["score", "--features", str(tmp_path / "f-other"), "--checkpoint", checkpoint, "--no-ray",
                 "--out", str(tmp_path / "s-other")]) == 5  # fmt: skip
    assert "weights: there 'imported:made by a test', here 'imported:another'" in caplog.text


def test_missing_crops_are_rejected(capsys, caplog, tmp_path):
    """One crop of some videos, ten of others: the message suggests separate imports, which succeed."""
    save_crops(tmp_path / "in", "whole", features(4))
    save(tmp_path / "in", {"test__5.npy": features(4)[:, 5], "other__5.npy": features(3)[:, 5]})
    assert run_import(capsys, str(tmp_path / "in"), tmp_path / "out")[0] == 2
    assert "no file of crop 0; expected crops 0 to 5" in caplog.text
    assert "2 of 3 videos have only one crop" in caplog.text
    for name, lengths, crops in (("train", {"whole": 64}, 10), ("test", {"test": 64, "other": 48}, 1)):
        words = ("--manifest", manifest(tmp_path / f"{name}.csv", lengths), "--allow-unmatched")
        code, summary = run_import(capsys, str(tmp_path / "in"), tmp_path / name, *words)
        assert (code, summary["views"]) == (0, crops)
        assert summary["unmatched_ids"]


def test_another_crop_is_other_content(capsys, caplog, tmp_path):
    """Files of two crops have the same size, and often the same time; content ids differ by the crop number."""
    values = features(4)
    for crop in (5, 3):
        save(tmp_path / str(crop), {f"v__{crop}.npy": values[:, crop]})
        os.utime(tmp_path / str(crop) / f"v__{crop}.npy", ns=(10**18, 10**18))
    assert run_import(capsys, str(tmp_path / "5"), tmp_path / "out")[0] == 0
    assert run_import(capsys, str(tmp_path / "3"), tmp_path / "out")[0] == 5
    read = FeatureSet.open(str(tmp_path / "out")).load("v").pooled_TVD
    np.testing.assert_array_equal(read[:, 0], values[:, 5].astype(np.float16))
