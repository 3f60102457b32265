"""Data of an earlier version opens, verifies, and can be continued."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.extraction.videos import write_video
from wsvad.checkpoint import load_checkpoint
from wsvad.cli import main
from wsvad.features.reading import FeatureSet
from wsvad.scores.reading import ScoreSet

ARCHIVE = Path(__file__).parent / "data" / "earlier-0.1.zip"
TRAINING = (
    *("--no-ray", "--steps", "2", "--pairs", "1", "--segments", "2", "--val-fraction", "0"),
    *("--eval-every", "1", "--save-every", "1", "--keep", "1"),
)


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive, unpacked, as the working directory."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["features", "scores-sultani", "scores-st_mil", "run-sultani", "run-st_mil"])
def test_it_verifies(earlier, name):
    """Every object, table, checkpoint and record is intact and readable."""
    assert main(["verify", "--out", name]) == 0


def test_features_are_read(earlier):
    """Shapes, frames and finite values of all four videos."""
    features = FeatureSet.open("features")
    assert features.video_ids == ("v0.mp4", "v1.mp4", "v2.mp4", "v3.mp4")
    for video_id in features.video_ids:
        loaded = features.load(video_id)
        assert loaded.end_frame.tolist() == [16, 32, 36]
        assert loaded.pooled_TVD.shape == (3, 1, features.pooled_dim)
        assert loaded.cuboids_TVKC is not None
        assert np.isfinite(loaded.cuboids_TVKC).all()


@pytest.mark.parametrize("model", ["sultani", "st_mil"])
def test_scores_of_its_checkpoints_are_the_same(earlier, model):
    """Scoring again agrees except for rounding; the existing scores data set is complete."""
    assert load_checkpoint(f"run-{model}/checkpoint").model_config.name == model
    words = ["score", "--features", "features", "--checkpoint", f"run-{model}/checkpoint", "--no-ray", "--out"]
    assert main([*words, "again"]) == 0
    before, again = ScoreSet.open(f"scores-{model}"), ScoreSet.open("again")
    for video_id in before.video_ids:
        np.testing.assert_allclose(again.load(video_id).score_T, before.load(video_id).score_T, atol=1e-5)
    snapshots = sorted(Path(f"scores-{model}/snapshots").iterdir())
    assert main([*words, f"scores-{model}"]) == 0
    assert sorted(Path(f"scores-{model}/snapshots").iterdir()) == snapshots
    assert main(["evaluate", "--scores", f"scores-{model}", "--manifest", "manifest.csv", "--out", "report"]) == 0
    assert json.loads(Path("report/report.json").read_text())["metrics"]["frame_auc"]["value"] is not None


def test_a_finished_training_is_finished(earlier, capsys):
    """The same command finds nothing to do."""
    words = ["train", "--features", "features", "--manifest", "manifest.csv", "--model", "sultani", *TRAINING]
    capsys.readouterr()
    assert main([*words, "--out", "run-sultani", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["nothing_to_do"]
    assert told["checkpoint"] == (earlier / "run-sultani/checkpoint").as_uri(), (
        "the current location, not the original one"
    )


def test_an_interrupted_training_resumes(earlier):
    """From its state of step 1, to the curve of an uninterrupted run."""
    words = ["train", "--features", "features", "--manifest", "manifest.csv", "--model", "sultani", *TRAINING]
    assert main([*words, "--out", "run-begun"]) == 0
    curves = [
        list(csv.reader(Path(run, "metrics.csv").read_text().splitlines())) for run in ("run-begun", "run-sultani")
    ]
    assert curves[0][0] == curves[1][0]
    for ours, theirs in zip(curves[0][1:], curves[1][1:], strict=True):
        assert [float(x or "nan") for x in ours] == pytest.approx(
            [float(x or "nan") for x in theirs], abs=1e-4, nan_ok=True
        )


def test_features_have_the_same_fingerprint(earlier, capsys):
    """Fingerprint, columns and configuration are unchanged; values may depend on the machine."""
    Path("videos").mkdir()
    for number in range(4):
        write_video(Path(f"videos/v{number}.mp4"), 36)
    precision = FeatureSet.open("features").config["precision"]
    assert main(["extract", "--videos", "videos", "--out", "now", "--no-ray", "--precision", precision]) == 0
    before, now = FeatureSet.open("features"), FeatureSet.open("now")
    assert now.fingerprint == before.fingerprint
    for video_id in before.video_ids:
        ours, theirs = now.load(video_id).pooled_TVD, before.load(video_id).pooled_TVD
        np.testing.assert_allclose(ours.astype(np.float32), theirs.astype(np.float32), atol=0.05)
