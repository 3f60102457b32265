"""The verbs of the command line as functions: ``wsvad.extract``, ``wsvad.train``, …

A function takes the options of its verb as keywords, with ``_`` for ``-``, and those that are always needed also by
position. Values go through the same checks as words on the command line, so both accept the same and mean the same.
What the command prints at its end, the function returns: a summary with ``exit_code``, ``to_json()`` and
``show(console)``. What makes the command exit with 2, 4 or 5 raises a ``wsvad.errors.WsvadError``.

``wsvad/__init__.pyi`` declares the functions for editors and type checkers; ``python -m tests.interface`` writes it.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cyclopts import Argument
from rich.console import Console

from wsvad.cli.file import is_list, is_switch
from wsvad.cli.main import VERBS, check_out
from wsvad.cli.parser import arguments_of, build, declared, module_of, parse_or_raise
from wsvad.errors import UsageError
from wsvad.suggest import did_you_mean

FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "extract": ("videos", "out"),
    "import_features": ("files", "out"),
    "train": ("features", "manifest", "model", "out"),
    "score": ("features", "checkpoint", "out"),
    "evaluate": ("scores", "manifest", "out"),
    "compare": ("features", "manifest", "out"),
    "ablate": ("features", "manifest", "out"),
    "tune": ("features", "manifest", "space", "out"),
    "rescore": ("archive", "root"),
    "promote": ("root",),
    "purge": ("root",),
    "verdicts": ("root",),
}
"""Every function, with the options that it also takes by position, in this order."""

_KEYWORDS = frozenset({"from", "import"})
"""Names of options that are keywords of Python; the functions append ``_``."""
_COMMAND_LINE_ONLY = frozenset({"--json"})


def function_of(name: str) -> Callable[..., Any]:
    """Return the function of a verb.

    Raises:
        KeyError: no verb with a function has this name.
    """
    positional = FUNCTIONS[name]
    verb = name.replace("_", "-")
    options = options_of(name)
    signature = inspect.Signature(
        [
            inspect.Parameter(
                key,
                inspect.Parameter.POSITIONAL_OR_KEYWORD if key in positional else inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=type_of(option),
            )
            for key, option in options.items()
        ]
    )

    def function(*args: Any, **kwargs: Any) -> Any:
        unknown = next((key for key in kwargs if key not in options), None)
        if unknown is not None:
            hint = did_you_mean(unknown, options)
            raise TypeError(f"wsvad.{name}() got an unexpected keyword argument {unknown!r}{hint}")
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"wsvad.{name}() {error}") from None
        given = {key: value for key, value in bound.arguments.items() if value is not None}
        words = [verb, *(word for key, value in given.items() for word in _words(options[key], value))]
        parsed = parse_or_raise(build(VERBS, [verb]), words)
        check_out(verb, parsed.options)
        return module_of(verb).perform(parsed.options, Console(stderr=True))

    function.__name__ = function.__qualname__ = name
    function.__module__ = "wsvad"
    function.__doc__ = describe(name, options)
    vars(function)["__signature__"] = signature
    return function


def options_of(name: str) -> dict[str, Argument]:
    """Return the options of a function by keyword, those that it takes by position first."""
    found = {
        _keyword(flag): option
        for flag, option in declared(arguments_of(name.replace("_", "-"))).items()
        if flag not in _COMMAND_LINE_ONLY
    }
    positional = FUNCTIONS[name]
    return {key: found[key] for key in (*positional, *(key for key in found if key not in positional))}


def type_of(option: Argument) -> str:
    """Return the annotation of an option's keyword; None always stands for its default."""
    choices = option.get_choices()
    if choices:
        return f"Literal[{', '.join(map(repr, choices))}] | None"
    if is_list(option):
        return "Sequence[str] | None"
    plain = str(getattr(option.hint, "__name__", option.hint)).replace(" | None", "")
    return f"{'str | PathLike[str]' if plain == 'str' else plain} | None"


def default_of(option: Argument) -> str:
    """Return the default of an option as help shows it; empty where there is nothing to show."""
    show, default = option.parameter.show_default, option.field_info.default
    if callable(show):
        return str(show(default))
    if isinstance(default, bool):
        return "on" if default else ""
    return "" if option.required or default in (None, "", ()) else str(default)


def describe(name: str, options: Mapping[str, Argument]) -> str:
    """Return the docstring of a function."""
    verb = name.replace("_", "-")
    lines = [VERBS[verb], "", f"The same as ``wsvad {verb}``. None stands for an option's default.", "", "Args:"]
    for key, option in options.items():
        default = default_of(option)
        about = " ".join((option.parameter.help or "").split())
        lines.append(f"    {key}: {about}" + (f" (default: {default})" if default else ""))
    return "\n".join(
        [
            *lines,
            "",
            "Returns:",
            "    The summary. Its ``exit_code`` is that of the command: 3 where data were left out.",
            "",
            "Raises:",
            "    UsageError: a value is wrong, or values do not go together.",
            "    WsvadError: the other errors of the command; ``exit_code`` is the command's.",
        ]
    )


def _keyword(flag: str) -> str:
    name = flag.removeprefix("--").replace("-", "_")
    return f"{name}_" if name in _KEYWORDS else name


def _words(option: Argument, value: Any) -> Iterator[str]:
    """Yield a value as words of the command line; ``NAME=VALUE`` in one word, so that no value looks like an option."""
    if is_switch(option):
        if not isinstance(value, bool):
            raise UsageError(f"argument {option.name}: expected True or False, got {value!r:.80}")
        yield option.name if value else next(iter(option.negatives), f"{option.name}=false")
        return
    several = isinstance(value, (list, tuple))
    if several and not is_list(option):
        raise UsageError(f"argument {option.name}: expected one value, got {value!r:.80}")
    for one in value if several else [value]:
        if isinstance(one, bool) or not isinstance(one, (str, int, float, os.PathLike)):
            raise UsageError(f"argument {option.name}: expected text, a path or a number, got {one!r:.80}")
        yield f"{option.name}={os.fspath(one) if isinstance(one, os.PathLike) else one}"
