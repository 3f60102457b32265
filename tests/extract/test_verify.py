"""``wsvad verify``: every clip once, all that is missing accounted for."""

import shutil

import pytest

from tests.extract.harness import QUICK, run_here
from tests.extract.videos import write_video

pytestmark = pytest.mark.usefixtures("in_process")


def test_verify_counts_listed_videos_that_cannot_be_reached(tmp_path, capsys):
    """``--videos``: a video of the manifest that was never extracted is missing, whatever the reason."""
    write_video(tmp_path / "a.mp4", 4)
    (tmp_path / "m.csv").write_text("uri\na.mp4\ngone.mp4\n")
    words = ("--videos", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out"))
    assert run_here(capsys, "extract", *words, *QUICK)[0] == 4
    code, report = run_here(capsys, "verify", *words, "--json")
    assert (code, report["videos_complete"], report["videos"]) == (4, 1, 2)


def test_verify_does_not_promise_to_publish_replaced_content(finished, tmp_path, capsys):
    """Units of content that is no more wait for nobody."""
    shutil.copytree(finished[0], tmp_path / "in")
    words = ("--videos", str(tmp_path / "in"), "--out", str(tmp_path / "out"))
    run_here(capsys, "extract", *words, *QUICK)
    write_video(tmp_path / "in" / "a.mp4", 5)
    run_here(capsys, "extract", *words, *QUICK)
    assert run_here(capsys, "verify", *words, "--json")[1]["unpublished"] == 0


def test_collecting_is_asked_for_on_the_command_line(dataset, capsys):
    """``--collect`` reports what it deleted; too short a grace is a usage error."""
    words = ("verify", "--out", str(dataset[0]), "--collect")
    code, report = run_here(capsys, *words, "--json")
    assert (code, report["collected"]) == (0, {"snapshots": 0, "objects": 0, "bytes": 0})
    assert run_here(capsys, *words, "--grace-hours", "1", "--json")[0] == 2
    assert run_here(capsys, "verify", "--out", str(dataset[0]), "--json")[1]["collected"] is None
