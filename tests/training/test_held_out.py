"""Held-out videos are scored as by `wsvad score`, for any number of workers."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from tests.features.factories import random_videos, write_features
from tests.loop.groups import together
from wsvad.checkpoint import Checkpoint
from wsvad.errors import StorageError
from wsvad.features.reading import FeatureSet
from wsvad.loop.group import SingleWorker
from wsvad.models.registry import build_model, default_config
from wsvad.models.windows import WINDOWS
from wsvad.scoring.scorer import Scorer
from wsvad.training.held_out import HeldOut

CPU = torch.device("cpu")
LENGTHS = {"a": 3, "b": 17, "c": 1, "d": 8}


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> FeatureSet:
    """Four videos of two crops, some longer than the window of these tests."""
    pooled, cuboids = random_videos(LENGTHS, views=2, cuboid_shape=(4, 6))
    return FeatureSet.open(write_features(tmp_path_factory.mktemp("held"), pooled, cuboids))


@pytest.mark.parametrize(("model", "kind", "dim"), [("rtfm", "pooled", 8), ("st_ltgs", "cuboids", 6)])
def test_scores_are_those_of_the_scorer(features, monkeypatch, model, kind, dim):
    """Bit for bit, also for videos longer than a window, so that selection and report agree."""
    monkeypatch.setitem(WINDOWS, kind, 6)
    config = default_config(model, dim)
    network = build_model(config, seed=0)
    scorer = Scorer(Checkpoint(config, network.state_dict(), {}, "", (), {}))
    expected = np.concatenate([scorer(features.load(video_id)).score_T for video_id in LENGTHS])
    held = HeldOut(features, list(LENGTHS), kind, SingleWorker(), CPU)
    np.testing.assert_array_equal(held.scores(network).astype(np.float32), expected)
    assert network.training
    assert held.end_frame_N.tolist() == [16 * (clip + 1) for length in LENGTHS.values() for clip in range(length)]
    shared = together(3, lambda group: HeldOut(features, list(LENGTHS), kind, group, CPU).end_frame_N)
    assert all((one == held.end_frame_N).all() for one in shared)


def test_a_full_disk_raises(features, monkeypatch, tmp_path):
    """Free space is checked before anything is written."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage._replace(free=1 << 20))
    with pytest.raises(StorageError, match=r"1.0 MiB free.*TMPDIR"):
        HeldOut(features, list(LENGTHS), "pooled", SingleWorker(), CPU, tmp_path)


def test_processes_of_a_node_map_one_file(features, tmp_path):
    """It is built once; other processes, and other runs on the same features, reuse it."""
    first = HeldOut(features, list(LENGTHS), "cuboids", SingleWorker(), CPU, tmp_path)
    (file,) = tmp_path.glob("clips-*.npy")
    written = file.stat().st_ino
    again = HeldOut(features, list(LENGTHS), "cuboids", SingleWorker(), CPU, tmp_path)
    assert [path.stat().st_ino for path in tmp_path.glob("clips-*.npy")] == [written]
    assert (again.start_frame_N == first.start_frame_N).all()
    HeldOut(features, ["a"], "cuboids", SingleWorker(), CPU, tmp_path)
    assert len(list(tmp_path.glob("clips-*.npy"))) == 2
