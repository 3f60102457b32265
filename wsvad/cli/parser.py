"""argparse, with a guess at what somebody meant who mistyped."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from wsvad.suggest import did_you_mean


class Parser(argparse.ArgumentParser):
    """Names the choice that is closest to a wrong one."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            meant = did_you_mean(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{error.message}{meant}") from None


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Parse the words of a command line; of one that is not known, say which option of the verb is meant.

    Raises:
        SystemExit: as ``ArgumentParser.parse_args``.
    """
    args, left = parser.parse_known_args(words)
    if left:
        own: argparse.ArgumentParser = getattr(args, "parser", parser)
        known = [name for action in own._actions for name in action.option_strings]
        meant = (did_you_mean(word.partition("=")[0], known) for word in left if word.startswith("-"))
        own.error(f"unrecognized arguments: {' '.join(left)}{''.join(meant)}")
    return args
