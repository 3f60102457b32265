"""Tables of results as Markdown, CSV and a single HTML file without scripts."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jinja2

from wsvad.report.templates import environment, style


class Column(NamedTuple):
    """A column of a table."""

    title: str
    meaning: str
    text: bool = False
    """Whether the cells are text rather than numbers."""


Table = tuple[Sequence[Column], Sequence[Sequence[str]]]
"""Columns, and rows with one text per column."""
Tables = Mapping[str, Table]
"""Tables by name, e.g. of the split."""


def as_markdown(title: str, tables: Tables, notes: Sequence[str]) -> str:
    """Return the tables, each with a heading, followed by the notes."""
    parts = [f"# {title}"]
    for name, (columns, lines) in tables.items():
        head = "| " + " | ".join(column.title for column in columns) + " |"
        body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        parts.append("\n".join([f"## {name}", "", head, "|---" * len(columns) + "|", *body]))
    return "\n\n".join([*parts, *notes]) + "\n"


def as_csv(tables: Tables) -> str:
    """Return all tables as one, with the name of the table in the first column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, (name, (columns, lines)) in enumerate(tables.items()):
        if not number:
            writer.writerow(["table", *(column.title for column in columns)])
        writer.writerows([name, *line] for line in lines)
    return text.getvalue()


def as_html(title: str, tables: Tables, notes: Sequence[str]) -> str:
    """Return a self-contained HTML file, for light and dark mode, screen and print."""
    return _environment().get_template("tables.html.j2").render(title=title, tables=tables, notes=notes, style=style())


@functools.cache
def _environment() -> jinja2.Environment:
    env = environment("wsvad.report")
    env.filters["zip"] = zip
    return env
