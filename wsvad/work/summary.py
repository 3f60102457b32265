"""How a run ended: for people as a table, for programs as JSON, and kept beside what it made."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from rich.console import Console
from rich.table import Table

from wsvad.dataset.sealed import seal


class Summary(ABC):
    """Base of the summaries, which are frozen dataclasses of JSON values with an ``exit_code``.

    Those with ``problems`` (rows of text) show them first, in the form of ``problem_line``; a ``banner`` comes last.
    """

    problem_line: ClassVar[str] = "{outcome}: {uri}: {kind}: {message}"

    exit_code: Any

    @abstractmethod
    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table: what, and what is to be said of it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON values, the exit code included."""
        me: Any = self
        return {**asdict(me), "exit_code": int(self.exit_code)}

    def to_json(self) -> str:
        """Return the summary as one JSON object, the exit code included."""
        return json.dumps(self.to_dict(), indent=1)

    def show(self, console: Console) -> None:
        """Print the summary as a table, problems first."""
        problems: Sequence[Mapping[str, str]] = getattr(self, "problems", ())
        for problem in problems:
            text = self.problem_line.format(**problem)
            console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
        table = Table(show_header=False, box=None, pad_edge=False)
        for name, value in self.lines():
            table.add_row(name, value)
        console.print(table, markup=False)
        if banner := getattr(self, "banner", ""):
            console.print(banner, style="bold yellow", markup=False, highlight=False, soft_wrap=True)

    def to_record(self, config: Mapping[str, Any], versions: Mapping[str, str]) -> bytes:
        """Return what is kept of a run: its resolved configuration, versions of software, and this summary."""
        return seal({"config": dict(config), "versions": dict(versions), "summary": self.to_dict()})
