"""The interface of all stores, with the rules that do not depend on the kind of store."""

from __future__ import annotations

import enum
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple
from urllib.parse import urlsplit

from wsvad.errors import AccessDenied, ObjectNotFound, StorageError, UsageError
from wsvad.options import HIDDEN, Flag, Option, PositiveInt
from wsvad.storage.uri import SCRATCH, is_scratch, key_problem
from wsvad.text import printable


class ObjectInfo(NamedTuple):
    """Size and identity of an object, from a listing or ``stat``. Lets a later read require the same bytes."""

    key: str
    """Key relative to the store's root."""
    size: int
    """Size in bytes."""
    mtime_ns: int
    """Last modification in nanoseconds since the epoch; S3 has a resolution of one second."""
    etag: str
    """S3's entity tag without quotes; empty for local files."""


class Created(enum.Enum):
    """Result of ``create``, which never overwrites an object."""

    NEW = "new"
    """The object did not exist and was created."""
    SAME = "same"
    """An object with the same bytes exists: written by another writer, or by ours before its reply was lost."""
    DIFFERENT = "different"
    """An object with other bytes exists and was left unchanged."""


class StoreProbe(NamedTuple):
    """Result of a trial write."""

    create_only: bool
    """Whether the store refuses the second of two create-only writes to one key."""
    detail: str
    """The finding in one sentence."""
    latency_s: float
    """Duration of a minimal write in seconds."""


@dataclass(frozen=True)
class StoreOptions:
    """How to reach a store. Contains no secrets: credentials come from the environment of the connecting process."""

    endpoint_url: Annotated[str | None, Option(name="--s3-endpoint-url", metavar="URL")] = None
    """endpoint of an S3-compatible store; default AWS_ENDPOINT_URL"""
    profile: Annotated[str | None, Option(name="--s3-profile", metavar="NAME")] = None
    """AWS profile; default AWS_PROFILE"""
    region: Annotated[str | None, Option(name="--s3-region", metavar="NAME")] = None
    """AWS region; default AWS_REGION"""
    anonymous: Annotated[Flag, Option(name="--s3-anonymous")] = False
    """send unsigned requests, to read public buckets without credentials (S3 is then read-only)"""
    max_attempts: Annotated[PositiveInt, Option(name="--s3-attempts")] = 8
    """maximum number of attempts per request"""
    retry_budget_s: Annotated[float, HIDDEN] = 120.0
    """Seconds after which a request is not retried any more."""
    connect_timeout_s: Annotated[float, HIDDEN] = 10.0
    """Connection timeout in seconds."""
    read_timeout_s: Annotated[float, HIDDEN] = 60.0
    """Seconds without received data after which a connection counts as broken."""
    min_bytes_per_s: Annotated[int, HIDDEN] = 4096
    """Minimum average rate of a reply; a slower one counts as stalled and is retried."""
    conditional_writes: Annotated[bool, HIDDEN] = True
    """Use create-only writes. False for a store that ignores them: look first, then write (two writers can race)."""
    follow_links: Annotated[bool, HIDDEN] = False
    """Local stores: also list and read links that lead outside the root."""

    def __post_init__(self) -> None:
        if self.endpoint_url is not None:
            check_endpoint(self.endpoint_url)
        if self.anonymous and self.profile is not None:
            raise UsageError("--s3-anonymous uses no credentials; leave out --s3-profile, or --s3-anonymous")
        if self.max_attempts < 1:
            raise UsageError(f"max_attempts must be at least 1, got {self.max_attempts}")
        for name in ("retry_budget_s", "connect_timeout_s", "read_timeout_s", "min_bytes_per_s"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} must be above 0, got {getattr(self, name)}")


