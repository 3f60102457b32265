"""The command lines in documents, manifests, units and snippets; and what our own parser and Ray's say of each."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import yaml
from ray.scripts.scripts import cli as ray_cli

from tests.cluster.manifests import CLUSTER, KUBERAY, OVERLAYS, ROOT, every
from wsvad.cli.main import VERBS
from wsvad.cli.parser import Parsed, build, parse
from wsvad.errors import UsageError

_PROMPT = re.compile(r"^(?:\w+)?\$ (.*)$")
_ENDS = {";", "&&", "||", "|", "&", "(", ")", "do", "done", "then", "fi"}
_REDIRECTS = re.compile(r"^(?:\d?>{1,2}&?\d?|<)")
SETTINGS = KUBERAY / "base" / "settings"


class Command(NamedTuple):
    """One command with its words, and where it stands."""

    where: str
    words: tuple[str, ...]


def simple_commands(text: str, where: str) -> list[Command]:
    """Take a line of shell apart into its commands; comments, redirections and assignments before a command go."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    found, words = [], list[str]()
    skip = False
    for token in [*lexer, ";"]:
        if token in _ENDS or set(token) <= set(";&|()"):
            if words:
                found.append(Command(where, tuple(words)))
            words = []
        elif skip:
            skip = False
        elif _REDIRECTS.match(token):
            skip = bool(_REDIRECTS.fullmatch(token)) and not token.endswith(("&1", "&2"))
        elif not words and re.fullmatch(r"\w+=\S*", token):
            continue
        else:
            words.append(token)
    return found


def in_markdown(path: Path) -> Iterator[Command]:
    """Commands behind a prompt in fenced ``console`` blocks, continued lines joined, and lines of crontabs."""
    where = path.relative_to(ROOT)
    text = path.read_text(encoding="utf-8")
    for block in re.finditer(r"^```(console|text)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        start = text[: block.start()].count("\n") + 2
        lines = block[2].splitlines()
        number = 0
        while number < len(lines):
            at, line = f"{where}:{start + number}", lines[number]
            while line.endswith("\\") and number + 1 < len(lines):
                number += 1
                line = line[:-1] + " " + lines[number]
            number += 1
            if block[1] == "console" and (prompt := _PROMPT.match(line)):
                yield from simple_commands(prompt[1], at)
            elif block[1] == "text" and (cron := re.match(r"^(?:[\d*/,-]+ +){5}(.*)$", line)):
                yield from simple_commands(cron[1], at)


def in_manifests() -> Iterator[Command]:
    """Entry points of RayJobs and commands of containers, of every overlay."""
    for overlay in OVERLAYS:
        for job in every(overlay, "RayJob"):
            yield from simple_commands(job["spec"]["entrypoint"], f"{overlay}: RayJob/{job['metadata']['name']}")
        for job in every(overlay, "RayCronJob"):
            yield from simple_commands(job["spec"]["jobTemplate"]["entrypoint"], f"{overlay}: RayCronJob")
        for job in every(overlay, "CronJob"):
            (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
            yield Command(f"{overlay}: CronJob", (*container["command"], *container["args"]))


def in_launchers() -> Iterator[Command]:
    """Commands of ``ray up`` files, units of systemd, the crontab and the DAG."""
    for path in sorted((CLUSTER / "ray-up").glob("*.yaml")):
        config = yaml.safe_load(path.read_text())
        for key in ("head_start_ray_commands", "worker_start_ray_commands"):
            for line in config[key]:
                yield from simple_commands(line, f"{path.name}: {key}")
    for path in sorted((CLUSTER / "systemd").glob("*.service")):
        for line in re.findall(r"^Exec\w+=(.*)$", path.read_text(), re.MULTILINE):
            yield from simple_commands(line, path.name)
    for line in re.findall(r"^(?:[\d*]+ +){5}\w+ +(.*)$", (CLUSTER / "cron" / "wsvad-night").read_text(), re.MULTILINE):
        yield from simple_commands(line, "wsvad-night")
    for path in sorted((CLUSTER / "airflow").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "bash_command":
                yield from simple_commands(str(ast.literal_eval(node.value)), path.name)
    for path in (*(CLUSTER / "ray-up").glob("*.yaml"), CLUSTER / "Dockerfile"):
        for line in re.findall(r"^# {5}(.*)$", path.read_text(), re.MULTILINE):
            yield from simple_commands(line, f"{path.name}: comment")


def documents() -> list[Path]:
    """Files at the top, docs/ and cluster/."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted(CLUSTER.glob("*.md"))]


def everywhere() -> list[Command]:
    """All of them, each once."""
    found = [command for path in documents() for command in in_markdown(path)]
    found += [*in_manifests(), *in_launchers()]
    return list({(command.where, command.words): command for command in found}.values())


def inner(command: Command) -> Iterator[Command]:
    """The command, and those that it is to run: behind ``exec``, and behind the ``--`` of what runs another."""
    words = command.words
    while words and words[0] in ("exec", "nohup", "umask"):
        words = words[1:]
    if not words:
        return
    yield Command(command.where, words)
    if "--" in words:
        yield from inner(Command(command.where, words[words.index("--") + 1 :]))


def of_wsvad(command: Command) -> tuple[str, ...] | None:
    """The words that our parser gets: of ``wsvad``, ``python -m wsvad`` and ``python jobs/VERB.py``; else ``None``."""
    first, *rest = command.words
    if first.rpartition("/")[2] == "wsvad":
        return tuple(rest)
    if first.rpartition("/")[2] in ("python", "python3.11") and rest[:2] == ["-m", "wsvad"]:
        return tuple(rest[2:])
    if first.rpartition("/")[2] == "python" and rest and (job := re.fullmatch(r"jobs/(\w+)\.py", rest[0])):
        return (job[1].replace("_", "-"), *rest[1:])
    return None


def parsed(words: tuple[str, ...], said: Callable[[], str]) -> Parsed | str:
    """What our parser makes of words, or what it says.

    ``…so and so…`` stands for more words and is left out, as is an option file that is not one of ours.
    """
    rest = re.sub(r"(?<=\0)…[^…\0][^…]*…\0", "", "\0".join((*words, ""))).split("\0")[:-1]
    if "--config" in rest:
        at = rest.index("--config")
        ours = SETTINGS / Path(rest[at + 1]).name
        rest[at : at + 2] = (
            ["--config", str(ours)] if rest[at + 1] == f"/etc/wsvad/{ours.name}" and ours.exists() else []
        )
    try:
        return parse(build(VERBS, rest[:1]), rest)
    except (SystemExit, UsageError) as ended:
        return said() or str(ended)


def of_ray(words: tuple[str, ...]) -> str:
    """What Ray's own command line says of words behind ``ray``, without running them; nothing where they are right."""
    group, rest = ray_cli, list(words)
    while isinstance(group, click.Group):
        name = rest.pop(0)
        command = group.get_command(click.Context(group), name)
        if command is None:
            return f"no such command: {name}"
        group = command  # type: ignore[assignment]
    try:
        group.make_context("ray", rest)
    except click.ClickException as error:
        return error.format_message()
    return ""
