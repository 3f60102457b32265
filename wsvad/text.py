"""Text of others, made safe to show."""

from __future__ import annotations

import contextlib


def printable(text: str) -> str:
    """Make a name safe for logs, JSON and terminals: undecodable bytes and control characters become escapes.

    So a key cannot forge a line of a log, or an escape sequence of a terminal.
    """
    if text.isascii() and text.isprintable():  # nearly all names, and an archive has many
        return text
    with contextlib.suppress(UnicodeEncodeError):  # a surrogate that stands for no byte is escaped below
        text = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
