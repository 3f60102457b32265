"""Base class of run summaries: shown as a table, printed as JSON, and stored with the results."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from rich.console import Console
from rich.table import Table

from wsvad.dataset.sealed import seal
from wsvad.notebook import NotebookView


def print_lines(lines: Sequence[tuple[str, str]], console: Console) -> None:
    """Print names and texts in two columns. In a log or a pipe each is one line, however long, for grep and tail."""
    if not console.is_terminal:
        width = max((len(name) for name, _ in lines), default=0)
        for name, value in lines:
            console.print(f"{name:{width}} {value}", markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # a URI that does not fit is continued on the next line, not cut off
    for name, value in lines:
        table.add_row(name, value)
    console.print(table, markup=False)


class Summary(NotebookView):
    """Base class of the summaries, which are frozen dataclasses of JSON values with an ``exit_code``.

    If there is a field ``problems`` (rows of text), it is shown first, formatted with ``problem_line``. A ``banner``
    is shown last.
    """

    problem_line: ClassVar[str] = "{outcome}: {uri}: {kind}: {message}"

    exit_code: Any

    @abstractmethod
    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table, each a name and a text."""

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON values, with the exit code."""
        me: Any = self
        return {**asdict(me), "exit_code": int(self.exit_code)}

    def to_json(self) -> str:
        """Return the summary as a JSON object, with the exit code."""
        return json.dumps(self.to_dict(), indent=1)

    def show(self, console: Console) -> None:
        """Print the summary as a table, problems first."""
        problems: Sequence[Mapping[str, str]] = getattr(self, "problems", ())
        for problem in problems:
            text = self.problem_line.format(**problem)
            console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
        print_lines(self.lines(), console)
        if banner := getattr(self, "banner", ""):
            console.print(banner, style="bold yellow", markup=False, highlight=False, soft_wrap=True)

    def to_record(self, config: Mapping[str, Any], versions: Mapping[str, str]) -> bytes:
        """Return the record of a run: resolved configuration, package versions and this summary."""
        return seal({"config": dict(config), "versions": dict(versions), "summary": self.to_dict()})
