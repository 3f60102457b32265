"""Results of checks, as data, as a table for people, and as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

import wsvad
from wsvad.errors import EXIT_OK, EXIT_USAGE

Status = Literal["ok", "warn", "fail"]
Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]

_STYLES: dict[Status, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True)
class Check:
    """Result of one check. Never contains credentials, only where they were found."""

    name: str
    """Name of the check, e.g. ``cpu`` or ``store``."""
    status: Status
    """``ok``; ``warn``: jobs work, but slower or less safely; ``fail``: jobs will not work."""
    summary: str
    """One line for people."""
    remedy: str = ""
    """Remedy for ``warn`` or ``fail``; empty for ``ok``."""
    data: Mapping[str, Value] = field(default_factory=dict)
    """The result as data; bytes and seconds, not rounded."""
    exit_code: int = EXIT_USAGE
    """Exit code for ``fail``: 2 if the machine must be changed, 4 if a retry may succeed."""


@dataclass(frozen=True)
class DoctorReport:
    """All checks, in the order in which they were made."""

    checks: tuple[Check, ...]

    @property
    def status(self) -> Status:
        """Worst status of all checks."""
        found = {check.status for check in self.checks}
        return "fail" if "fail" in found else "warn" if "warn" in found else "ok"

    @property
    def exit_code(self) -> int:
        """0 if no check failed, else the code of the first failed check."""
        return next((check.exit_code for check in self.checks if check.status == "fail"), EXIT_OK)

    def __getitem__(self, name: str) -> Check:
        """Return the check with this name.

        Raises:
            KeyError: there is no such check.
        """
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)


def to_json(report: DoctorReport) -> str:
    """Return the report as a JSON object: ``wsvad, status, exit_code, checks``."""
    checks = [
        {"name": c.name, "status": c.status, "summary": c.summary, "remedy": c.remedy, "data": dict(c.data)}
        for c in report.checks
    ]
    whole = {
        "wsvad": wsvad.__version__,
        "status": report.status,
        "exit_code": report.exit_code,
        "checks": checks,
    }
    return json.dumps(whole, indent=2)


def render(report: DoctorReport, *, color: bool = False, width: int = 110) -> str:
    """Return the report as a table and a closing line.

    Args:
        report: report of :func:`wsvad.doctor.run`.
        color: use ANSI colours, for a terminal.
        width: width in columns, at least 40.
    """
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for check in report.checks:
        found = Text(check.summary)
        if check.remedy:
            found.append(f"\n-> {check.remedy}", style="bold")
        table.add_row(Text(check.status, style=_STYLES[check.status]), Text(check.name), found)
    out = io.StringIO()
    console = Console(file=out, width=max(width, 40), force_terminal=color, no_color=not color, legacy_windows=False)
    console.print(table)
    console.print()
    console.print(Text(_verdict(report), style=_STYLES[report.status]))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _verdict(report: DoctorReport) -> str:
    counts = {status: sum(check.status == status for check in report.checks) for status in ("ok", "warn", "fail")}
    if report.status == "ok":
        return f"All {counts['ok']} checks passed."
    parts = [f"{counts['ok']} ok", f"{counts['warn']} with warnings", f"{counts['fail']} failed"]
    return ", ".join(parts) + "."
