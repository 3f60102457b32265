"""Escaping of external names in messages."""

import pytest

from wsvad.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cam 7/caf\u00e9.mp4", "cam 7/caf\u00e9.mp4"),
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        ("caf\udce9", "caf\\xe9"),  # an invalid UTF-8 byte, as Python lists it
        ("\udcc3\udca9", "\u00e9"),  # UTF-8 bytes, listed in another locale
        ("half\ud83d", "half\\ud83d"),  # a surrogate that represents no byte
    ],
)
def test_unprintable_text_is_escaped(text, shown):
    """The result is one line, has no terminal escape sequences, and can be encoded."""
    assert printable(text) == shown
    printable(text).encode()
