"""Parsing of the command line and the option file into a command's options, and error messages.

cyclopts reads the dataclasses, matches arguments with fields and converts them. This module adds one-line error
messages, and requires that options are spelled exactly as declared.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Annotated, Any, NoReturn, get_type_hints

from cyclopts import (
    App,
    Argument,
    ArgumentCollection,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    Parameter,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from wsvad import __version__
from wsvad.cli.file import add_file, is_switch
from wsvad.cli.help import Formatter
from wsvad.cli.options import Common
from wsvad.errors import EXIT_OK, EXIT_USAGE, UsageError
from wsvad.options import Word
from wsvad.suggest import did_you_mean
from wsvad.text import printable

ABOUT = "Find anomalies in surveillance video from video-level labels, at archive scale."

_DEFAULTS = Parameter(negative_iterable=(), allow_repeating=True)
"""Settings of all options: no ``--empty-`` options for lists, and the last of several values counts."""


@dataclass(frozen=True)
class Parsed:
    """A command and its options."""

    verb: str
    options: Common


def module_of(verb: str) -> Any:
    """Import and return the module of a command, with a dataclass ``Options`` and a function ``run(options)``."""
    return importlib.import_module(f"wsvad.cli.{verb.replace('-', '_')}")


def build(verbs: Mapping[str, str], filled: Iterable[str]) -> App:
    """Build the application; only options of the commands in ``filled`` are declared."""
    app = App(
        name="wsvad",
        help=ABOUT,
        help_format="plaintext",
        help_formatter=Formatter(),
        version=f"wsvad {__version__}",
        default_parameter=_DEFAULTS,
        usage="usage: wsvad [--help] [--version] COMMAND [options]",
    )
    for place, (verb, about) in enumerate(verbs.items()):
        own = App(name=verb, help=about, version_flags=(), sort_key=place, usage=f"usage: wsvad {verb} [options]")
        if verb in filled:
            declare(own, verb, module_of(verb).Options)
        app.command(own)
    return app


def declare(app: App, verb: str, options: type[Common]) -> None:
    """Declare the fields of a dataclass as options of a command."""

    reader, placed, untouched = _Reader(), _words_of(options), options()

    def command(*words: Any, options: Common = untouched) -> Parsed:
        values = dict(zip(placed, words, strict=False))
        return Parsed(verb, replace(options, given=reader.given, **values))

    own = inspect.Parameter(
        "options",
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[options, Parameter(name="*")],
        default=untouched,
    )
    vars(command)["__signature__"] = inspect.Signature([*placed.values(), own])
    command.__annotations__ = {name: parameter.annotation for name, parameter in (*placed.items(), ("options", own))}
    app.config = (reader,)
    app.default(command)


def _words_of(options: type[Common]) -> dict[str, inspect.Parameter]:
    """Return the positional arguments by field name."""
    found = {}
    for name, hint in get_type_hints(options, include_extras=True).items():
        for word in (mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Word)):
            found[name] = inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_ONLY,
                annotation=Annotated[hint.__origin__, Parameter(name=word.name, help=word.help)],
                default=inspect.Parameter.empty if word.required else getattr(options, name),
            )
    return found


class _Reader:
    """Checks matched arguments before conversion, and adds those of the option file."""

    def __init__(self) -> None:
        self.given: frozenset[str] = frozenset()

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        options = declared(arguments)
        for argument in arguments:
            for token in argument.tokens:
                if token.keyword and token.keyword not in argument.names:
                    raise UnknownOptionError(token=token, argument_collection=arguments)
        config = options.get("--config")
        if config is not None and config.tokens:
            add_file(config.tokens[-1].value, options)
        for argument in arguments:  # cyclopts would treat the text "none" as a missing value
            choices = argument.get_choices() or (("true", "false") if is_switch(argument) else None)
            for token in argument.tokens:
                if token.implicit_value is None or (choices and token.value and token.value not in choices):
                    raise CoercionError(token=token, argument=argument)
        self.given = frozenset(name[2:].replace("-", "_") for name, option in options.items() if option.tokens)


def declared(arguments: Iterable[Argument]) -> dict[str, Argument]:
    """Return the named options of a command, without positional arguments."""
    return {a.name: a for a in arguments if a.parse and a.show and a.name.startswith("--")}


def arguments_of(verb: str) -> list[Argument]:
    """Return the positional arguments and options of a command in the order of their declaration."""
    app = App(default_parameter=_DEFAULTS)
    declare(app, verb, module_of(verb).Options)
    return [
        argument
        for argument in app.assemble_argument_collection(parse_docstring=True)
        if argument.parse and argument.show
    ]


def command_of(verb: str, options: Common) -> list[str]:
    """Return the command line for these options, including those of an option file; defaults are omitted."""
    words = ["wsvad", verb]
    for name, option in declared(arguments_of(verb)).items():
        value: Any = reduce(getattr, option.keys, options)
        if value == option.field_info.default or name in ("--config", "--json", "--verbose"):
            continue
        if isinstance(value, bool):
            words.append(name if value else option.negatives[0])
        else:
            words += [name, str(value)]
    return words


def parse(app: App, words: Sequence[str]) -> Parsed:
    """Parse a command line.

    Raises:
        SystemExit: 0 after ``--help`` and ``--version``; 2 for an invalid command line, with a message.
        UsageError: the option file is invalid, or values are inconsistent.
    """
    if not words:
        _say("wsvad", f"a command is required: {', '.join(verb for verb in app if not verb.startswith('-'))}")
    try:
        return _parse(app, words)
    except CycloptsError as error:
        _refuse(error)


def parse_or_raise(app: App, words: Sequence[str]) -> Parsed:
    """Parse the words of a command line; where they are wrong, raise ``UsageError``."""
    try:
        return _parse(app, words)
    except CycloptsError as error:
        raise UsageError(_message(error)) from None


def _parse(app: App, words: Sequence[str]) -> Parsed:
    command, bound, _ = app.parse_args(list(words), exit_on_error=False, print_error=False)
    parsed: object = command(*bound.args, **bound.kwargs)
    if isinstance(parsed, Parsed):
        return parsed
    raise SystemExit(EXIT_OK)  # help or version was shown


def _refuse(error: CycloptsError) -> NoReturn:
    verb = " ".join(("wsvad", *(error.command_chain or ())))
    if isinstance(error, CoercionError) and error.token is not None and error.token.source != "cli":
        raise UsageError(f"--config {error.token.source}: {error.token.keyword!r} {_value(error)}") from None
    _say(verb, _message(error))


def _say(verb: str, message: str) -> NoReturn:
    kind = "COMMAND [options]" if verb == "wsvad" else "[options]"
    sys.stderr.write(f"usage: {verb} {kind} (see {verb} --help)\n{verb}: error: {message}\n")
    raise SystemExit(EXIT_USAGE) from None


def _message(error: CycloptsError) -> str:
    if isinstance(error, UnknownOptionError):
        known = [name for option in declared(error.argument_collection).values() for name in option.names]
        return _unknown(error.token.keyword or error.token.value, [*known, "--help"])
    if isinstance(error, UnknownCommandError):
        word = (error.unused_tokens or [""])[0]
        if word.startswith("-"):
            return _unknown(word, ["--help", "--version"])
        return f"unknown command: {printable(word)!r:.100}{did_you_mean(word, error.app or ())}"
    if isinstance(error, UnusedCliTokensError):
        return _unknown(" ".join(error.unused_tokens or ()), ())
    argument = error.argument
    name = "" if argument is None else argument.name
    if isinstance(error, MissingArgumentError):
        return f"argument {name}: expected a value" if name.startswith("--") else f"missing argument: {name}"
    if isinstance(error, CoercionError) and error.token is not None:
        return f"argument {error.token.keyword or name}: {_value(error)}"
    return printable(" ".join(str(error).split()))


def _unknown(word: str, known: Iterable[str]) -> str:
    return f"unrecognized arguments: {printable(word)}{did_you_mean(word.partition('=')[0], known)}"


def _value(error: CoercionError) -> str:
    value = "" if error.token is None else error.token.value
    choices = None if error.argument is None else error.argument.get_choices()
    if choices:
        known = ", ".join(map(repr, choices))
        return f"invalid choice: {printable(value)!r} (choose from {known}){did_you_mean(value, choices)}"
    if error.msg is not None:
        return printable(str(error.msg))
    return "must be true or false" + (f", got {printable(value)!r:.80}" if value else "")
