"""``wsvad verify``: every clip present once, all missing clips accounted for."""

import shutil

import numpy as np
import pytest

from tests.extraction.harness import QUICK, run_here
from tests.extraction.videos import write_video
from tests.features.factories import random_videos, write_features
from wsvad.cli import main

pytestmark = pytest.mark.usefixtures("in_process")


def test_verify_counts_unreachable_listed_videos(tmp_path, capsys):
    """``--videos``: a video of the manifest that was never extracted is missing, for any reason."""
    write_video(tmp_path / "a.mp4", 4)
    (tmp_path / "m.csv").write_text("uri\na.mp4\ngone.mp4\n")
    words = ("--videos", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out"))
    assert run_here(capsys, "extract", *words, *QUICK)[0] == 4
    code, report = run_here(capsys, "verify", *words, "--json")
    assert (code, report["videos_complete"], report["videos"]) == (4, 1, 2)


def test_verify_does_not_promise_to_publish_replaced_content(finished, tmp_path, capsys):
    """Units of replaced content are not reported as unpublished."""
    shutil.copytree(finished[0], tmp_path / "in")
    words = ("--videos", str(tmp_path / "in"), "--out", str(tmp_path / "out"))
    run_here(capsys, "extract", *words, *QUICK)
    write_video(tmp_path / "in" / "a.mp4", 5)
    run_here(capsys, "extract", *words, *QUICK)
    assert run_here(capsys, "verify", *words, "--json")[1]["unpublished"] == 0


def test_collect_is_an_option(dataset, capsys):
    """``--collect`` reports what it deleted; too short a grace period is a usage error."""
    words = ("verify", "--out", str(dataset[0]), "--collect")
    code, report = run_here(capsys, *words, "--json")
    assert (code, report["collected"]) == (0, {"snapshots": 0, "objects": 0, "bytes": 0})
    assert run_here(capsys, *words, "--grace-hours", "1", "--json")[0] == 2
    assert run_here(capsys, "verify", "--out", str(dataset[0]), "--json")[1]["collected"] is None


@pytest.mark.parametrize("which", ["pooled", "cuboids"])
def test_values_that_are_not_finite_are_detected_and_removed(which, tmp_path, capsys):
    """Values that training refuses are detected by verify, in pooled features and in cuboids."""
    pooled, cuboids = random_videos({"a.mp4": 2, "b.mp4": 3}, cuboid_shape=(49, 4))
    {"pooled": pooled, "cuboids": cuboids}[which]["b.mp4"][1].flat[-1] = np.inf
    uri = write_features(tmp_path / "features", pooled, cuboids)
    assert main(["verify", "--out", uri]) == 5
    assert "(b.mp4): values that are not finite" in capsys.readouterr().out
    assert main(["verify", "--out", uri, "--repair"]) == 4
    assert "1 damaged objects removed; run the command that made the data set again" in capsys.readouterr().out
