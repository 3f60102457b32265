"""Names of others in messages."""

import pytest

from wsvad.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cam 7/caf\u00e9.mp4", "cam 7/caf\u00e9.mp4"),
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        ("caf\udce9", "caf\\xe9"),  # a byte that is no UTF-8, as Python lists it
        ("\udcc3\udca9", "\u00e9"),  # bytes that are UTF-8, listed in a locale that is not
        ("half\ud83d", "half\\ud83d"),  # a surrogate that stands for no byte
    ],
)
def test_what_cannot_be_shown_is_escaped(text, shown):
    """One line, no escape sequence of a terminal, and encodable."""
    assert printable(text) == shown
    printable(text).encode()
