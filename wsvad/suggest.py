"""Suggest corrections of mistyped words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?``, to append to a message about an unknown word, or ``""`` without a close match.

    Ignores case and the difference between ``-`` and ``_``.
    """
    by_plain = {_plain(name): name for name in known}
    close = difflib.get_close_matches(_plain(word), by_plain, n=1, cutoff=0.6)
    return f"; did you mean {by_plain[close[0]]!r}?" if close else ""


def _plain(word: str) -> str:
    return word.lower().replace("_", "-")
