"""Standard output that cannot be written or encoded: the run ends as it should, and says what is lost."""

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
    """Run the command in bash, with ``CMD`` in the shell's words for it; return exit code, stdout and stderr."""
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
def test_output_that_cannot_be_written_is_told(where, reason, words):
    """A full disk, a closed descriptor: exit code 4, one line, no traceback."""
    code, _, said = _run(f"CMD {where}", *words)
    assert code == 4
    assert f"standard output could not be written ({reason})" in said
    assert "ended with exit code 0" in said
    assert len(said.splitlines()) == 1


def test_a_reader_that_goes_away_ends_it_as_it_ends_others(tmp_path):
    """``| head -1``: what a shell shows of ``SIGPIPE``, with a line that names what the run itself ended with."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    # nobody reads the pipe by the time that the command writes
    shell = f"CMD | (exec <&-; echo closed >{gate}); exit ${{PIPESTATUS[0]}}"
    with subprocess.Popen(["cat", str(gate)], stdout=subprocess.PIPE) as opened:
        code, _, said = _run(shell, *LIST)
    assert opened.stdout is not None
    assert code == 141
    assert "standard output could not be written (Broken pipe)" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("where", [">/dev/null 2>&-", "2>/dev/full >/dev/null", "<&- >/dev/null 2>&-"])
def test_a_log_that_cannot_be_written_changes_nothing(where):
    """What is lost are messages; nowhere is left to say so."""
    assert _run(f"CMD {where}", *LIST)[0] == 0
    assert _run(f"CMD {where}", "verify", "--out", "/nowhere/at/all")[0] == 2


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path):
    """Or what is printed would end in it."""
    code, _, said = _run("CMD >&-", "manifest", "ucsd-ped2", "--root", str(tmp_path), "--out", f"{tmp_path}/m.csv")
    assert code == 4
    assert "ended with exit code 2" in said
    assert not list(tmp_path.glob("*.csv"))


def test_characters_that_a_terminal_does_not_have_become_escapes(tmp_path):
    """Exit code 0, everything shown, and one line that says what helps."""
    folder = tmp_path / "łódź-日本"
    code, shown, said = _run("CMD", *LIST, "--to", str(folder), PYTHONIOENCODING="latin-1")
    assert code == 0
    assert r"\u0142ód\u017a-\u65e5\u672c" in shown
    assert "4 characters that iso8859-1 does not have are shown as escapes; set PYTHONIOENCODING=utf-8" in said
    assert _run("CMD", *LIST, "--to", str(folder), PYTHONIOENCODING="utf-8")[2] == ""


def test_streams_of_a_caller_stay_his(monkeypatch, capsys):
    """In a test, or in a program that calls ``main``, nothing is put in their place."""
    before = sys.stdout, sys.stderr
    seen = []
    from wsvad.cli import weights

    monkeypatch.setattr(weights, "run", lambda args: seen.append((sys.stdout, sys.stderr)) or 0)
    assert main(["weights", "list"]) == 0
    assert seen == [before]


def test_deep_json_is_refused_by_a_command(tmp_path: Path, capsys):
    """One line and an exit code of ours."""
    (tmp_path / "dataset.json").write_text("[" * 100_000)
    assert main(["evaluate", "--scores", str(tmp_path), "--manifest", "m.csv", "--out", str(tmp_path / "r")]) == 2
    manifest = tmp_path / "m.csv"
    manifest.write_text("uri,split,label\na.mp4,test,1\n")
    code = main(["evaluate", "--scores", str(tmp_path), "--manifest", str(manifest), "--out", str(tmp_path / "r")])
    assert code in {errors.EXIT_STORAGE, errors.EXIT_CONFLICT}
    assert "dataset.json is damaged" in capsys.readouterr().err
