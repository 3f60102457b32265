"""HTTP responses of the review server: strict headers, JSON, error messages, byte ranges."""

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

MAX_BODY_BYTES = 1 << 20
"""Maximum size of a request body in bytes."""
MAX_RANGE_BYTES = 1 << 20
"""Maximum number of bytes in a response to an open-ended range."""
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
CLOSED_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class RequestRefused(Exception):
    """A refused request; the message is shown on the page."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SecurityHeaders:
    """ASGI middleware that refuses unknown host names and adds strict headers to every response."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                more = {**_ALWAYS, "Content-Security-Policy": CLOSED_POLICY}
                message["headers"] += [
                    (n.encode(), v.encode()) for n, v in more.items() if n.lower().encode() not in there
                ]
            await send(message)

        if not self._access.is_host(headers.get("host")):
            await error_response(421, "unknown host name of this server")(scope, receive, sending)
            return
        await self._app(scope, receive, sending)


def error_response(status: int, message: str) -> Response:
    """Return an error in the format that the page reads."""
    more = {"Retry-After": "3"} if status == 503 else {}
    return json_response({"error": message}, status, more)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response. Raises ``ValueError`` for numbers that are not finite."""
    data = json.dumps(value, allow_nan=False).encode()
    return Response(data, status, dict(headers or {}), "application/json")


def http_status(error: WsvadError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, StorageError):
        return 503
    return 409 if isinstance(error, ConflictError) else 400


def attachment_headers(name: str) -> dict[str, str]:
    """Return the headers of a file download."""
    return {"Content-Disposition": f'attachment; filename="wsvad-{name}"'}


async def json_body(request: Request) -> dict[str, Any]:
    """Return the JSON object in a request body. Raises ``RequestRefused``."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_BODY_BYTES:
            raise RequestRefused(413, f"a request body must have at most {MAX_BODY_BYTES} bytes")
    try:
        return parse_object(data)
    except DocumentError as error:
        raise RequestRefused(400, f"expected a JSON object: {error}") from error


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the bytes ``[start, end)`` requested by a Range header; empty if the range is not satisfiable.

    Return None if the whole file is requested or the range is not supported (RFC 9110 allows a full response then).
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
    return (start, min(end, start + MAX_RANGE_BYTES)) if start < size else (size, size)
