"""One request for a file, from a byte on: what the server said, in our terms."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.util import make_headers, parse_url

from wsvad import __version__
from wsvad.errors import AccessDenied, ObjectNotFound, StorageError, StoreUnavailable, UsageError

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_REDIRECTIONS = 10
_PROXIES = ("http_proxy", "https_proxy")


@dataclass(frozen=True)
class Reply:
    """The beginning of an answer."""

    start: int
    """Which byte of the file comes first: the one asked for, or 0 where the server sends all of it."""
    total: int | None
    """Size of the whole file, bytes, where the server says so."""
    validator: str
    """Strong entity tag that proves a later answer to be of the same file; empty where there is none."""
    body: urllib3.BaseHTTPResponse


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
    with ExitStack() as stack:
        yield _reply(url, start, _answer(url, headers, timeout_s, stack))


def read(url: str, reply: Reply, size: int) -> bytes:
    """Return up to ``size`` more bytes of an answer; nothing at its end.

    Raises:
        StoreUnavailable: the connection broke.
    """
    with _translated(url):
        return reply.body.read(size, decode_content=False)


def _answer(url: str, headers: dict[str, str], timeout_s: float, stack: ExitStack) -> urllib3.BaseHTTPResponse:
    """Return the first answer that leads nowhere else; the stack closes its connection.

    Redirections are followed here, since each may be to a host that has another proxy or none, and none may be to
    something that is not on the web.
    """
    at = url
    for _ in range(_MAX_REDIRECTIONS + 1):
        with _translated(url):
            pool = _pool(at)
            stack.callback(pool.clear)
            answer = pool.request(
                "GET",
                at,
                headers=headers,
                timeout=urllib3.Timeout(connect=timeout_s, read=timeout_s),
                retries=False,
                redirect=False,
                preload_content=False,
                enforce_content_length=False,  # what came before a connection broke is kept; its length is checked
            )
        stack.callback(answer.close)
        location = answer.get_redirect_location()
        if not location:
            if not 200 <= answer.status < 300:
                raise _of_status(url, answer.status)
            return answer
        try:
            at = urljoin(at, location).replace(" ", "%20")
            check_url(at)
        except (UsageError, ValueError) as error:
            raise StorageError(f"{shown(url)}: the server leads to what is no plain http(s) URL") from error
    raise StorageError(f"{shown(url)}: the server leads from one URL to another, {_MAX_REDIRECTIONS} times")


def _pool(url: str) -> urllib3.PoolManager:
    """What reaches a host: directly, or by the proxy that the usual environment variables name."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(parts.netloc):
        return urllib3.PoolManager(num_pools=1)
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    auth = parse_url(proxy).auth
    return urllib3.ProxyManager(
        proxy, num_pools=1, proxy_headers=make_headers(proxy_basic_auth=unquote(auth)) if auth else None
    )


def _reply(url: str, start: int, answer: urllib3.BaseHTTPResponse) -> Reply:
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise StorageError(f"{shown(url)}: the server sends it packed although it was asked not to")
    tag = answer.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else ""
    length = answer.headers.get("Content-Length", "")
    size = int(length) if length.isascii() and length.isdecimal() else None
    if answer.status != HTTPStatus.PARTIAL_CONTENT:
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
    except LocationValueError as error:  # its text may hold the password of a proxy
        raise StorageError(
            f"{shown(url)}: its host, or the proxy in the environment ({', '.join(_PROXIES)}), is no address that can "
            "be asked; a proxy is http(s)://host:port"
        ) from error
    except (HTTPError, OSError) as error:
        cause = _cause(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise StorageError(f"{shown(url)}: the server's certificate is not trusted ({cause})") from error
        raise StoreUnavailable(f"{shown(url)}: {_reason(cause)}") from error


def _cause(error: BaseException) -> BaseException:
    """Return what urllib3 wrapped: the error of the socket, of TLS or of the protocol."""
    while isinstance(error, HTTPError) and (inner := error.__cause__ or error.__context__):
        error = inner
    return error


def _reason(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return f"its host has no address here ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _of_status(url: str, status: int) -> StorageError:
    what = f"{shown(url)}: the server answers {status}"
    if status in (404, 410):
        return ObjectNotFound(f"{what}, there is no such file")
    if status in (401, 403, 407):
        return AccessDenied(f"{what}, it refuses to give it")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeRefused(f"{what}, the file ends earlier")
    return StoreUnavailable(f"{what}, try again") if status in _AGAIN else StorageError(what)
