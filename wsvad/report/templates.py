"""Jinja templates: values are escaped, including control characters, and undefined names are an error."""

from __future__ import annotations

import functools
from importlib import resources

import jinja2

from wsvad.text import printable


@functools.cache
def environment(package: str) -> jinja2.Environment:
    """Return the Jinja environment of a package's templates; packages may add filters."""
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
    """Return the style sheet shared by all pages."""
    return resources.files("wsvad.report").joinpath("page.css").read_text(encoding="utf-8")


def _printable(value: object) -> object:
    """Replace control characters with escapes, except in markup."""
    return value if hasattr(value, "__html__") else printable(str(value))
