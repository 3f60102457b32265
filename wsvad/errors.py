"""Exceptions of this package, and the exit code of each.

::

    WsvadError
    ├── UsageError            2   invalid option, manifest or configuration, detected before any work
    │   ├── ManifestError         a listing or manifest that cannot be used
    │   └── WeightsError          an invalid weight file; nothing in it was executed
    ├── TrainingError         2   a loss that is not finite: repeating the run gives the same; the last state is kept
    ├── StorageError          4   the store failed; repeating the command is safe and may succeed
    │   ├── ObjectNotFound        there is no object with the key
    │   ├── ObjectChanged         the object differs from the listed one in size, ETag or modification time
    │   ├── UnusablePlace     2   the location can never hold the store or object; use another one
    │   ├── DamagedError      5   an object of this package is missing or damaged; `wsvad verify` reports all of them
    │   ├── AccessDenied          the store rejected the credentials or the permission
    │   ├── StoreFull             no space left, or a quota is exhausted
    │   └── StoreUnavailable      timeouts, connection resets or 5xx that persisted through all retries
    ├── ClusterError          4   Ray is unreachable, too small, or lost the same work too often
    ├── ConflictError         5   the target was made with another configuration
    └── VideoError            3   a video that cannot be used; it is quarantined, and the run continues

Exceptions of other libraries are translated where the library is called and remain available as ``__cause__``.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_QUARANTINE = 3
EXIT_STORAGE = 4
EXIT_CONFLICT = 5


class WsvadError(Exception):
    """Base class of all errors with a cause outside of this package's code."""

    exit_code: ClassVar[int] = EXIT_USAGE


class UsageError(WsvadError):
    """An invalid option, path or configuration, detected before any work."""


class ManifestError(UsageError):
    """A manifest or listing that cannot be used: missing columns, duplicate or unsafe ids, or no entries."""


class WeightsError(UsageError):
    """A weight file that is truncated, modified, of another network, or contains more than tensors."""


class TrainingError(WsvadError):
    """The loss is not finite, at the step stated in the message.

    Repeating the command gives the same result, so the exit code is that of an invalid configuration. The last state
    before the step is kept.
    """


class StorageError(WsvadError):
    """The store failed. Stored objects stay valid, and the same command continues from them."""

    exit_code = EXIT_STORAGE


class ObjectNotFound(StorageError):
    """There is no object with the key."""


class ObjectChanged(StorageError):
    """The object differs from the one that was listed or read before, in size, ETag or modification time."""


class UnusablePlace(StorageError):
    """A permanent problem of the location: a file instead of a folder, an invalid name, or a missing bucket."""

    exit_code = EXIT_USAGE


class DamagedError(StorageError):
    """An object of a data set, run or checkpoint is missing or damaged.

    Reading it again gives the same result. ``wsvad verify`` reports all such objects; the message states the remedy.
    """

    exit_code = EXIT_CONFLICT


class AccessDenied(StorageError):
    """The store denied access: invalid or missing credentials, or no permission for the key."""


class StoreFull(StorageError):
    """The store has no space left; no partial object was left."""


class StoreUnavailable(StorageError):
    """The store kept failing (timeouts, connection resets, throttling, 5xx) until all retries were used."""


class ClusterError(WsvadError):
    """Ray is unreachable, too small for the request, or lost the same work too often."""

    exit_code = EXIT_STORAGE


class ConflictError(WsvadError):
    """The target was made with another configuration; nothing was changed."""

    exit_code = EXIT_CONFLICT


class VideoError(WsvadError):
    """A video that cannot be used, e.g. without a video stream, or one that crashes the decoder.

    ``kind`` is the class of the failure in the quarantine record (see ``docs/video-outcomes.md``).
    """

    exit_code = EXIT_QUARANTINE

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[type[VideoError], tuple[str, str]]:
        return (type(self), (self.kind, str(self)))
