"""Answers of the server of a review page: strict headers, JSON, errors as messages, ranges of bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wsvad.documents import DocumentError, parse_object
from wsvad.errors import ConflictError, StorageError, WsvadError
from wsvad.review.access import Access

MOST_BYTES = 1 << 20
"""Of a request's body."""
PIECE = 1 << 20
"""Bytes of a picture in one answer to an open range."""
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
CLOSED = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class Refused(Exception):
    """A request that is not answered; the message is for the page."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Shell:
    """Around everything: no request under another name of the server, and strict headers on every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                more = {**_ALWAYS, "Content-Security-Policy": CLOSED}
                message["headers"] += [
                    (n.encode(), v.encode()) for n, v in more.items() if n.lower().encode() not in there
                ]
            await send(message)

        if not self._access.is_host(headers.get("host")):
            await refusal(421, "this server has another name")(scope, receive, sending)
            return
        await self._app(scope, receive, sending)


def refusal(status: int, message: str) -> Response:
    """Return an error as the page reads it."""
    more = {"Retry-After": "3"} if status == 503 else {}
    return json_answer({"error": message}, status, more)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON values. Raises ``ValueError`` for a number that is not finite."""
    data = json.dumps(value, allow_nan=False).encode()
    return Response(data, status, dict(headers or {}), "application/json")


def status_of(error: WsvadError) -> int:
    """Return the status of an answer that an error makes."""
    if isinstance(error, StorageError):
        return 503
    return 409 if isinstance(error, ConflictError) else 400


def attached(name: str) -> dict[str, str]:
    """Return the headers of a file that is to be saved."""
    return {"Content-Disposition": f'attachment; filename="wsvad-{name}"'}


async def json_body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request. Raises ``Refused``."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MOST_BYTES:
            raise Refused(413, f"a request has at most {MOST_BYTES} bytes")
    try:
        return parse_object(data)
    except DocumentError as error:
        raise Refused(400, f"expected a JSON object: {error}") from error


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the bytes ``[start, end)`` that a Range header asks for; empty where there are none.

    None: all of it is asked for, or something that this server does not do (RFC 9110 lets it answer with all).
    """
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header or "", re.ASCII)
    if not found or found[1] == found[2] == "":
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    start = int(found[1])
    if found[2] and int(found[2]) < start:
        return None
    end = min(size, int(found[2]) + 1 if found[2] else size)
    return (start, min(end, start + PIECE)) if start < size else (size, size)
