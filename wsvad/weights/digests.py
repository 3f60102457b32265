"""Digests of files: SHA-256, and the id that git gives a file, which is how public repositories pin theirs."""

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
    """What a file must be."""

    kind: Literal["git", "sha256"]
    """``git``: SHA-1 of ``blob <size>`` and a zero byte, then the content; ``sha256``: of the content."""
    hex: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.hex}"

    def agrees(self, path: Path) -> bool:
        """Whether a file is the one meant.

        Raises:
            OSError: it cannot be read.
        """
        return file_digest(path, self.kind) == self

    def agrees_with(self, data: bytes) -> bool:
        """Whether these bytes are the ones meant."""
        return bytes_digest(data, self.kind) == self


def parse_digest(text: str) -> Digest:
    """Parse ``sha256:<64 hex>``, ``git:<40 hex>``, or the digits alone.

    Raises:
        UsageError: it is neither.
    """
    match = _DIGEST.fullmatch(text.strip().lower())
    kind = _KINDS[len(match[2])] if match else None
    if match is None or kind is None or match[1] not in (None, kind):
        raise UsageError(f"--digest takes sha256:<64 hex digits> or git:<40 hex digits>, got {text!r:.100}")
    return Digest(kind, match[2])


def file_digest(path: Path, kind: Literal["git", "sha256"]) -> Digest:
    """Digest a file of any size.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        total = _begin(kind, path.stat().st_size)
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return Digest(kind, total.hexdigest())


def bytes_digest(data: bytes, kind: Literal["git", "sha256"]) -> Digest:
    """Digest some bytes."""
    total = _begin(kind, len(data))
    total.update(data)
    return Digest(kind, total.hexdigest())


def _begin(kind: Literal["git", "sha256"], size: int) -> hashlib._Hash:
    if kind == "sha256":
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
