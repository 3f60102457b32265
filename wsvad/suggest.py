"""What somebody may have meant who mistyped a word of a known few."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` to follow a message about a word that is not known, or nothing.

    Case, and ``-`` for ``_``, count for nothing.
    """
    by_plain = {_plain(name): name for name in known}
    close = difflib.get_close_matches(_plain(word), by_plain, n=1, cutoff=0.6)
    return f"; did you mean {by_plain[close[0]]!r}?" if close else ""


def _plain(word: str) -> str:
    return word.lower().replace("_", "-")
