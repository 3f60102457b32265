"""Digests of files: SHA-256 and git blob ids, with which public repositories identify their files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wsvad.errors import UsageError

_DIGEST = re.compile(r"(?:(git|sha256):)?([0-9a-f]{40}|[0-9a-f]{64})")
_KINDS: dict[int, Literal["git", "sha256"]] = {40: "git", 64: "sha256"}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Digest:
    """Expected digest of a file."""

    kind: Literal["git", "sha256"]
    """``git``: SHA-1 of ``blob <size>``, a zero byte and the content; ``sha256``: SHA-256 of the content."""
    hex: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.hex}"

    def matches_file(self, path: Path) -> bool:
        """Return True if a file has this digest.

        Raises:
            OSError: The file cannot be read.
        """
        return file_digest(path, self.kind) == self

    def matches_bytes(self, data: bytes) -> bool:
        """Return True if the data has this digest."""
        return bytes_digest(data, self.kind) == self


def parse_digest(text: str) -> Digest:
    """Parse ``sha256:<64 hex>``, ``git:<40 hex>``, or the hex digits alone.

    Raises:
        UsageError: None of these.
    """
    match = _DIGEST.fullmatch(text.strip().lower())
    kind = _KINDS[len(match[2])] if match else None
    if match is None or kind is None or match[1] not in (None, kind):
        raise UsageError(f"--digest must be sha256:<64 hex digits> or git:<40 hex digits>, got {text!r:.100}")
    return Digest(kind, match[2])


def file_digest(path: Path, kind: Literal["git", "sha256"]) -> Digest:
    """Return the digest of a file of any size.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        total = _new_hash(kind, path.stat().st_size)
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return Digest(kind, total.hexdigest())


def bytes_digest(data: bytes, kind: Literal["git", "sha256"]) -> Digest:
    """Return the digest of data."""
    total = _new_hash(kind, len(data))
    total.update(data)
    return Digest(kind, total.hexdigest())


def _new_hash(kind: Literal["git", "sha256"], size: int) -> hashlib._Hash:
    if kind == "sha256":
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
