"""What a check found, as data; and the two ways it is shown: a table for people, JSON for machines."""

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
    """The outcome of one check. It never holds a credential, only where one was found."""

    name: str
    """What was looked at, e.g. ``cpu`` or ``store``."""
    status: Status
    """``ok``; ``warn``: works, but slower or riskier than it could; ``fail``: jobs will not work."""
    summary: str
    """One line for people."""
    remedy: str = ""
    """What to do about a ``warn`` or ``fail``; empty when ``ok``."""
    data: Mapping[str, Value] = field(default_factory=dict)
    """The same for machines; bytes and seconds, unrounded."""
    exit_code: int = EXIT_USAGE
    """What a ``fail`` makes the exit code; 2 where the machine must change, 4 where trying again may do."""


@dataclass(frozen=True)
class DoctorReport:
    """Every check, in the order in which it was made."""

    checks: tuple[Check, ...]

    @property
    def status(self) -> Status:
        """The worst status of all checks."""
        found = {check.status for check in self.checks}
        return "fail" if "fail" in found else "warn" if "warn" in found else "ok"

    @property
    def exit_code(self) -> int:
        """0 unless a check failed; then the code of the first check that did."""
        return next((check.exit_code for check in self.checks if check.status == "fail"), EXIT_OK)

    def __getitem__(self, name: str) -> Check:
        """Return the check of that name.

        Raises:
            KeyError: no such check was made.
        """
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)


def to_json(report: DoctorReport) -> str:
    """Return the report as one JSON object: ``wsvad, status, exit_code, checks``."""
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
    """Return the report as a table and one closing line.

    Args:
        report: what :func:`wsvad.doctor.run` returned.
        color: with ANSI colours, for a terminal.
        width: columns to fill, at least 40.
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
    parts = [f"{counts['ok']} ok", f"{counts['warn']} to look at", f"{counts['fail']} failed"]
    return ", ".join(parts) + "."
