"""What every verb does with its summary: print it, and return its exit code."""

import sys
from typing import Protocol

from rich.console import Console

from wsvad.cli.options import Common


class Shown(Protocol):
    """A summary or a report of a verb."""

    @property
    def exit_code(self) -> int:
        """How the command ends."""
        ...

    def to_json(self) -> str:
        """Return the summary as a JSON object."""
        ...

    def show(self, console: Console) -> None:
        """Print the summary."""
        ...


def finish(summary: Shown, options: Common) -> int:
    """Print a summary to standard output, as JSON with ``--json``, and return its exit code."""
    if options.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return int(summary.exit_code)
