"""Translate errors of the packages behind fsspec by their HTTP status or class name, as they share no base class."""

from __future__ import annotations

from collections.abc import Iterator

from wsvad.errors import AccessDenied, ObjectNotFound, StorageError, StoreFull, UsageError, WsvadError
from wsvad.storage.retry import Transient

_BROKEN = frozenset(
    "ClientConnectionError ClientPayloadError ConnectionError FSTimeoutError IncompleteReadError"
    " ServerDisconnectedError ServiceRequestError ServiceResponseError StreamClosedError TransportError".split()
)
_NO_CREDENTIALS = frozenset({"ClientAuthenticationError", "CredentialUnavailableError", "DefaultCredentialsError"})


def translate_remote_error(exc: Exception, what: str) -> Exception:
    """Return the error of this package, ``Transient`` or ``FileExistsError`` for an error of an fsspec file system.

    The message has the kind of failure and the HTTP status, never text from the store.
    """
    if isinstance(exc, Transient | WsvadError):
        return exc
    chain = list(_chain(exc))
    status = next((status for status in map(_status, chain) if status), 0)
    names = {kind.__name__ for link in chain for kind in type(link).__mro__}
    answer = f"the store answered {status}" if status else f"the request failed ({type(exc).__name__})"
    if isinstance(exc, FileExistsError) or status in (409, 412):
        return FileExistsError(what)
    if isinstance(exc, FileNotFoundError) or status == 404:
        return ObjectNotFound(f"{what}: there is no such object")
    forbidden = type(exc) is OSError and str(exc).startswith("Forbidden")  # gcsfs raises this for status 403
    if isinstance(exc, PermissionError) or forbidden or status in (401, 403) or names & _NO_CREDENTIALS:
        return AccessDenied(f"{what}: {answer}; check the credentials and their permissions on this location")
    if status == 507:
        return StoreFull(f"{what}: {answer}; nothing partial was left, free space and run the same command again")
    if status in (408, 429) or (status >= 500 and status != 501):
        return Transient(answer)
    if isinstance(exc, TimeoutError | ConnectionError) or names & _BROKEN:
        return Transient(f"the connection failed ({type(exc).__name__})")
    if isinstance(exc, ImportError):
        return UsageError(f"{what}: the required package is not installed: pip install 'wsvad[gcs]' or 'wsvad[azure]'")
    if isinstance(exc, ValueError | TypeError | KeyError):
        return UsageError(f"{what}: {answer}; check fsspec's configuration (FSSPEC_*) and the package's environment")
    return StorageError(f"{what}: {answer}")


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen = 0
    link: BaseException | None = exc
    while link is not None and seen < 8:
        yield link
        link, seen = link.__cause__ or link.__context__, seen + 1


def _status(exc: BaseException) -> int:
    for name in ("status_code", "code", "status"):
        value = getattr(exc, name, None)
        if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            return int(value) if 300 <= int(value) < 600 else 0
    return 0
