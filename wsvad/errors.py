"""The one exception tree, and the exit code that each branch means.

::

    WsvadError
    ├── UsageError            2   wrong option, manifest or configuration; found before any work
    │   ├── ManifestError         a listing or manifest that cannot be used
    │   └── WeightsError          a weight file that is not what it should be; nothing was executed
    ├── TrainingError         2   a loss that is not finite: the same options end the same way; the last state is kept
    ├── StorageError          4   the store failed; running again is safe and may be enough
    │   ├── ObjectNotFound        no object at that key (any more)
    │   ├── ObjectChanged         the object is not the one that was listed: other size, ETag or time
    │   ├── UnusablePlace      2   what is there can never be a store, or never that object; another place is needed
    │   ├── DamagedError      5   an object of ours is missing or not what was written; `wsvad verify` names them all
    │   ├── AccessDenied          the store refused the credentials or the permission
    │   ├── StoreFull             no space, or a quota is used up
    │   └── StoreUnavailable      timeouts, resets and 5xx that outlasted every retry
    ├── ClusterError          4   Ray could not be reached, is too small, or lost the work too often
    ├── ConflictError         5   what is at the target was made by another configuration
    └── VideoError            3   evidence about one video; it ends in quarantine, never in an abort

Foreign exceptions are translated once, at the edge that talks to the foreign library, and stay reachable as
``__cause__``.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_QUARANTINE = 3
EXIT_STORAGE = 4
EXIT_CONFLICT = 5


class WsvadError(Exception):
    """Base of every error that is about the user's world rather than a bug of ours."""

    exit_code: ClassVar[int] = EXIT_USAGE


class UsageError(WsvadError):
    """An option, path or configuration that cannot work; nothing has been done yet."""


class ManifestError(UsageError):
    """A manifest or listing that cannot be used: missing columns, duplicate or unsafe ids, nothing in it."""


class WeightsError(UsageError):
    """A weight file that is truncated, altered, of another network, or more than plain tensors."""


class TrainingError(WsvadError):
    """Training met a loss that is not finite, at a step that the message names.

    Running the same command again ends the same way, so the exit code is that of a configuration that cannot work;
    the last state before it is kept.
    """


class StorageError(WsvadError):
    """The store failed. What was written stays valid; running the same command again continues."""

    exit_code = EXIT_STORAGE


class ObjectNotFound(StorageError):
    """There is no object at that key, or not any more."""


class ObjectChanged(StorageError):
    """The object at that key is not the one that was listed or read before: its size, ETag or time differ."""


class UnusablePlace(StorageError):
    """Does not pass by itself: a file where a folder is needed, an impossible name, a bucket that is not there."""

    exit_code = EXIT_USAGE


class DamagedError(StorageError):
    """An object of a data set, a run or a checkpoint is missing, or is not what was written.

    Reading it again gives the same. ``wsvad verify`` names every such object; the message says what to do.
    """

    exit_code = EXIT_CONFLICT


class AccessDenied(StorageError):
    """The store refused: wrong or missing credentials, or no permission on this key."""


class StoreFull(StorageError):
    """The store has no room for what is to be written; nothing partial is left."""


class StoreUnavailable(StorageError):
    """The store kept failing (timeouts, resets, throttling, 5xx) until the retries were spent."""


class ClusterError(WsvadError):
    """Ray is unreachable, too small for what was asked, or lost the same work too often."""

    exit_code = EXIT_STORAGE


class ConflictError(WsvadError):
    """The data set at the target was made by another configuration; nothing was changed."""

    exit_code = EXIT_CONFLICT


class VideoError(WsvadError):
    """Evidence that one video cannot be used, e.g. no video stream, or a decoder that crashes on it.

    ``kind`` is the machine-readable class that goes into the quarantine record (see ``docs/video-outcomes.md``).
    """

    exit_code = EXIT_QUARANTINE

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[type[VideoError], tuple[str, str]]:
        return (type(self), (self.kind, str(self)))
