"""The review page as one HTML file: its document and its script inside, everything under a strict content policy."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from typing import Any, Literal

_SCRIPT = (
    'const shown=document.getElementById("review-data"),out=document.getElementById("app");'
    "const write=d=>{out.textContent=JSON.stringify(d,null,1)};"
    'if(shown)write(JSON.parse(shown.textContent));else fetch("api/review").then(r=>r.json()).then(write);'
)
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render_page(document: Mapping[str, Any], mode: Literal["static", "served"]) -> bytes:
    """Return the page as UTF-8; its bytes are what the hashes of its policy are of.

    Args:
        document: as ``wsvad.review.document`` makes it; of a served page only the title is used.
        mode: ``static`` has the document inside, ``served`` asks the server for it.

    Raises:
        ValueError: a number that is not finite.
    """
    text = json.dumps(document, allow_nan=False, ensure_ascii=False) if mode == "static" else ""
    for plain, escaped in _ESCAPES.items():
        text = text.replace(plain, escaped)
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; img-src 'self' data:; media-src 'self'"
    policy += "; connect-src 'self'" if mode == "served" else ""
    policy += "; base-uri 'none'; form-action 'none'"
    data = f'<script type="application/json" id="review-data">{text}</script>\n' if text else ""
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{html.escape(str(document['title']))}</title>\n</head>\n<body>\n"
        f'<pre id="app"></pre>\n{data}<script>{_SCRIPT}</script>\n</body>\n</html>\n'
    )
    return page.encode("utf-8", "backslashreplace")
