"""Options of the command: their effect, and what is refused before any work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.extraction.harness import QUICK, REPO, pooled, run_here, visible
from tests.extraction.videos import write_video
from wsvad.cli import main

pytestmark = pytest.mark.usefixtures("in_process")


def test_long_video_in_many_units_gives_the_features_of_one_unit(videos, tmp_path, capsys):
    """Cutting a video into units changes only the objects."""
    out = tmp_path / "out"
    words = ("extract", "--videos", str(videos / "long.mp4"), "--out", str(out), *QUICK, "--unit-s", "1")
    code, summary = run_here(capsys, *words)
    assert (code, summary["units"], summary["clips"]) == (0, 3, 16)
    whole = tmp_path / "whole"
    run_here(capsys, "extract", "--videos", str(videos / "long.mp4"), "--out", str(whole), *QUICK)
    assert np.array_equal(pooled(out), pooled(whole))


@pytest.mark.parametrize(
    ("options", "rows", "clips"),
    [
        (("--geometry", "ten-crop", "--no-cuboids"), 50, 5),
        (("--geometry", "center"), 5, 5),
        (("--last-clip", "drop"), 4, 4),
        (("--clip-stride", "2"), 8, 8),
    ],
)
def test_options_that_change_the_rows(videos, tmp_path, capsys, options, rows, clips):
    """Every geometry and clip option reaches the table."""
    out = tmp_path / "out"
    words = ("extract", "--videos", str(videos / "short.mp4"), "--out", str(out), *QUICK, *options)
    code, summary = run_here(capsys, *words)
    assert (code, summary["rows"], summary["clips"]) == (0, rows, clips)
    table = pq.read_table(next((out / "units").rglob("*.parquet")))
    assert ("cuboids" in table.column_names) == ("--no-cuboids" not in options)
    assert run_here(capsys, "verify", "--out", str(out), "--json")[0] == 0


def test_dry_run_plans_and_writes_nothing(videos, tmp_path, capsys):
    """It reports the number of clips without writing a file."""
    out = tmp_path / "out"
    code, summary = run_here(capsys, "extract", "--videos", str(videos), "--out", str(out), *QUICK, "--dry-run")
    assert (code, summary["units_to_do"], summary["expected_clips"]) == (0, 5, 34)
    assert not out.exists() or not list(visible(out))


def test_dry_run_counts_videos_that_cannot_be_indexed_as_the_run_will(tmp_path, capsys):
    """Videos that a run would quarantine are not "incomplete, run again" in the plan."""
    write_video(tmp_path / "a.mp4", 4)
    (tmp_path / "text.mp4").write_text("no video")
    words = ("extract", "--videos", str(tmp_path), "--out", str(tmp_path / "out"), *QUICK, "--dry-run")
    code, summary = run_here(capsys, *words)
    assert (code, summary["quarantined"], summary["videos_incomplete"]) == (3, 1, 1)  # a.mp4 is to be done


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--videos", "nowhere-at-all"), "no video found"),
        (("--videos", "{videos}", "--unit-s", "9999"), "1 to 3600"),
        (("--videos", "{videos}", "--weights", "random:x"), "integer from 0"),
        (("--videos", "{videos}", "--weights", "{videos}/notes.txt"), "notes.txt"),
        (("--videos", "{videos}", "--workers", "99"), "the cluster can hold 2"),
        (("--videos", "{videos}", "--gpus-per-worker", "1"), "no node can hold one"),
        ((), "missing option: --videos"),
    ],
)
def test_wrong_options_are_usage_errors_before_any_work(videos, tmp_path, capsys, words, message):
    """Exit code 2, the error in the message, and no unit written."""
    words = [w.replace("{videos}", str(videos)) for w in words]
    capsys.readouterr()
    assert main(["extract", *QUICK, *words, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out/units/**/*.parquet"))


@pytest.mark.parametrize(
    "words",
    [
        ("--decoder-stall-s", "nan"),
        ("--decoder-stall-s", "inf"),
        ("--decoder-memory", "infGiB"),
        ("--memory-per-worker", "infGiB"),
        ("--memory-per-worker", "-1"),
        ("--cpus-per-worker", "nan"),
        ("--cpus-per-worker", "0.00001"),
        ("--gpus-per-worker", "nan"),
        ("--unit-s", "nan"),
        ("--clip-length", "99999999999"),
        ("--clip-stride", "99999999999999999999"),
        ("--queue-clips", "99999999999"),
        ("--out", ""),
        ("--videos", ""),
        ("--weights", ""),
        ("--s3-endpoint-url", "x"),
        ("--weights", "random:-1"),
    ],
)
def test_out_of_range_numbers_are_usage_errors(finished, tmp_path, capsys, words):
    """Exit code 2 before any work, for every option."""
    try:
        code, _ = run_here(
            capsys, "extract", "--videos", str(finished[0]), "--out", str(tmp_path / "out"), *QUICK, *words
        )
    except SystemExit as error:
        code = error.code
    assert code == 2


def test_refused_run_leaves_the_target_free_for_other_options(finished, tmp_path, capsys):
    """Exit code 2 means that nothing was done: the next run may use other clips."""
    words = ("extract", "--videos", str(finished[0]), "--out", str(tmp_path / "out"), *QUICK)
    assert run_here(capsys, *words, "--workers", "99")[0] == 2
    assert run_here(capsys, *words, "--clip-length", "8", "--dry-run")[0] == 0


def test_a_too_small_cluster_is_detected_before_indexing(finished, tmp_path, capsys):
    """Indexing a large archive takes hours; the resource requirements can be checked in a second."""
    words = ("extract", "--videos", str(finished[0]), "--out", str(tmp_path / "out"), *QUICK)
    assert run_here(capsys, *words, "--workers", "99")[0] == 2
    assert not list(tmp_path.glob("out/index/*/*"))


def test_option_file_is_read_and_unknown_keys_are_refused(videos, tmp_path, capsys):
    """The command line has precedence over the file; a misspelt key is an error."""
    good = tmp_path / "good.toml"
    good.write_text(f'videos = "{videos / "short.mp4"}"\nclip-length = 8\nclip_stride = 4\ncuboids = false\n')
    out = tmp_path / "out"
    code, summary = run_here(capsys, "extract", "--config", str(good), "--out", str(out), *QUICK, "--dry-run")
    assert (code, summary["expected_clips"]) == (0, 5)
    bad = tmp_path / "bad.toml"
    bad.write_text("clip_lenght = 8\n")
    assert run_here(capsys, "extract", "--config", str(bad), "--out", str(out))[0] == 2


def test_false_for_an_option_with_a_value_is_refused(finished, tmp_path, capsys):
    """``weights = false`` in an option file must not silently mean the untrained default."""
    (tmp_path / "c.toml").write_text("weights = false\n")
    words = ("--videos", str(finished[0]), "--out", str(tmp_path / "out"), "--config", str(tmp_path / "c.toml"))
    assert run_here(capsys, "extract", *words, *QUICK, "--dry-run")[0] == 2


@pytest.mark.parametrize("uri", ["ftp://host/x.mp4", "videos/", "s3://b/a//x.mp4"])
def test_an_invalid_uri_in_a_manifest_is_reported_with_its_row(tmp_path, capsys, uri):
    """One wrong line in a million must be found."""
    (tmp_path / "m.csv").write_text(f"uri\na.mp4\n{uri}\n")
    words = ("--videos", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out"))
    assert main(["extract", *words, *QUICK]) == 2
    assert "row 2" in capsys.readouterr().err


@pytest.mark.parametrize("out", [".", "in"])
def test_the_target_may_contain_the_videos(finished, tmp_path, capsys, out):
    """``--out`` above ``--videos``, or the same folder: the videos are found, the results are not listed."""
    shutil.copytree(finished[0], tmp_path / "in")
    words = ("extract", "--videos", str(tmp_path / "in"), "--out", str(tmp_path / out), *QUICK, "--dry-run")
    code, summary = run_here(capsys, *words)
    assert (code, summary.get("videos"), summary.get("skipped")) == (0, 2, 0)


def test_names_that_are_not_utf8_are_supported(tmp_path, capsys):
    """Folders and files with bytes that are not UTF-8, in the videos and in the target."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/in\xff"))
    folder.mkdir()
    write_video(tmp_path / "x.mp4", 4)
    shutil.move(tmp_path / "x.mp4", folder / os.fsdecode(b"caf\xe9.mp4"))
    (folder / os.fsdecode(b"\xe9.txt")).write_text("no video")
    (folder / os.fsdecode(b"bad\xe9.mp4")).write_text("no video")
    out = str(tmp_path / "out") + os.fsdecode(b"\xfe")
    words = ("--videos", str(folder), "--out", out)
    code, summary = run_here(capsys, "extract", *words, *QUICK)
    assert (code, summary["videos_complete"], summary["quarantined"]) == (3, 1, 1)
    assert main(["extract", *words, *QUICK[:-1]]) == 3
    assert main(["verify", *words]) == 3


def test_job_script_takes_the_same_options(capsys, monkeypatch):
    """``jobs/extract.py`` is the same command: its help is that of the verb."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ended:
        main(["extract", "--help"])
    assert ended.value.code == 0
    script = subprocess.run(
        [sys.executable, REPO / "jobs" / "extract.py", "--help"], capture_output=True, text=True, check=True
    )
    assert "--videos URI" in script.stdout
    assert script.stdout == capsys.readouterr().out
