"""Make text from external sources safe to print."""

from __future__ import annotations

import contextlib


def printable(text: str) -> str:
    """Escape undecodable bytes and control characters, so that a name is safe in logs, JSON and terminals.

    Otherwise an object key could forge log lines or contain terminal escape sequences.
    """
    if text.isascii() and text.isprintable():  # fast path for nearly all names
        return text
    with contextlib.suppress(UnicodeEncodeError):  # surrogates that represent no byte are escaped below
        text = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
