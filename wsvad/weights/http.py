"""HTTP range requests for a file, with responses translated to the errors of this package."""

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
    """Start of a response."""

    start: int
    """Offset of the first byte: the requested one, or 0 if the server sends the whole file."""
    total: int | None
    """Size of the whole file in bytes, if the server states it."""
    validator: str
    """Strong entity tag, with which a later request can require the same file; empty if there is none."""
    body: urllib3.BaseHTTPResponse


class RangeRefused(StorageError):
    """The file ends before the requested offset: the partial file is complete, or belongs to another file."""


def check_url(url: str) -> None:
    """Check that a URL is a plain http(s) URL. The error does not repeat it, since it may contain a password.

    Raises:
        UsageError: Another scheme, no host, or a user name in the URL.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url
        secret = "@" in parts.netloc
    except ValueError:
        usable, secret = False, False
    if not usable or secret:
        raise UsageError("expected http(s)://host/path without a user name (not shown, it may contain a secret)")


def redacted_url(url: str) -> str:
    """Return a URL without its query, which may contain a signature."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "…" if parts.query else "", ""))


@contextmanager
def open_request(url: str, start: int, validator: str, timeout_s: float) -> Iterator[Reply]:
    """Request a file from offset ``start`` on; with a validator, only if the file is unchanged.

    Raises:
        ObjectNotFound: The file does not exist.
        AccessDenied: The server denies access.
        RangeRefused: The file ends before ``start``.
        StoreUnavailable: No response, or one that allows a retry.
        StorageError: Any other response.
    """
    headers = {"User-Agent": f"wsvad/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    with ExitStack() as stack:
        yield _reply(url, start, _follow_redirects(url, headers, timeout_s, stack))


def read(url: str, reply: Reply, size: int) -> bytes:
    """Return up to ``size`` more bytes of a response; empty at its end.

    Raises:
        StoreUnavailable: The connection broke.
    """
    with _translate_errors(url):
        return reply.body.read(size, decode_content=False)


def _follow_redirects(
    url: str, headers: dict[str, str], timeout_s: float, stack: ExitStack
) -> urllib3.BaseHTTPResponse:
    """Follow redirects and return the final response; the stack closes its connection.

    Redirects are followed here because each target may need another proxy or none, and only http(s) targets are
    allowed.
    """
    at = url
    for _ in range(_MAX_REDIRECTIONS + 1):
        with _translate_errors(url):
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
                enforce_content_length=False,  # bytes received before a broken connection are kept; length is checked
            )
        stack.callback(answer.close)
        location = answer.get_redirect_location()
        if not location:
            if not 200 <= answer.status < 300:
                raise _status_error(url, answer.status)
            return answer
        try:
            at = urljoin(at, location).replace(" ", "%20")
            check_url(at)
        except (UsageError, ValueError) as error:
            raise StorageError(f"{redacted_url(url)}: the server redirects to an invalid or non-http(s) URL") from error
    raise StorageError(f"{redacted_url(url)}: more than {_MAX_REDIRECTIONS} redirects")


def _pool(url: str) -> urllib3.PoolManager:
    """Return a pool for a host, with the proxy from the usual environment variables, if any."""
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
        raise StorageError(f"{redacted_url(url)}: the server sends compressed content although identity was requested")
    tag = answer.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else ""
    length = answer.headers.get("Content-Length", "")
    size = int(length) if length.isascii() and length.isdecimal() else None
    if answer.status != HTTPStatus.PARTIAL_CONTENT:
        return Reply(0, size, validator, answer)
    match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != start:
        raise RangeRefused(f"{redacted_url(url)}: the server sends another range than requested")
    total = int(match[3]) if match[3] != "*" else None if size is None else start + size
    return Reply(start, total, validator, answer)


@contextmanager
def _translate_errors(url: str) -> Iterator[None]:
    try:
        yield
    except LocationValueError as error:  # its text may contain the password of a proxy
        raise StorageError(
            f"{redacted_url(url)}: invalid address of the host, or of the proxy in the environment "
            f"({', '.join(_PROXIES)}); a proxy is http(s)://host:port"
        ) from error
    except (HTTPError, OSError) as error:
        cause = _cause(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise StorageError(f"{redacted_url(url)}: the server's certificate is not trusted ({cause})") from error
        raise StoreUnavailable(f"{redacted_url(url)}: {_reason(cause)}") from error


def _cause(error: BaseException) -> BaseException:
    """Return the error that urllib3 wrapped: of the socket, of TLS or of the protocol."""
    while isinstance(error, HTTPError) and (inner := error.__cause__ or error.__context__):
        error = inner
    return error


def _reason(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return f"cannot resolve the host name ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "timeout"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _status_error(url: str, status: int) -> StorageError:
    what = f"{redacted_url(url)}: the server responded with status {status}"
    if status in (404, 410):
        return ObjectNotFound(f"{what}, no such file")
    if status in (401, 403, 407):
        return AccessDenied(f"{what}, access denied")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeRefused(f"{what}, the file is shorter than the requested offset")
    return StoreUnavailable(f"{what}, try again") if status in _AGAIN else StorageError(what)
