"""What every store promises, whatever is behind it. The rules that do not depend on the store live here, once."""

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
    """One object as a listing or ``stat`` shows it; with it a later read can insist on the same bytes."""

    key: str
    """Relative to the store's root."""
    size: int
    """Bytes."""
    mtime_ns: int
    """Last modification, nanoseconds since the epoch; S3 gives whole seconds."""
    etag: str
    """S3's entity tag without its quotes; empty for local files."""


class Created(enum.Enum):
    """What ``create`` found. Nothing is ever overwritten."""

    NEW = "new"
    """The object was not there; it is now, whole."""
    SAME = "same"
    """An object with the same bytes is there: another writer's, or ours after a lost reply."""
    DIFFERENT = "different"
    """An object with other bytes is there; it was left alone."""


class StoreProbe(NamedTuple):
    """What a trial write found out about a store."""

    create_only: bool
    """Whether of two writers of the same key the second is refused."""
    detail: str
    """One sentence for a person."""
    latency_s: float
    """Seconds that the smallest write took."""


@dataclass(frozen=True)
class StoreOptions:
    """How to reach a store. Holds no secret: credentials come from the AWS environment of the process that connects."""

    endpoint_url: Annotated[str | None, Option(name="--s3-endpoint-url", metavar="URL")] = None
    """of an S3-compatible store; or AWS_ENDPOINT_URL"""
    profile: Annotated[str | None, Option(name="--s3-profile", metavar="NAME")] = None
    """AWS profile; or AWS_PROFILE"""
    region: Annotated[str | None, Option(name="--s3-region", metavar="NAME")] = None
    """AWS region; or AWS_REGION"""
    anonymous: Annotated[Flag, Option(name="--s3-anonymous")] = False
    """sign no request: public buckets are read without credentials (and nothing is written to S3)"""
    max_attempts: Annotated[PositiveInt, Option(name="--s3-attempts")] = 8
    """tries of one request before it counts as failed"""
    retry_budget_s: Annotated[float, HIDDEN] = 120.0
    """Seconds after which no further try of a request is begun."""
    connect_timeout_s: Annotated[float, HIDDEN] = 10.0
    """Seconds to wait for a connection."""
    read_timeout_s: Annotated[float, HIDDEN] = 60.0
    """Seconds without a byte after which a connection counts as broken."""
    min_bytes_per_s: Annotated[int, HIDDEN] = 4096
    """A reply that comes slower than this, over its whole length, counts as stalled and is asked for again."""
    conditional_writes: Annotated[bool, HIDDEN] = True
    """False for a store that the probe found to ignore create-only: look first, then write (two writers can race)."""
    follow_links: Annotated[bool, HIDDEN] = False
    """Local stores: also list and read through links whose target lies outside the root."""

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
    """Refuse an endpoint that is no plain HTTP URL, without repeating what may be a password in it.

    Raises:
        UsageError: no http(s) scheme, no host, credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        carries_more = "@" in parts.netloc or bool(parts.query) or bool(parts.fragment)
    except ValueError:
        usable, carries_more = False, False
    if not usable or carries_more:
        raise UsageError(
            "the S3 endpoint must be http(s)://host[:port][/path] without credentials or a query"
            " (its value is not shown, it may hold a secret); credentials belong in the AWS environment or a profile"
        )


class ConditionalWriteUnsupported(StorageError):
    """The store answered that it has no create-only writes; the probe turns this into ``create_only=False``."""


class Store(ABC):
    """Objects below one root. Safe to share between threads, to pickle and to use after a fork.

    Holds the URI and the options only; connections are made per process, when first needed. Every method raises
    ``UsageError`` for a key that cannot be one (see ``key_problem``), ``AccessDenied``, ``StoreUnavailable`` once its
    retries are spent, and ``StorageError`` for anything else that the store did; ``ObjectNotFound`` where it says so.
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
        """Return why this store cannot read such a key (to follow the word "key"), or None where it can."""
        return key_problem(key)

    def stat(self, key: str) -> ObjectInfo:
        """Return size and identity of an object. Raises ``ObjectNotFound``."""
        return self._stat(self._checked(key))

    def list(self, prefix: str = "", *, scratch: bool = False) -> Iterator[ObjectInfo]:
        """Yield every object whose key starts with ``prefix``, recursively, in the byte order of the keys.

        Nothing there is an empty listing; a missing bucket or a folder that cannot be read is an error, because a
        listing that leaves out part of an archive in silence would pass for complete. Scratch space is shown only to
        who asks for it, to name what others keep in folders of that name.
        Keys that other programs made are yielded even where ``key_problem`` finds fault with them.
        """
        if prefix:
            self._checked(prefix.removesuffix("/"))
        return (info for info in self._list(prefix) if scratch or not is_scratch(info.key))

    def read(self, key: str) -> bytes:
        """Return a whole object; a reply shorter than announced is asked for again. Raises ``ObjectNotFound``."""
        return self._read(self._checked(key))

    def read_range(self, key: str, start: int, end: int, *, expect: ObjectInfo | None = None) -> bytes:
        """Return the bytes ``[start, end)``, fewer only where the object ends earlier.

        Raises:
            ObjectNotFound: there is no such object (any more).
            ObjectChanged: the object is not the one that ``expect`` describes.
            ValueError: not ``0 <= start <= end``.
        """
        if not 0 <= start <= end:
            raise ValueError(f"expected 0 <= start <= end, got [{start}, {end})")
        self._checked(key)
        return b"" if start == end else self._read_range(key, start, end, expect)

    def create(self, key: str, data: bytes) -> Created:
        """Write an object that must not be there yet: whole or not at all, and never over another one.

        A retried write whose first reply was lost finds its own object and reports ``SAME``. Of several writers
        exactly one is told ``NEW``, unless ``options.conditional_writes`` is off.
        """
        self._writable(key)
        for _ in range(3):
            if self._try_create(key, data):
                return Created.NEW
            try:
                return Created.SAME if self._holds(key, data) else Created.DIFFERENT
            except ObjectNotFound:
                continue  # deleted between the two looks; the next round creates it
        raise StorageError(
            f"cannot create {self._shown(key)}: something that is not an object is in its place, or another program"
            " keeps deleting it"
        )

    def replace(self, key: str, data: bytes) -> None:
        """Write an object, atomically, over whatever is there."""
        self._put(self._writable(key), data)

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        self._delete(self._writable(key))

    def probe(self) -> StoreProbe:
        """Find out, with one small object that is deleted again, whether the store honours create-only.

        Raises:
            AccessDenied: the store may not be written.
        """
        self._writable("probe")
        key = f"{SCRATCH}/probe-{uuid.uuid4().hex}"
        create_only, detail = self._probe_create_only(key)
        started = time.perf_counter()
        self._put(key, b"third")
        latency_s = time.perf_counter() - started
        if self._read(key) != b"third":
            raise StorageError(f"{self.uri} does not give back what was written last; it cannot be used")
        try:
            self._delete(key)
        except AccessDenied:
            detail += f"; deleting is not allowed, so {self._shown(key)} stays behind"
        return StoreProbe(create_only, detail, latency_s)

    def _probe_create_only(self, key: str) -> tuple[bool, str]:
        try:
            made = self._put_new(key, b"first")
        except ConditionalWriteUnsupported:
            return False, "the store refuses create-only writes"
        if not made and self._read(key) != b"first":
            raise StorageError(f"{self.uri} says that an object with a fresh random name exists; it cannot be used")
        if self._put_new(key, b"second") or self._read(key) != b"first":
            return False, "the store overwrites an object although create-only was asked for"
        return True, "the store honours create-only writes"

    def sweep_temporary(self, older_than_s: float) -> int:
        """Delete what killed writers and probes left in scratch space, if older than that; return how many objects.

        Choose an age above the longest write: younger ones may belong to a writer at work.
        """
        limit_ns = time.time_ns() - int(older_than_s * 1e9)
        stale = [info.key for info in self._list(f"{SCRATCH}/") if info.mtime_ns < limit_ns]
        for key in stale:
            self._delete(key)
        return len(stale)

    def _shown(self, key: str) -> str:
        """The URI of an object as messages show it."""
        return printable(self.uri_of(key))

    def _checked(self, key: str) -> str:
        problem = self.key_problem(key)
        if problem:
            raise UsageError(f"the key {key!r} {problem} (store {self.uri})")
        return key

    def _writable(self, key: str) -> str:
        """Check a key that is to be written or deleted: ours have no empty segments, wherever others have them."""
        problem = key_problem(key)
        if problem:
            raise UsageError(f"the key {key!r} {problem} (store {self.uri})")
        return self._checked(key)

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
        """Write if nothing is there; False where something is. Raises ``ConditionalWriteUnsupported``."""

    @abstractmethod
    def _put(self, key: str, data: bytes) -> None: ...

    @abstractmethod
    def _delete(self, key: str) -> None: ...
