"""From video to scores, with the command and with the Inferencer. The network is a simple function of the pixels."""

import functools

import numpy as np
import pytest

from tests.extraction.harness import run_here
from tests.extraction.in_process import patch_all
from tests.extraction.videos import write_video
from tests.scoring.factories import make_checkpoint, write_checkpoint
from wsvad.backbones.weights import Weights, untrained_name
from wsvad.clips import ClipSpec
from wsvad.errors import ConflictError, UsageError, VideoError
from wsvad.features.config import FeatureConfig
from wsvad.pipelines import backbone
from wsvad.pipelines.backbone import backbone_of
from wsvad.pipelines.inferencer import Inferencer
from wsvad.scores.reading import ScoreSet
from wsvad.weights import resolve

FEATURES = FeatureConfig(untrained_name(0, "inception-compact"), clips=ClipSpec(4, 4), precision="fp32")


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    """Replace the network with the means of the pixels."""
    patch_all(monkeypatch)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Write two small videos, one with an incomplete last clip, and a file that is not a video."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", 17)
    write_video(folder / "b.mp4", 8)
    (folder / "broken.mp4").write_text("not a video")
    return folder


@pytest.fixture
def checkpoint(tmp_path):
    """Write a checkpoint of a cuboid model on features of the untrained network."""
    return write_checkpoint(tmp_path / "checkpoint", make_checkpoint("st_mil", 160, features=FEATURES))


@pytest.fixture
def run(capsys, tmp_path, videos, checkpoint):
    """Run ``wsvad score --videos``."""
    words = (
        "--videos",
        str(videos),
        "--checkpoint",
        checkpoint,
        "--out",
        str(tmp_path / "scores"),
        "--json",
        "--no-ray",
    )
    return functools.partial(run_here, capsys, "score", *words)


def test_videos_are_extracted_and_scored(run, videos, checkpoint, tmp_path):
    """Both steps resume; the Inferencer gives the same scores for one video."""
    code, summary = run()
    assert (code, summary["clips"], summary["extraction"]["videos_quarantined"]) == (3, 7, 1)
    assert summary["features"] == f"file://{tmp_path}/scores/features"
    scores = ScoreSet.open(str(tmp_path / "scores"))
    with Inferencer.load(checkpoint) as inferencer:
        for name in ("a.mp4", "b.mp4"):
            one, stored = inferencer.score_video(str(videos / name)), scores.load(name)
            assert one.video_id == name
            np.testing.assert_array_equal(one.score_T, stored.score_T)
            np.testing.assert_array_equal(one.cuboid_scores_TK, stored.cuboid_scores_TK)
            np.testing.assert_array_equal(one.end_s, stored.end_s)
            np.testing.assert_array_equal(one.frame_scores(), stored.frame_scores())
        assert inferencer.score_video(str(videos / "a.mp4")).frame_scores().shape == (17,)
        with pytest.raises(VideoError):
            inferencer.score_video(str(videos / "broken.mp4"))
        with pytest.raises(UsageError, match="expected one video, got 3"):
            inferencer.score_video(str(videos))
    code, summary = run("--max-quarantine", "1")
    assert (code, summary["units_to_do"], summary["extraction"]["units_to_do"]) == (0, 0, 0)


def test_dry_run_before_anything_is_extracted(run, tmp_path):
    """The summary is that of extraction; nothing is written."""
    code, summary = run("--dry-run", "--max-quarantine", "1")
    assert (code, summary["videos"], summary["dry_run"]) == (0, 3, True)
    assert not (tmp_path / "scores").exists()


def test_weights_must_be_those_of_the_checkpoint(run, tmp_path):
    """Another seed is a conflict; weights without a seed must be passed."""
    assert run("--weights", "random:1")[0] == 5
    public = FeatureConfig("sha256:" + "0" * 64, precision="fp32")
    other = write_checkpoint(tmp_path / "public", make_checkpoint("sultani", 56, features=public))
    with pytest.raises(UsageError, match="pass their file"):
        Inferencer.load(other)
    with pytest.raises(ConflictError, match="random:0"):
        Inferencer.load(other, weights="random:0")


def test_embedded_weights_are_found_by_their_digest(monkeypatch):
    """A checkpoint trained on embedded weights needs no option; other weights are rejected."""
    ours = Weights("i3d-compact", "sha256:" + "1" * 64, {}, "inception-compact")
    for module in (backbone, resolve):
        monkeypatch.setattr(module, "embedded_weights", lambda: ours)
    monkeypatch.setattr(backbone, "has_embedded_weights", lambda: True)
    for digest, found in ((ours.digest, True), ("sha256:" + "2" * 64, False)):
        features = FeatureConfig(digest, precision="fp32")
        checkpoint = make_checkpoint("sultani", 56, features=features)
        if found:
            assert backbone_of(checkpoint, None)[1].weights.loaded is ours
        else:
            with pytest.raises(UsageError, match="are not part of this package; pass their file with --weights"):
                backbone_of(checkpoint, None)


def test_both_networks_of_two_streams_are_checked():
    """Untrained networks are restored from their seeds; another flow network is a conflict."""
    features = FeatureConfig(untrained_name(1), "i3d-two-stream", flow_weights=untrained_name(2), flow="dis")
    checkpoint = make_checkpoint("sultani", 2048, features=features)
    pytest.importorskip("cv2")
    source = backbone_of(checkpoint, None)[1]
    assert (source.weights.seed, source.flow_weights.seed) == (1, 2)
    with pytest.raises(ConflictError, match="--flow-weights random:3"):
        backbone_of(checkpoint, None, flow_weights="random:3")
