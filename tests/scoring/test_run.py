"""Scoring on Ray."""

import os

import pytest

from tests.extraction.harness import run_here, stored
from tests.features.factories import random_videos, write_features
from tests.scoring.conftest import LENGTHS
from tests.scoring.factories import make_checkpoint, write_checkpoint
from wsvad.features.reading import FeatureSet
from wsvad.scores.reading import ScoreSet
from wsvad.scoring import job
from wsvad.scoring.worker import VideoScorer
from wsvad.work import packs
from wsvad.work.progress import ProgressView


@pytest.mark.usefixtures("ray_session")
def test_workers_give_the_same_bytes_as_one_process(features, tmp_path, capsys):
    """Two workers on Ray Data, then nothing left to do, then the same in this process: equal objects."""
    checkpoint = write_checkpoint(tmp_path / "checkpoint", make_checkpoint("st_mil", 6))
    words = ("score", "--features", features, "--checkpoint", checkpoint, "--json")
    code, summary = run_here(capsys, *words, "--out", str(tmp_path / "ray"))
    assert (code, summary["units_done_now"], summary["clips"]) == (0, 4, sum(LENGTHS.values()))
    assert run_here(capsys, *words, "--out", str(tmp_path / "ray"))[1]["units_to_do"] == 0
    assert run_here(capsys, *words, "--out", str(tmp_path / "here"), "--no-ray")[0] == 0
    assert stored(str(tmp_path / "ray")) == stored(str(tmp_path / "here"))
    assert run_here(capsys, *words, "--out", str(tmp_path / "more"), "--workers", "99")[0] == 2
    assert not (tmp_path / "more" / "dataset.json").exists()


class _Fatal(VideoScorer):
    """Kill the worker at one video, as the kernel does when memory is exhausted."""

    def __call__(self, row):
        if row["video_id"] == "v07":
            os._exit(1)
        return super().__call__(row)


@pytest.mark.usefixtures("ray_session")
def test_interrupted_packs_with_bad_videos_score_the_others_once(tmp_path, monkeypatch):
    """One video kills its worker, one has damaged features; the run is stopped after the first pack and repeated."""
    lengths = {f"v{n:02d}": 3 + n % 3 for n in range(40)}
    features = write_features(tmp_path / "features", random_videos(lengths)[0])
    damaged = FeatureSet.open(features).units["v05"][0].key
    path = tmp_path / "features" / damaged
    path.write_bytes(path.read_bytes()[:-9] + b"?" * 9)
    checkpoint = write_checkpoint(tmp_path / "checkpoint", make_checkpoint())
    options = job.ScoreOptions(features, checkpoint, str(tmp_path / "out"), use_ray=True)
    monkeypatch.setattr(job, "VideoScorer", _Fatal)
    monkeypatch.setattr(packs, "_PACKS_FOR_A_WORKER", 2)
    taking = ProgressView.add

    def stop(self, unit, receipt):
        taking(self, unit, receipt)
        raise KeyboardInterrupt

    monkeypatch.setattr(ProgressView, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        job.score(options)
    monkeypatch.setattr(ProgressView, "add", taking)
    summary = job.score(options)
    assert (summary.quarantined, summary.units_damaged, summary.videos_scored) == (1, 1, 38)
    assert summary.units_done_before > 0
    assert {(p["video_id"], p["kind"]) for p in summary.problems} == {("v05", "DamagedError"), ("v07", "worker_crash")}
    scores = ScoreSet.open(str(tmp_path / "out"))
    assert {i: scores.load(i).clip.tolist() for i in scores.video_ids} == {
        i: list(range(length)) for i, length in lengths.items() if i not in ("v05", "v07")
    }
    assert len(stored(str(tmp_path / "out"))) == 38
