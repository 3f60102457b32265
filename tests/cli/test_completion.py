"""Shell completion, and the page of options: both made from what is declared."""

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
    """What bash is to read."""
    path = tmp_path_factory.mktemp("completion") / "wsvad.bash"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as out:
        patch.setattr("sys.stdout", out)
        assert main(["completion", "bash"]) == 0
    return path


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
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
def test_bash_completes_verbs_options_and_choices(script, words, offered):
    """As a person would press tab."""
    assert sorted(completed(script, *words)) == sorted(offered)


@pytest.mark.parametrize("verb", VERBS)
def test_bash_offers_every_option_of_a_verb(script, verb):
    """And those of no other verb; on and off of a switch count as two."""
    known = {name for option in declared(arguments_of(verb)).values() for name in option.names}
    assert set(completed(script, verb, "--")) - {"--help", "--version"} == known


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_of_theirs(shell, capsys, tmp_path):
    """Where the shell is on this machine, it reads it without complaint."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert {"zsh": "#compdef wsvad", "fish": "complete -c wsvad"}[shell] in script
    assert all(verb in script for verb in VERBS)
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_the_page_of_options_is_that_of_this_version():
    """``python -m tests.options`` makes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_does(verb):
    """No docstring, no option."""
    silent = [argument.name for argument in arguments_of(verb) if not argument.parameter.help]
    assert not silent
