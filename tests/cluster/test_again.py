"""``cluster/again.py``: another try after the exit codes that are worth it, and after no others."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.cluster.manifests import CLUSTER

AGAIN = CLUSTER / "again.py"

COUNTING = """
import pathlib, sys
runs = pathlib.Path(sys.argv[1])
made = len(runs.read_text()) if runs.exists() else 0
runs.write_text("x" * (made + 1))
codes = [int(code) for code in sys.argv[2].split(",")]
sys.exit(codes[min(made, len(codes) - 1)])
"""


def _run(tmp_path, codes, *words):
    runs = tmp_path / "runs"
    command = [sys.executable, AGAIN, "--on", "4", *words, "--", sys.executable, "-c", COUNTING, str(runs), codes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, len(runs.read_text()) if runs.exists() else 0, done.stderr


@pytest.mark.parametrize(
    ("codes", "ended", "made"),
    [
        ("0", 0, 1),
        ("2", 2, 1),
        ("3", 3, 1),
        ("5", 5, 1),
        ("4,0", 0, 2),
        ("4,4,3", 3, 3),
        ("4", 4, 3),
    ],
)
def test_only_what_may_go_on_is_tried_again(tmp_path, codes, ended, made):
    """A store or cluster that failed, three runs at most; everything else ends at once, with its own code."""
    assert _run(tmp_path, codes, "--times", "3", "--wait-s", "0")[:2] == (ended, made)


def test_it_says_what_it_does(tmp_path):
    """The exit code and the number of runs, on standard error, where a log is."""
    assert "exit code 4; retry in 0 s (run 1 of 2)" in _run(tmp_path, "4", "--times", "2", "--wait-s", "0")[2]


@pytest.mark.parametrize("words", [("--times", "0"), ("--wait-s", "-1"), ("--times", "many")])
def test_impossible_words_are_refused(tmp_path, words):
    """With the exit code of a wrong option, and nothing is run."""
    assert _run(tmp_path, "0", *words)[:2] == (2, 0)


def test_a_command_that_a_signal_ended_counts_as_in_a_shell(tmp_path):
    """So that a killed run is never taken for a good one."""
    command = [sys.executable, AGAIN, "--on", "4", "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    assert subprocess.run(command, timeout=60, check=False).returncode == 137


@pytest.mark.parametrize("waiting", [False, True])
def test_a_request_to_end_is_passed_on_and_ends_it(tmp_path, waiting):
    """While the command runs, and while the next run is waited for."""
    begun = tmp_path / "begun"
    body = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); "
    body += "sys.exit(4)" if waiting else "time.sleep(60)"
    command = [sys.executable, AGAIN, "--on", "4", "--wait-s", "60", "--", sys.executable, "-c", body, str(begun)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    if waiting:
        assert process.stderr is not None
        assert "retry in 60 s" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == (4 if waiting else 143)
