"""``wsvad score`` in this process: compatibility, exactly-once semantics, resumption, failures. Ray: test_run.py."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.extraction.harness import run_here, stored, visible
from tests.features.factories import CONFIG, random_videos, write_features
from tests.scoring.conftest import GAPS, LENGTHS
from tests.scoring.factories import make_checkpoint, write_checkpoint
from wsvad.clips import ClipSpec
from wsvad.features.reading import FeatureSet
from wsvad.scores.reading import ScoreSet
from wsvad.scoring.scorer import Scorer
from wsvad.scoring.worker import VideoScorer
from wsvad.storage import StoreOptions, open_store

CLIPS = sum(LENGTHS.values())


@pytest.fixture
def st_mil(tmp_path):
    """Write a checkpoint of a cuboid model."""
    return write_checkpoint(tmp_path / "checkpoint", make_checkpoint("st_mil", 6))


@pytest.fixture
def run(capsys, tmp_path, features, st_mil):
    """Run ``wsvad score --no-ray --json``; keyword arguments replace the defaults."""

    def call(*more, **changed):
        options = {"features": features, "checkpoint": st_mil, "out": str(tmp_path / "scores")} | changed
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return run_here(capsys, "score", *words, "--no-ray", "--json", *more)

    return call


def test_scores_of_every_clip_are_published(run, features, st_mil, tmp_path):
    """Stored scores equal those of the scorer; a video without features keeps its row; a run record is written."""
    code, summary = run()
    assert (code, summary["videos"], summary["videos_scored"], summary["videos_without_features"]) == (0, 5, 4, 1)
    assert (summary["clips"], summary["expected_clips"], summary["units_done_now"]) == (CLIPS, CLIPS, 4)
    assert summary["model"] == "st_mil"
    assert summary["banner"]
    scores, loaded = ScoreSet.open(str(tmp_path / "scores")), FeatureSet.open(features)
    assert scores.training_ids == ("seen-1", "seen-2")
    assert scores.video_ids == ("gappy", "long", "one", "short")
    scorer = Scorer(make_checkpoint("st_mil", 6))
    for video_id in scores.video_ids:
        expected, got = scorer(loaded.load(video_id)), scores.load(video_id)
        np.testing.assert_array_equal(got.score_T, expected.score_T)
        np.testing.assert_array_equal(got.cuboid_scores_TK, expected.cuboid_scores_TK)
        assert (got.num_frames, got.width, got.height) == (expected.num_frames, 320, 240)
    assert scores.load("gappy").clip.tolist() == GAPS["gappy"]
    assert scores.videos["none"]["status"] == "quarantined"
    config = scores.config
    assert config["checkpoint"] == summary["checkpoint"]
    assert config["features"] == CONFIG.to_dict()
    (record,) = (tmp_path / "scores" / "runs").glob("*.json")
    saved = json.loads(record.read_text())
    assert saved["config"]["features_digest"] == loaded.snapshot_digest
    assert saved["versions"]["torch"]


def test_a_second_run_does_nothing(run, tmp_path):
    """No object is added or changed; another window, checkpoint, or kind of data set is a conflict."""
    assert run()[0] == 0
    before = {p: (tmp_path / "scores" / p).stat().st_mtime_ns for p in visible(tmp_path / "scores")}
    code, summary = run()
    assert (code, summary["units_to_do"], summary["clips"]) == (0, 0, CLIPS)
    assert run("--window", "100")[0] == 5
    other = write_checkpoint(tmp_path / "other", make_checkpoint("st_mil", 6, seed=1))
    assert run(checkpoint=other)[0] == 5
    assert {p: (tmp_path / "scores" / p).stat().st_mtime_ns for p in visible(tmp_path / "scores")} == before


def test_only_new_and_changed_videos_are_scored(run, tmp_path):
    """A video with new features and a new video are scored; the others are unchanged."""
    pooled, cuboids = random_videos({"a": 4, "b": 5}, cuboid_shape=(4, 6))
    uri = write_features(tmp_path / "growing", pooled, cuboids)
    assert run(features=uri)[1]["units_done_now"] == 2
    pooled, cuboids = random_videos({"b": 6, "c": 2}, cuboid_shape=(4, 6), seed=1)
    write_features(tmp_path / "growing", pooled, cuboids)
    code, summary = run(features=uri)
    assert (code, summary["units_done_before"], summary["units_done_now"], summary["clips"]) == (0, 1, 2, 12)
    scores = ScoreSet.open(str(tmp_path / "scores"))
    assert [len(scores.load(v).clip) for v in "abc"] == [4, 6, 2]


def test_a_killed_run_resumes_to_the_same_bytes(run, tmp_path, monkeypatch):
    """Stopped after two videos, with a truncated third object: the rest is scored once, with equal bytes."""
    assert run(out=tmp_path / "calm")[0] == 0
    real, made = VideoScorer.score, []

    def stopping(self, unit):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(unit.unit_id)
        return real(self, unit)

    monkeypatch.setattr(VideoScorer, "score", stopping)
    assert run()[0] == 130
    monkeypatch.setattr(VideoScorer, "score", real)
    left = sorted((tmp_path / "scores" / "units").rglob("*.parquet"))
    assert len(left) == 2
    left[0].write_bytes(left[0].read_bytes()[:-20])
    code, summary = run()
    assert (code, summary["units_done_before"], summary["units_done_now"]) == (0, 1, 3)
    assert stored(str(tmp_path / "scores")) == stored(str(tmp_path / "calm"))


def test_dry_run_writes_nothing(run, tmp_path):
    """It reports the planned work."""
    code, summary = run("--dry-run")
    assert (code, summary["units_to_do"], summary["snapshot"]) == (0, 4, None)
    assert not (tmp_path / "scores").exists()


def test_features_of_another_configuration_are_a_conflict(run, tmp_path, caplog):
    """The message lists the setting that differs; nothing is written."""
    other = replace(CONFIG, geometry="center")
    checkpoint = write_checkpoint(tmp_path / "c", make_checkpoint("st_mil", 6, features=other))
    assert run(checkpoint=checkpoint)[0] == 5
    assert "geometry: there 'center', here 'squash'" in caplog.text
    assert not (tmp_path / "scores").exists()


@pytest.mark.parametrize(
    ("trained", "scored", "code"),
    [
        ({"geometry": "ten-crop"}, {"geometry": "center"}, 0),
        ({"geometry": "center"}, {"geometry": "ten-crop"}, 0),
        ({"unit_s": 60.0}, {"unit_s": 600.0, "cuboids": False}, 0),
        ({"geometry": "ten-crop"}, {"geometry": "squash"}, 5),
        ({"geometry": "ten-crop"}, {"geometry": "center", "precision": "bf16"}, 5),
        ({"geometry": "ten-crop"}, {"geometry": "center", "clips": ClipSpec(16, 8)}, 5),
        ({"geometry": "ten-crop"}, {"geometry": "center", "weights": "random:1:test"}, 5),
    ],
)
def test_differences_of_crops_are_not_a_conflict(run, tmp_path, caplog, trained, scored, code):
    """Crops of a clip and the layout of rows may differ, but not settings that change the values of a clip."""
    trained, scored = replace(CONFIG, **trained), replace(CONFIG, **scored)
    checkpoint = write_checkpoint(tmp_path / "c", make_checkpoint("sultani", 8, features=trained))
    pooled, _ = random_videos({"a": 5}, views=scored.views)
    uri = write_features(tmp_path / "f", pooled, config=scored)
    assert run(features=uri, checkpoint=checkpoint)[0] == code
    if code:
        assert "so they are compatible" not in caplog.text
        assert ("geometry" in caplog.text) == (scored.geometry == "squash")
        return
    got = ScoreSet.open(str(tmp_path / "scores"))
    expected = Scorer(make_checkpoint("sultani", 8))(FeatureSet.open(uri).load("a"))
    np.testing.assert_array_equal(got.load("a").score_T, expected.score_T)
    assert got.config["features"] == scored.to_dict()


@pytest.mark.parametrize(
    ("model", "dim", "message"),
    [("st_mil", 6, "has no cuboids"), ("sultani", 9, "takes 9 values"), ("sultani", 8, "")],
)
def test_features_must_match_the_input_of_the_model(run, tmp_path, caplog, model, dim, message):
    """No cuboids, another width, and a matching model; checked before any work."""
    pooled, _ = random_videos({"a": 2})
    uri = write_features(tmp_path / "pooled", pooled)
    checkpoint = write_checkpoint(tmp_path / "c", make_checkpoint(model, dim))
    assert run(features=uri, checkpoint=checkpoint)[0] == (2 if message else 0)
    assert message in caplog.text


def test_videos_with_invalid_scores_are_quarantined(run, tmp_path):
    """Weights that overflow on one video: exit code 3 with its id; the other is scored; --max-quarantine allows it."""
    pooled, _ = random_videos({"wild": 2})
    uri = write_features(tmp_path / "mixed", {"tame": np.zeros((3, 1, 8)), **pooled})
    checkpoint = write_checkpoint(tmp_path / "c", make_checkpoint("sultani", 8, scale=1e38))
    code, summary = run(features=uri, checkpoint=checkpoint)
    assert (code, summary["videos_scored"], summary["quarantined"]) == (3, 1, 1)
    (problem,) = summary["problems"]
    assert (problem["video_id"], problem["kind"]) == ("wild", "scores_not_finite")
    scores = ScoreSet.open(str(tmp_path / "scores"))
    assert scores.video_ids == ("tame",)
    assert scores.videos["wild"]["status"] == "quarantined"
    assert run("--max-quarantine", "1", features=uri, checkpoint=checkpoint)[0] == 0


def test_missing_features_are_not_evidence_against_a_video(run, tmp_path, monkeypatch, caplog):
    """The others are scored, exit code 5 without retries; once restored, the next run completes."""
    pooled, cuboids = random_videos({"a": 4, "b": 5}, cuboid_shape=(4, 6))
    uri = write_features(tmp_path / "f", pooled, cuboids)
    key, store = FeatureSet.open(uri).units["b"][0].key, open_store(uri)
    data = store.read(key)
    real = VideoScorer.score
    monkeypatch.setattr(VideoScorer, "score", lambda self, unit: store.delete(key) or real(self, unit))
    code, summary = run(features=uri)
    monkeypatch.setattr(VideoScorer, "score", real)
    assert (code, summary["videos_scored"], summary["videos_incomplete"], summary["quarantined"]) == (5, 1, 1, 0)
    assert summary["units_damaged"] == 1
    assert "round 2" not in caplog.text
    store.create(key, data)
    code, summary = run(features=uri)
    assert (code, summary["units_done_before"], summary["units_done_now"]) == (0, 1, 1)


def test_verify_checks_and_repairs_scores(run, capsys, tmp_path):
    """A changed byte is detected, the object is removed by --repair, and scored again with the same bytes."""
    words = ("verify", "--out", str(tmp_path / "scores"), "--json")
    assert run()[0] == 0
    before = stored(str(tmp_path / "scores"))
    code, report = run_here(capsys, *words)
    assert (code, report["faults"], report["clips"], report["expected_clips"]) == (3, [], CLIPS, CLIPS + 1)
    assert [line.split(":")[0] for line in report["unaccounted"]] == ["none"]
    path = tmp_path / "scores" / min(before)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert run_here(capsys, *words)[0] == 5
    assert run_here(capsys, *words, "--repair")[1]["repaired"]
    assert run()[1]["units_done_now"] == 1
    assert stored(str(tmp_path / "scores")) == before


def test_an_altered_list_of_training_ids_is_a_conflict(run, tmp_path):
    """Leak checks depend on it."""
    assert run()[0] == 0
    (tmp_path / "scores" / "training_ids.json").write_text("[]")
    assert run()[0] == 5


@pytest.mark.parametrize("words", [("--workers", "2"), ("--address", "auto")])
def test_options_of_ray_are_rejected_without_ray(run, tmp_path, words):
    """Exit code 2: a single process has no workers and no cluster."""
    assert run(*words)[0] == 2
    assert not (tmp_path / "scores").exists()


@pytest.mark.parametrize(
    "words",
    [(), ("--features", "f", "--videos", "v"), ("--features", "f", "--weights", "w")],
)
def test_incompatible_options(capsys, words, st_mil):
    """Exit code 2 before anything is opened."""
    assert run_here(capsys, "score", "--checkpoint", st_mil, "--out", "o", *words)[0] == 2
    assert not Path("o").exists()


def test_from_bucket_to_bucket(run, capsys, tmp_path, features, st_mil, s3_bucket, moto_server):
    """s3:// for features, checkpoint and scores gives the same bytes as files."""
    assert run()[0] == 0
    options = StoreOptions(endpoint_url=moto_server.url)
    for name, uri in (("features", features), ("checkpoint", st_mil)):
        source, target = open_store(uri), open_store(f"s3://{s3_bucket}/{name}", options)
        for info in source.list():
            target.create(info.key, source.read(info.key))
    where = {name: f"s3://{s3_bucket}/{name}" for name in ("features", "checkpoint", "scores")}
    changed = {"features": where["features"], "checkpoint": where["checkpoint"], "out": where["scores"]}
    code, summary = run("--s3-endpoint-url", moto_server.url, **changed)
    assert (code, summary["clips"]) == (0, CLIPS)
    assert stored(where["scores"], options) == stored(str(tmp_path / "scores"))
    assert run("--s3-endpoint-url", moto_server.url, **changed)[1]["units_to_do"] == 0
