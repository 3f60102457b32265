"""Unwritable or unencodable standard output: the run ends normally and reports what is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.extraction.harness import REPO
from wsvad import errors
from wsvad.cli import main

LIST = ("weights", "list")


def _run(shell: str, *words: str, **environment: str) -> tuple[int, str, str]:
    """Run a shell command in which ``CMD`` stands for wsvad; return exit code, stdout and stderr."""
    env = {**os.environ, "CMD": " ".join([sys.executable, "-m", "wsvad", *words]), "PYTHONPATH": str(REPO)}
    done = subprocess.run(
        ["bash", "-c", shell.replace("CMD", "$CMD")],
        cwd=REPO, capture_output=True, check=False, env=env | environment,
    )  # fmt: skip
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


@pytest.mark.parametrize("words", [LIST, (*LIST, "--json"), ("--help",), ("weights", "--help")])
@pytest.mark.parametrize(
    ("where", "reason"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_unwritable_output_is_reported(where, reason, words):
    """A full disk, a closed descriptor: exit code 4, one line, no traceback."""
    code, _, stderr = _run(f"CMD {where}", *words)
    assert code == 4
    assert f"standard output could not be written ({reason})" in stderr
    assert "ended with exit code 0" in stderr
    assert len(stderr.splitlines()) == 1


def test_closed_pipe(tmp_path):
    """``| head -1``: the exit code of ``SIGPIPE``, and a line with the exit code of the run itself."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    # nobody reads the pipe when the command writes
    shell = f"CMD | (exec <&-; echo closed >{gate}); exit ${{PIPESTATUS[0]}}"
    with subprocess.Popen(["cat", str(gate)], stdout=subprocess.PIPE) as opened:
        code, _, stderr = _run(shell, *LIST)
    assert opened.stdout is not None
    assert code == 141
    assert "standard output could not be written (Broken pipe)" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("where", [">/dev/null 2>&-", "2>/dev/full >/dev/null", "<&- >/dev/null 2>&-"])
def test_unwritable_log_has_no_effect(where):
    """Only messages are lost, and they cannot be reported anywhere."""
    assert _run(f"CMD {where}", *LIST)[0] == 0
    assert _run(f"CMD {where}", "verify", "--out", "/nowhere/at/all")[0] == 2


def test_no_file_gets_a_closed_standard_descriptor(tmp_path):
    """Otherwise output would be written into the file."""
    code, _, stderr = _run("CMD >&-", "manifest", "ucsd-ped2", "--root", str(tmp_path), "--out", f"{tmp_path}/m.csv")
    assert code == 4
    assert "ended with exit code 2" in stderr
    assert not list(tmp_path.glob("*.csv"))


def test_unencodable_characters_become_escapes(tmp_path):
    """Exit code 0, complete output, and one line with a remedy."""
    folder = tmp_path / "łódź-日本"
    code, shown, stderr = _run("CMD", *LIST, "--to", str(folder), PYTHONIOENCODING="latin-1")
    assert code == 0
    assert r"\u0142ód\u017a-\u65e5\u672c" in shown
    assert "4 characters are not available in iso8859-1 and shown as escapes; set PYTHONIOENCODING=utf-8" in stderr
    assert _run("CMD", *LIST, "--to", str(folder), PYTHONIOENCODING="utf-8")[2] == ""


def test_streams_of_a_caller_are_kept(monkeypatch, capsys):
    """In a test, or in a program that calls ``main``, streams are not replaced."""
    before = sys.stdout, sys.stderr
    seen = []
    from wsvad.cli import weights

    monkeypatch.setattr(weights, "run", lambda args: seen.append((sys.stdout, sys.stderr)) or 0)
    assert main(["weights", "list"]) == 0
    assert seen == [before]


def test_deeply_nested_json(tmp_path: Path, capsys):
    """One line and a documented exit code."""
    (tmp_path / "dataset.json").write_text("[" * 100_000)
    assert main(["evaluate", "--scores", str(tmp_path), "--manifest", "m.csv", "--out", str(tmp_path / "r")]) == 2
    manifest = tmp_path / "m.csv"
    manifest.write_text("uri,split,label\na.mp4,test,1\n")
    code = main(["evaluate", "--scores", str(tmp_path), "--manifest", str(manifest), "--out", str(tmp_path / "r")])
    assert code in {errors.EXIT_STORAGE, errors.EXIT_CONFLICT}
    assert "dataset.json is damaged" in capsys.readouterr().err
