"""Templates of pages: every value is escaped, its control characters first, and a name that is missing is an error."""

from __future__ import annotations

import functools
from importlib import resources

import jinja2

from wsvad.text import printable


@functools.cache
def environment(package: str) -> jinja2.Environment:
    """Return what the templates of a package are rendered with; filters are the package's to add."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def style() -> str:
    """Return the style sheet that all pages share."""
    return resources.files("wsvad.report").joinpath("page.css").read_text(encoding="utf-8")


def _printable(value: object) -> object:
    """Control characters become escapes, except in what is markup of ours already."""
    return value if hasattr(value, "__html__") else printable(str(value))
