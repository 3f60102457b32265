"""No command line in a document, manifest, unit or snippet has rotted: our parser and Ray's take every one of them."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from collections import Counter

import pytest

from tests.cluster.commands import Command, everywhere, inner, of_ray, of_wsvad, parsed, simple_commands
from tests.cluster.manifests import CLUSTER, KUBERAY, OVERLAYS, ROOT

COMMANDS = [part for command in everywhere() for part in inner(command)]
OURS = [(command.where, words) for command in COMMANDS if (words := of_wsvad(command)) is not None]
RAY = [c for c in COMMANDS if c.words[0].rpartition("/")[2] == "ray"]


@pytest.mark.parametrize(("where", "words"), OURS, ids=[f"{where} {words[0]}" for where, words in OURS])
def test_our_parser_takes_it(where, words, capsys):
    """With its own option file where one is named."""
    answer = parsed(words, lambda: capsys.readouterr().err)
    assert not isinstance(answer, str), f"{where}: {answer}"
    assert answer.verb == words[0]


@pytest.mark.parametrize("command", RAY, ids=[f"{c.where} {' '.join(c.words[:3])}" for c in RAY])
def test_rays_command_line_takes_it(command):
    """Options and arguments; nothing is run."""
    assert of_ray(command.words[1:]) == "", command.where


def test_they_are_found_where_they_stand():
    """In every kind of place, and every verb that a manifest is for."""
    places = Counter(where.partition(":")[0] for where, _ in OURS)
    for place in ("README.md", "docs/nightly.md", "docs/weights.md", "cluster/README.md", *OVERLAYS):
        assert places[place] >= 1, place
    for place in ("wsvad-night.service", "wsvad-night", "wsvad_night.py"):
        assert places[place] == 1, place
    assert {words[0] for where, words in OURS if where.startswith("cpu:")} == {
        "extract", "train", "tune", "score", "evaluate", "rescore",
    }  # fmt: skip
    ray = Counter(command.where.partition(":")[0] for command in RAY)
    for place in ("cluster/README.md", "on-premises.yaml", "aws.yaml", "wsvad-ray-head.service", "wsvad_night.py"):
        assert ray[place] >= 1, place


@pytest.mark.parametrize(
    "line",
    [
        "wsvad rescore --archive a --root r --camera c",
        "exec python jobs/extract.py --videos a --output b",
        "ray job submit -- python jobs/nothing.py",
        "python again.py --on 4 -- wsvad fly",
    ],
)
def test_a_rotten_line_would_be_found(line, capsys):
    """A misspelled option or verb, wherever it hides in the line."""
    ours = [w for c in simple_commands(line, "here") for part in inner(c) if (w := of_wsvad(part)) is not None]
    (words,) = ours
    answer = parsed(words, lambda: capsys.readouterr().err)
    assert isinstance(answer, str)
    assert of_ray(("job", "submit", "--wait-for-it", "--", "true"))
    assert of_ray(("jobs", "list"))


def test_shell_lines_are_taken_apart():
    """Assignments, redirections, comments, several commands, and what runs in parentheses."""
    line = "A=1 ray status > /dev/null 2>&1 && (umask 077 && wsvad doctor >> log 2>> err) # not this"
    assert [c.words for c in simple_commands(line, "")] == [("ray", "status"), ("umask", "077"), ("wsvad", "doctor")]
    assert of_wsvad(Command("", ("/opt/wsvad/bin/wsvad", "score"))) == ("score",)
    assert of_wsvad(Command("", ("python", "jobs/import_features.py", "--out", "x"))) == (
        "import-features",
        "--out",
        "x",
    )


def test_again_and_start_night_take_their_words(monkeypatch, capsys):
    """By the parsers of the scripts themselves."""
    seen = Counter()
    for command in COMMANDS:
        script = next((word for word in command.words[:2] if word.endswith(".py")), "")
        if script.endswith(("again.py", "start_night.py")):
            path = CLUSTER / "again.py" if script.endswith("again.py") else KUBERAY / "base" / "start_night.py"
            words = command.words[command.words.index(script) + 1 :]
            module = runpy.run_path(str(path))
            run = {"run": lambda *_: 0, "start": lambda *_: "", "api": lambda: None}
            module["main"].__globals__.update(run)
            assert module["main"](list(words)) == 0, command.where
            seen[path.name] += 1
    assert seen["again.py"] >= 10
    assert seen["start_night.py"] >= 3


def test_files_that_commands_name_exist():
    """Scripts of the repository, manifests and folders below cluster/."""
    named = {
        word.rstrip("/")
        for command in COMMANDS
        for word in command.words
        if word.startswith(("cluster/", "jobs/")) and "…" not in word
    }
    assert len(named) > 8
    missing = [word for word in named if not (ROOT / word).exists()]
    assert missing == []
    modules = {c.words[2] for c in COMMANDS if c.words[:2] == ("python", "-m") and c.words[2].startswith("tests.")}
    assert modules >= {"tests.bench.bench_sizes", "tests.bench.bench_nights"}
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def test_what_is_taken_for_a_script_here_is_python(tmp_path):
    """Every script below cluster/ compiles, the one for Airflow as well, which is not installed here."""
    for path in CLUSTER.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")
    assert sys.version_info >= (3, 11)
