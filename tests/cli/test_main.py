"""The command line itself: what is refused, and what each ending is to the shell."""

import subprocess
import sys

import pytest

from tests.extract.harness import REPO
from wsvad import __version__, errors
from wsvad.cli import extract, main
from wsvad.cli.main import VERBS, build_parser
from wsvad.cli.options import option_words, size_bytes
from wsvad.signals import Terminated


def _cli(*words):
    return subprocess.run(
        [sys.executable, "-m", "wsvad", *words], cwd=REPO, capture_output=True, text=True, check=False
    )


def test_help_and_version_are_quick_and_complete():
    """Every verb is named; nothing heavy is imported for it."""
    shown = _cli("--help")
    assert shown.returncode == 0
    assert all(verb in shown.stdout for verb in VERBS)
    assert _cli("--version").stdout.strip() == f"wsvad {__version__}"


@pytest.mark.parametrize(
    "words", [(), ("fly",), ("extract", "--colour"), ("extract", "--vid", "x"), ("extract", "--workers", "0")]
)
def test_unknown_verbs_and_options_exit_with_2(words, capsys):
    """Nothing is guessed: no abbreviations, no unknown words, no impossible numbers."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 2
    assert "usage: wsvad" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.ManifestError("x"), 2),
        (errors.WeightsError("x"), 2),
        (errors.VideoError("empty", "x"), 3),
        (errors.StoreUnavailable("x"), 4),
        (errors.ClusterError("x"), 4),
        (errors.ConflictError("x"), 5),
        (KeyboardInterrupt(), 130),
        (Terminated(), 143),
    ],
)
def test_every_ending_has_its_exit_code_and_one_line(raised, code, monkeypatch, capsys):
    """The exception tree and the exit codes of the README agree; a user's error is one line, no traceback."""

    def run(args):
        raise raised

    monkeypatch.setattr(extract, "run", run)
    assert main(["extract"]) == code
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_bugs_are_not_dressed_up(monkeypatch):
    """What is no error of the user's keeps its traceback."""

    def run(args):
        raise ZeroDivisionError

    monkeypatch.setattr(extract, "run", run)
    with pytest.raises(ZeroDivisionError):
        main(["extract"])


@pytest.mark.parametrize(("text", "size"), [("5", 5), ("2KiB", 2048), ("1.5GiB", 3 << 29)])
def test_sizes_may_have_units(text, size):
    """Bytes, or KiB, MiB, GiB."""
    assert size_bytes(text) == size


def test_option_file_becomes_words(tmp_path):
    """Keys with - or _, true and false switches, text and numbers."""
    parser = build_parser("extract")._subparsers._group_actions[0].choices["extract"]
    path = tmp_path / "o.toml"
    path.write_text('videos = "a b"\nclip_length = 8\ncuboids = false\njson = true\nverbose = false\n')
    assert option_words(str(path), parser) == ["--videos=a b", "--clip-length=8", "--no-cuboids", "--json"]
    for text, message in (("x = 1", "unknown key 'x'"), ("videos = []", "must be text"), ("a = ", "o.toml")):
        path.write_text(text)
        with pytest.raises(errors.UsageError, match=message):
            option_words(str(path), parser)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--workers", "many"), "must be a whole number, got 'many'"),
        (("--cpus-per-worker", "half"), "must be a number, got 'half'"),
        (("--gpus-per-worker", "-1"), "must be at least 0 and finite, got -1"),
        (("--memory-per-worker", "lots"), "must be a number, got 'lots'"),
    ],
)
def test_a_value_that_is_no_number_is_told_in_words(words, said, capsys):
    """Nothing of how the program parses shows in the message."""
    with pytest.raises(SystemExit):
        main(["extract", *words])
    assert f"argument {words[0]}: {said}" in capsys.readouterr().err


def test_help_names_defaults_where_there_are_any():
    """``(default: 5)`` helps; ``(default: None)`` and ``(default: False)`` are noise."""
    parser = next(a for a in build_parser("compare")._actions if a.choices).choices["compare"]
    shown = " ".join(parser.format_help().split())
    assert "runs of each (default: 5)" in shown
    assert not [noise for noise in ("None)", "False)", "[])", "default: )") if noise in shown]
