"""Shell completion, and the reference page of options; both are generated from the declarations."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.options import PAGE, page
from wsvad.cli import main
from wsvad.cli.main import VERBS
from wsvad.cli.parser import arguments_of, declared


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the bash completion script."""
    path = tmp_path_factory.mktemp("completion") / "wsvad.bash"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as out:
        patch.setattr("sys.stdout", out)
        assert main(["completion", "bash"]) == 0
    return path


def completed(script: Path, *words: str) -> list[str]:
    """Return what bash offers to complete the last word."""
    code = """
    source "$1"; shift
    COMP_WORDS=(wsvad "$@"); COMP_CWORD=$#
    $(complete -p wsvad | sed 's/.*-F \\([^ ]*\\).*/\\1/')
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    command = ["bash", "--norc", "-c", code, "bash", str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("ex",), ["extract"]),
        (("",), list(VERBS)),
        (("extract", "--geometry", "t"), ["ten-crop"]),
        (("extract", "--last-clip", ""), ["pad", "drop"]),
        (("extract", "--no-"), ["--no-cuboids", "--no-ray"]),
        (("extract", "--json", "--videos", "x", "--weig"), ["--weights"]),
        (("train", "--model", "l"), ["ltgs"]),
        (("extract", "--ray", "--workers", "2", "--geom"), ["--geometry"]),
        (("manifest", "ucf"), ["ucf-crime", "ucf-crime-boxes", "ucfcrime2local"]),
        (("weights", "f"), ["fetch"]),
        (("score", "--s3-a"), ["--s3-anonymous", "--s3-attempts"]),
    ],
)
def test_bash_completes_commands_options_and_choices(script, words, offered):
    """As when the tab key is pressed."""
    assert sorted(completed(script, *words)) == sorted(offered)


@pytest.mark.parametrize("verb", VERBS)
def test_bash_offers_every_option_of_a_command(script, verb):
    """And no option of other commands; both forms of a switch are offered."""
    known = {name for option in declared(arguments_of(verb)).values() for name in option.names}
    assert set(completed(script, verb, "--")) - {"--help", "--version"} == known


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(shell, capsys, tmp_path):
    """If the shell is installed, it can parse the script."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert {"zsh": "#compdef wsvad", "fish": "complete -c wsvad"}[shell] in script
    assert all(verb in script for verb in VERBS)
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_options_page_is_current():
    """``python -m tests.options`` generates it."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_a_help_text(verb):
    """Every option is declared with a docstring."""
    silent = [argument.name for argument in arguments_of(verb) if not argument.parameter.help]
    assert not silent
