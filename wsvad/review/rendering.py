"""``index.html`` of a review: inline scripts and styles, allowed by their digests in the page's Content Security
Policy.

The page is one file. A page opened from disk cannot load modules, fetch data, or check digests of external scripts, but
it can run inline scripts whose SHA-256 the policy lists. So all parts are joined when the page is written, without a
build tool. Nothing else can run: names and notes are JSON in a block that browsers do not execute, and the page inserts
them only as text nodes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Literal

from wsvad.report.templates import environment

Mode = Literal["static", "served"]

SCRIPTS = (
    "vendor/htm-preact.js",
    "vendor/uplot.js",
    "base.js",
    "times.js",
    "data.js",
    "records.js",
    "state.js",
    "keep_static.js",
    "keep_served.js",
    "judge.js",
    "tables.js",
    "exchange.js",
    "icons.js",
    "ramp.js",
    "card.js",
    "list.js",
    "toolbar.js",
    "region.js",
    "banner.js",
    "strip.js",
    "player.js",
    "curve.js",
    "panel.js",
    "detail.js",
    "dialogs.js",
    "keys.js",
    "main.js",
)
"""Scripts in the order of execution: each can use definitions of the previous ones."""
STYLES = ("vendor/uplot.css", "colours.css", "style.css", "list.css", "detail.css", "narrow.css")
HEAVY = ("curve", "gaps", "heat", "neighbours", "truth")
"""Fields needed only for the view of a single event; they are left out of the first data block."""
PART = 64
"""Number of events per later data block. Opening an event parses its block, which must take only milliseconds."""


def render_page(document: Mapping[str, Any], mode: Mode) -> bytes:
    """Return the page as UTF-8; the digests in its policy are valid for exactly these bytes.

    ``static`` pages contain the whole ``document`` (format 1, ``docs/review.md``); ``served`` pages contain only its
    title and request the rest from ``api/review``. Raises ``ValueError`` for numbers that JSON cannot represent.
    """
    script, style = _joined(SCRIPTS, "\n;\n"), _joined(STYLES, "\n")
    page = (
        environment("wsvad.review")
        .get_template("page/index.html.j2")
        .render(
            title=document["title"],
            policy=_policy(script, style, mode),
            script=script,
            style=style,
            mode=mode,
            blocks=list(_blocks(document)) if mode == "static" else [],
        )
    )
    return page.encode("utf-8")


def _policy(script: str, style: str, mode: Mode) -> str:
    """Return the Content Security Policy: what the page can load and run."""
    rules = {
        "default-src": "'none'",
        "script-src": _digest(script),
        "style-src": _digest(style),
        "img-src": "'self' data: blob:",
        "media-src": "'self' blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    if mode == "served":
        rules["connect-src"] = "'self'"
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


@functools.cache
def _joined(names: Sequence[str], between: str) -> str:
    """Return the joined files, checked for text that would end the enclosing element."""
    folder = resources.files("wsvad.review").joinpath("page")
    text = between.join(folder.joinpath(name).read_text(encoding="utf-8").strip() for name in names)
    assert not any(word in text.lower() for word in ("</script", "</style", "<!--", "\r")), "the element would end here"
    return f"\n{text}\n"


def _blocks(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield ids and texts of the data blocks: first the list, then blocks of ``PART`` events with their details."""
    events = document["events"]
    light = [{key: value for key, value in event.items() if key not in HEAVY} for event in events]
    yield "review-data", _json({**document, "mode": "static", "events": light, "part": PART})
    for number, start in enumerate(range(0, len(events), PART)):
        chosen = [{key: event[key] for key in HEAVY if key in event} for event in events[start : start + PART]]
        yield f"review-part-{number}", _json(chosen)


def _json(value: object) -> str:
    """Encode as ASCII JSON, which preserves unpaired surrogates in file names, with markup characters escaped."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
