"""Formatting of help: plain text in two columns, suitable for logs, narrow terminals and any encoding."""

from __future__ import annotations

import io
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import ConsoleOptions

_INDENT = 26
"""Column in which descriptions begin."""
_NO_DEFAULTS = ("False", '""', "()")
"""Defaults that are not shown."""


class Formatter:
    """Writes usage, description and panels; see ``cyclopts.help.protocols.HelpFormatter``."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Write a heading and its entries."""
        if panel.entries:
            title = {"Arguments": "arguments", "Commands": "commands", "Parameters": "options"}.get(
                _plain(panel.title), _plain(panel.title)
            )
            heading = textwrap.fill(f"{title}:", max(console.width, 20))
            lines = [heading, *(line for entry in panel.entries for line in _lines(entry, console.width))]
            sys.stdout.write("\n".join(lines) + "\n\n")

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """Write the usage line."""
        sys.stdout.write(f"{_plain(usage)}\n\n")

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """Write the description of the command."""
        if text := _plain(description):
            sys.stdout.write(textwrap.fill(text, max(console.width, 20)) + "\n\n")


def _lines(entry: HelpEntry, width: int) -> list[str]:
    names = entry.positional_label or ", ".join(entry.display_labels_with_metavar)
    about = [_plain(entry.description)]
    if entry.choices:
        about.append(f"[{', '.join(entry.choices)}]")
    if entry.default is not None and entry.default not in _NO_DEFAULTS:
        about.append(f"(default: {entry.default})")
    indent = _INDENT if width > 2 * _INDENT else 6
    wrapped = textwrap.wrap(" ".join(filter(None, about)), max(width - indent, 20), break_on_hyphens=False)
    lines = textwrap.indent("\n".join(wrapped), " " * indent).split("\n")
    if len(names) + 4 > indent or not wrapped:
        named = textwrap.wrap(names, max(width - 2, 20), subsequent_indent="    ", break_on_hyphens=False)
        return [*(f"  {line}" for line in named), *lines[: len(wrapped)]]
    return [f"  {names:{indent - 2}}{lines[0][indent:]}", *lines[1:]]


def _plain(text: Any) -> str:
    if text is None or isinstance(text, str):
        return (text or "").strip()
    shown = io.StringIO()
    Console(file=shown, width=1 << 16, color_system=None).print(text)
    return " ".join(shown.getvalue().split())
