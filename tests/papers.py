"""References of docs/papers.md: ``path:line text``, where exactly that line of the file has the text.

``python -m tests.papers`` updates the line numbers after code has moved.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "papers.md"
_REFERENCE = re.compile(r"`([\w./-]+\.(?:py|md)):(\d+) ([^`]+)`")


class Reference(NamedTuple):
    """A reference of the page to one line."""

    path: str
    line: int
    """From 1."""
    text: str
    """What is in the line."""


def references(page: str) -> list[Reference]:
    """Return all references of a page, in order."""
    return [Reference(path, int(line), text) for path, line, text in _REFERENCE.findall(page)]


def lines_with(path: str, text: str) -> list[int]:
    """Return the numbers of the lines of a file that contain the text; empty if there is no such file."""
    file = ROOT / path
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [number for number, line in enumerate(lines, 1) if text in line]


def renumbered(page: str) -> str:
    """Return the page with current line numbers; a text that is not in exactly one line keeps its number."""

    def anew(match: re.Match[str]) -> str:
        path, number, text = match.groups()
        found = lines_with(path, text)
        return f"`{path}:{found[0] if len(found) == 1 else number} {text}`"

    return _REFERENCE.sub(anew, page)


if __name__ == "__main__":
    PAGE.write_text(renumbered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