def check_endpoint(url: str) -> None:
    """Refuse an endpoint that is not a plain HTTP URL. The message does not contain it, as it may hold a password.

    Raises:
        UsageError: no http(s) scheme, no host, credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        has_extras = "@" in parts.netloc or bool(parts.query) or bool(parts.fragment)
    except ValueError:
        usable, has_extras = False, False
    if not usable or has_extras:
        raise UsageError(
            "the S3 endpoint must be http(s)://host[:port][/path] without credentials or a query"
            " (its value is not shown, it may hold a secret); credentials belong in the AWS environment or a profile"
        )


class ConditionalWriteUnsupported(StorageError):
    """The store has no create-only writes; ``probe`` reports this as ``create_only=False``."""


class Store(ABC):
    """Objects below a root. Safe to share between threads, to pickle, and to use after a fork.

    Holds only the URI and the options; each process connects when it first needs to. All methods raise ``UsageError``
    for an invalid key (see ``key_problem``), ``AccessDenied``, ``StoreUnavailable`` if all retries failed, and
    ``StorageError`` for other failures of the store. Methods that raise ``ObjectNotFound`` say so.
    """

    scheme: ClassVar[str]

    def __init__(self, uri: str, options: StoreOptions) -> None:
        self.uri = uri
        self.options = options

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    @abstractmethod
    def uri_of(self, key: str) -> str:
        """Return the URI of one object; ``open_object`` is the inverse."""

    def key_problem(self, key: str) -> str | None:
        """Return why this store cannot read a key (a phrase that follows the word "key"), or ``None`` if it can."""
        return key_problem(key)

    def stat(self, key: str) -> ObjectInfo:
        """Return size and identity of an object. Raises ``ObjectNotFound``."""
        return self._stat(self._check_key(key))

    def list(self, prefix: str = "", *, scratch: bool = False) -> Iterator[ObjectInfo]:
        """Yield every object whose key starts with ``prefix``, recursively, in the byte order of the keys.

        A missing prefix is an empty listing. A missing bucket or an unreadable folder is an error, because a listing
        with silent gaps would be mistaken for a complete one. Objects in scratch space are omitted unless ``scratch``
        is set, which serves to report folders of that name that other programs made. Keys written by other programs
        are included even if ``key_problem`` rejects them.
        """
        if prefix:
            self._check_key(prefix.removesuffix("/"))
        return (info for info in self._list(prefix) if scratch or not is_scratch(info.key))

    def read(self, key: str) -> bytes:
        """Return a whole object; a truncated reply is retried. Raises ``ObjectNotFound``."""
        return self._read(self._check_key(key))

    def read_range(self, key: str, start: int, end: int, *, expect: ObjectInfo | None = None) -> bytes:
        """Return the bytes ``[start, end)``, or fewer if the object is shorter.

        Raises:
            ObjectNotFound: the object does not exist.
            ObjectChanged: the object differs from ``expect``.
            ValueError: not ``0 <= start <= end``.
        """
        if not 0 <= start <= end:
            raise ValueError(f"expected 0 <= start <= end, got [{start}, {end})")
        self._check_key(key)
        return b"" if start == end else self._read_range(key, start, end, expect)

    def create(self, key: str, data: bytes) -> Created:
        """Create an object atomically; never overwrites one.

        A retried write whose first reply was lost finds its own object and returns ``SAME``. Exactly one of several
        concurrent writers gets ``NEW``, unless ``options.conditional_writes`` is off.
        """
        self._check_writable_key(key)
        for _ in range(3):
            if self._try_create(key, data):
                return Created.NEW
            try:
                return Created.SAME if self._holds(key, data) else Created.DIFFERENT
            except ObjectNotFound:
                continue  # deleted in between; the next attempt creates it
        raise StorageError(
            f"cannot create {self._shown(key)}: something that is not an object is in its place, or another program"
            " keeps deleting it"
        )

    def replace(self, key: str, data: bytes) -> None:
        """Write an object atomically, replacing an existing one."""
        self._put(self._check_writable_key(key), data)

    def delete(self, key: str) -> None:
        """Delete an object; no error if it does not exist."""
        self._delete(self._check_writable_key(key))

    def probe(self) -> StoreProbe:
        """Check with a small temporary object whether the store can be written and supports create-only writes.

        Raises:
            AccessDenied: the store may not be written.
        """
        self._check_writable_key("probe")
        key = f"{SCRATCH}/probe-{uuid.uuid4().hex}"
        create_only, detail = self._probe_create_only(key)
        started = time.perf_counter()
        self._put(key, b"third")
        latency_s = time.perf_counter() - started
        if self._read(key) != b"third":
            raise StorageError(f"{self.uri} does not return what was written last; it cannot be used")
        try:
            self._delete(key)
        except AccessDenied:
            detail += f"; deleting is not allowed, so {self._shown(key)} remains"
        return StoreProbe(create_only, detail, latency_s)

    def _probe_create_only(self, key: str) -> tuple[bool, str]:
        try:
            made = self._put_new(key, b"first")
        except ConditionalWriteUnsupported:
            return False, "the store refuses create-only writes"
        if not made and self._read(key) != b"first":
            raise StorageError(f"{self.uri} reports that a new random key exists already; it cannot be used")
        if self._put_new(key, b"second") or self._read(key) != b"first":
            return False, "the store overwrites an object in spite of create-only"
        return True, "the store supports create-only writes"

    def sweep_temporary(self, older_than_s: float) -> int:
        """Delete objects in scratch space older than this, left by killed writers and probes; return their number.

        The age must exceed the duration of the longest write, because younger objects may belong to active writers.
        """
        limit_ns = time.time_ns() - int(older_than_s * 1e9)
        stale = [info.key for info in self._list(f"{SCRATCH}/") if info.mtime_ns < limit_ns]
        for key in stale:
            self._delete(key)
        return len(stale)

    def _shown(self, key: str) -> str:
        """Return the URI of an object for messages."""
        return printable(self.uri_of(key))

    def _check_key(self, key: str) -> str:
        problem = self.key_problem(key)
        if problem:
            raise UsageError(f"the key {key!r} {problem} (store {self.uri})")
        return key

    def _check_writable_key(self, key: str) -> str:
        """Check a key to write or delete. Unlike keys to read, it must not have empty segments in any store."""
        problem = key_problem(key)
        if problem:
            raise UsageError(f"the key {key!r} {problem} (store {self.uri})")
        return self._check_key(key)

    def _try_create(self, key: str, data: bytes) -> bool:
        if self.options.conditional_writes:
            return self._put_new(key, data)
        try:
            self._stat(key)
        except ObjectNotFound:
            self._put(key, data)
            return True
        return False

    def _holds(self, key: str, data: bytes) -> bool:
        return self._stat(key).size == len(data) and self._read(key) == data

    @abstractmethod
    def _stat(self, key: str) -> ObjectInfo: ...

    @abstractmethod
    def _list(self, prefix: str) -> Iterator[ObjectInfo]: ...

    @abstractmethod
    def _read(self, key: str) -> bytes: ...

    @abstractmethod
    def _read_range(self, key: str, start: int, end: int, expect: ObjectInfo | None) -> bytes: ...

    @abstractmethod
    def _put_new(self, key: str, data: bytes) -> bool:
        """Create an object; return False if one exists. Raises ``ConditionalWriteUnsupported``."""

    @abstractmethod
    def _put(self, key: str, data: bytes) -> None: ...

    @abstractmethod
    def _delete(self, key: str) -> None: ...
