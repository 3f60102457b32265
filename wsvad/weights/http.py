"""One request for a file, from a byte on: what the server said, in our terms."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from wsvad import __version__
from wsvad.errors import AccessDenied, ObjectNotFound, StorageError, StoreUnavailable, UsageError

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True)
class Reply:
    """The beginning of an answer."""

    start: int
    """Which byte of the file comes first: the one asked for, or 0 where the server sends all of it."""
    total: int | None
    """Size of the whole file, bytes, where the server says so."""
    validator: str
    """Strong entity tag that proves a later answer to be of the same file; empty where there is none."""
    body: IO[bytes]


class RangeRefused(StorageError):
    """The file has no byte where the rest was asked for: what is here is whole, or of another file."""


def check_url(url: str) -> None:
    """Refuse what is no plain http(s) URL, without repeating what may be a password in it.

    Raises:
        UsageError: another scheme, no host, or a user name in it.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url
        secret = "@" in parts.netloc
    except ValueError:
        usable, secret = False, False
    if not usable or secret:
        raise UsageError("expected http(s)://host/path without a user name (not shown, it may hold a secret)")


def shown(url: str) -> str:
    """Return a URL without its query, which may hold a signature."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "…" if parts.query else "", ""))


@contextmanager
def requested(url: str, start: int, validator: str, timeout_s: float) -> Iterator[Reply]:
    """Ask for a file from byte ``start`` on; with a validator only if the file is still the same.

    Raises:
        ObjectNotFound: there is no such file.
        AccessDenied: the server refuses it.
        RangeRefused: the file ends before ``start``.
        StoreUnavailable: no answer, or one that says to try again.
        StorageError: any other answer.
    """
    headers = {"User-Agent": f"wsvad/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    with _translated(url):
        answer = _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout_s)
    with contextlib.closing(answer):
        yield _reply(url, start, answer)


def read(url: str, reply: Reply, size: int) -> bytes:
    """Return up to ``size`` more bytes of an answer; nothing at its end.

    Raises:
        StoreUnavailable: the connection broke.
    """
    with _translated(url):
        return reply.body.read(size)


def _opener() -> urllib.request.OpenerDirector:
    """What speaks http and https, and nothing else: a redirection to a local file has nowhere to go."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _reply(url: str, start: int, answer: http.client.HTTPResponse) -> Reply:
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise StorageError(f"{shown(url)}: the server sends it packed although it was asked not to")
    tag = answer.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else ""
    length = answer.headers.get("Content-Length", "")
    size = int(length) if length.isascii() and length.isdecimal() else None
    if answer.status != http.client.PARTIAL_CONTENT:
        return Reply(0, size, validator, answer)
    match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != start:
        raise RangeRefused(f"{shown(url)}: the server sends another part than it was asked for")
    total = int(match[3]) if match[3] != "*" else None if size is None else start + size
    return Reply(start, total, validator, answer)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            raise _of_status(url, error.code) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise StorageError(f"{shown(url)}: the server's certificate is not trusted ({error.reason})") from error
        raise StoreUnavailable(f"{shown(url)}: {_reason(error.reason)}") from error
    except (http.client.HTTPException, OSError) as error:
        raise StoreUnavailable(f"{shown(url)}: {_reason(error)}") from error


def _reason(error: object) -> str:
    if isinstance(error, socket.gaierror):
        return f"its host has no address here ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _of_status(url: str, status: int) -> StorageError:
    what = f"{shown(url)}: the server answers {status}"
    if status in (404, 410):
        return ObjectNotFound(f"{what}, there is no such file")
    if status in (401, 403, 407):
        return AccessDenied(f"{what}, it refuses to give it")
    if status == _RANGE_NOT_SATISFIABLE:
        return RangeRefused(f"{what}, the file ends earlier")
    return StoreUnavailable(f"{what}, try again") if status in _AGAIN else StorageError(what)
