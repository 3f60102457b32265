"""Write ``docs/options.md`` from the dataclasses that declare the options: ``python -m tests.options``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from cyclopts import Argument

from wsvad.cli.file import is_switch
from wsvad.cli.main import VERBS
from wsvad.cli.parser import ABOUT, arguments_of
from wsvad.interface import default_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "options.md"
_OF_ALL = ("--json", "--verbose", "--config")
_HEAD = f"""# Options

<!-- Made by `python -m tests.options` from the dataclasses in wsvad/; change those, and run it again. -->

{ABOUT}

`wsvad COMMAND` and `python jobs/COMMAND.py` take the same options; `wsvad COMMAND --help` shows them, too.

* `--option VALUE` and `--option=VALUE` are the same. Names are not abbreviated. Of an option that is given twice, the
  last value counts; those that may be repeated say so.
* `--config FILE` (all commands but `verify`, `doctor`, `demo` and `completion`) names a TOML file whose keys are these
  names without the dashes, with `-` or `_`, and whose values are text, numbers, `true` or `false`, or lists of text
  where an option may be repeated. The command line wins.
* Every command has `--json` (the end summary as JSON on standard output) and `--verbose` (more logging, Ray's own
  included).
* Sizes take `KiB`, `MiB` and `GiB`: `2GiB`.

## Completion

bash: `eval "$(wsvad completion bash)"` in `~/.bashrc`. zsh: `wsvad completion zsh > DIR/_wsvad`, where `DIR` is one of
`$fpath`, before `compinit`. fish: `wsvad completion fish > ~/.config/fish/completions/wsvad.fish`. The script knows
commands, options and choices of the version that printed it; print it again after an update.
"""


def page() -> str:
    """Return the page."""
    of_verb = {verb: _by_group(verb) for verb in VERBS}
    users: dict[tuple[str, str], list[str]] = defaultdict(list)
    for verb, groups in of_verb.items():
        for title, table in groups.items():
            users[title, table].append(verb)
    shared = {key: verbs for key, verbs in users.items() if len(verbs) > 1 and key[0] != "Parameters"}
    parts = [_HEAD]
    for verb, groups in of_verb.items():
        parts.append(f"## `wsvad {verb}`\n\n{VERBS[verb]}\n")
        parts += [
            ("" if title in ("Parameters", "Arguments") else f"{_first_up(title)}:\n\n") + table
            for title, table in groups.items()
            if (title, table) not in shared
        ]
        also = [_short(title) for title, table in groups.items() if (title, table) in shared]
        links = ", ".join("[{}](#{})".format(title, title.replace(" ", "-")) for title in also)
        parts += [f"Also: {links}.\n"] if also else []
    for (title, table), verbs in shared.items():
        names = ", ".join(f"`{verb}`" for verb in verbs)
        parts.append(f"## {_first_up(_short(title))}\n\n{_first_up(title)}. Of {names}.\n\n{table}")
    return "\n".join(parts)


def _by_group(verb: str) -> dict[str, str]:
    groups: dict[str, list[Argument]] = defaultdict(list)
    for argument in arguments_of(verb):
        if argument.name not in _OF_ALL:
            groups[argument.parameter.group[0].name].append(argument)
    return {title: _table(arguments) for title, arguments in groups.items()}


def _table(arguments: Iterable[Argument]) -> str:
    rows = ["| option | value | default | |", "| --- | --- | --- | --- |"]
    for argument in arguments:
        choices = argument.get_choices() or ()
        value = " ".join(f"`{choice}`" for choice in choices) or argument.parameter.metavar or "TEXT"
        if is_switch(argument) or not argument.name.startswith("--"):
            value = " ".join(f"`{choice}`" for choice in choices)
        names = ", ".join(f"`{name}`" for name in argument.names)
        told = " ".join((argument.parameter.help or "").split())
        rows.append("| " + " | ".join(_cell(text) for text in (names, value, _default(argument), told)) + " |")
    return "\n".join(rows) + "\n"


def _default(argument: Argument) -> str:
    shown = default_of(argument)
    plain = callable(argument.parameter.show_default) or isinstance(argument.field_info.default, bool)
    return shown if plain or not shown else f"`{shown}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _short(title: str) -> str:
    return title.partition(" (")[0]


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
