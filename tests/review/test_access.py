"""Token files, and byte ranges."""

from __future__ import annotations

import pytest

from wsvad.errors import UsageError
from wsvad.review.access import read_tokens
from wsvad.review.responses import byte_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=90-200", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=100-", (100, 100)),
        ("bytes=-0", (100, 100)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("bytes=٣-", None),
        ("items=0-1", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_byte_ranges(header, expected):
    """A single range according to RFC 9110; anything else returns the whole file."""
    assert byte_range(header, 100) == expected


def test_token_files(tmp_path):
    """Not readable by others, long enough, unique; no message contains a token."""
    path = tmp_path / "tokens"
    path.write_text(f"# of the morning shift\n{'a' * 40} Ann B\n\n{'b' * 40} bob\n")
    path.chmod(0o600)
    assert read_tokens(str(path)) == {"Ann B": "a" * 40, "bob": "b" * 40}
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        read_tokens(str(path))
    path.chmod(0o600)
    for text in ("", "short ann", f"{'s' * 40} ", f"{'s' * 40} a\n{'s' * 40} b", f"{'s' * 40} a\n{'t' * 40} a", "\xff"):
        path.write_text(text)
        with pytest.raises(UsageError) as caught:
            read_tokens(str(path))
        assert "sss" not in str(caught.value)
    with pytest.raises(UsageError):
        read_tokens(str(tmp_path / "absent"))
