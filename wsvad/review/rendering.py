"""``index.html`` of a review: scripts and styles joined and named by their digest in the page's own policy.

The page is one file. A browser that opens it from a disk may load no module, fetch nothing and check no digest of an
external script, but runs inline scripts whose SHA-256 the policy lists. So everything is joined here, when the page
is written, and no build tool is needed. Nothing else may run: names and notes are data in a block that no browser
executes, and the page itself only ever makes text nodes of them.
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
"""In the order in which they run: each may use what the ones before it have defined."""
STYLES = ("vendor/uplot.css", "colours.css", "style.css", "list.css", "detail.css", "narrow.css")
HEAVY = ("curve", "gaps", "heat", "neighbours", "truth")
"""What only the view of one event needs; kept out of the part that is read before anything is shown."""
PART = 64
"""Events of one later block. Opening an event reads its block, so a block must take milliseconds."""


def render_page(document: Mapping[str, Any], mode: Mode) -> bytes:
    """Return the page as UTF-8; the digests in its policy hold for exactly these bytes.

    ``static`` holds the whole ``document`` (format 1, ``docs/review.md``); ``served`` holds its title alone and asks
    ``api/review`` of its origin for the rest. Raises ``ValueError`` for numbers that JSON does not have.
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
    """What the page may load and run; all that is not listed it may not."""
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
    """The files one after the other, checked for what would end the element that they stand in."""
    folder = resources.files("wsvad.review").joinpath("page")
    text = between.join(folder.joinpath(name).read_text(encoding="utf-8").strip() for name in names)
    assert not any(word in text.lower() for word in ("</script", "</style", "<!--", "\r")), "the element would end here"
    return f"\n{text}\n"


def _blocks(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Ids and texts of the blocks of data: the list first, then what single events show, in blocks of ``PART``."""
    events = document["events"]
    light = [{key: value for key, value in event.items() if key not in HEAVY} for event in events]
    yield "review-data", _json({**document, "mode": "static", "events": light, "part": PART})
    for number, start in enumerate(range(0, len(events), PART)):
        chosen = [{key: event[key] for key in HEAVY if key in event} for event in events[start : start + PART]]
        yield f"review-part-{number}", _json(chosen)


def _json(value: object) -> str:
    """ASCII alone, so that also half of a surrogate pair in a file's name survives; no character that markup has."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
