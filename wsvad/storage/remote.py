"""Store on any other file system of fsspec: ``gs://``, ``az://`` and others."""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, ClassVar, TypeVar

import fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from wsvad.errors import ObjectChanged, ObjectNotFound, StorageError, UnusablePlace
from wsvad.storage.base import ConditionalWriteUnsupported, ObjectInfo, Store, StoreOptions
from wsvad.storage.event_loop import protect_from_forks, wait_for
from wsvad.storage.remote_errors import translate_remote_error
from wsvad.storage.retry import Transient, with_retries
from wsvad.storage.uri import SCRATCH, Location, parse_uri

T = TypeVar("T")

_ATOMIC = frozenset({"gs", "az"})
"""Schemes whose servers implement create-only writes. Other file systems check first and then write, which can race."""
_ENVIRONMENT = ("AWS_", "AZURE_", "FSSPEC_", "GCSFS_", "GOOGLE_", "STORAGE_EMULATOR_HOST")
_LOGGERS = ("fsspec", "gcsfs", "adlfs", "azure", "google", "msal", "aiohttp", "urllib3")
_TAGS = ("etag", "ETag", "md5Hash")
_TIMES = ("mtime", "last_modified", "LastModified", "modified", "created")


class RemoteStore(Store):
    """A bucket, container or folder of another file system, or a prefix of one.

    Credentials, endpoints and anonymous access are configured by the file system's package and by fsspec
    (``FSSPEC_GS_TOKEN``, ``AZURE_STORAGE_CONNECTION_STRING``, ...). These interfaces cannot read a given version of an
    object, so the object's identity is checked after each ranged read.
    """

    scheme: ClassVar[str] = "remote"

    def __init__(self, location: Location, options: StoreOptions) -> None:
        super().__init__(location.uri, options)
        self._protocol = location.scheme
        self._bucket = f"{location.scheme}://{location.bucket}"
        self._root = f"{self._bucket}/{location.prefix}"

    def uri_of(self, key: str) -> str:
        """Return the URI of one object; the key is taken literally."""
        return f"{self._root}{key}"

    def _with_files(self, what: str, use: Callable[[Any], T]) -> T:
        def attempt() -> T:
            try:
                return use(_files(self._bucket, os.getpid(), _environment()))
            except Exception as exc:
                # without the original, whose message and traceback may contain signed data
                raise translate_remote_error(exc, what) from None

        return with_retries(attempt, what, self.options)

    def _request(self, what: str, name: str, key: str, *args: Any, length: int = 0, **kwargs: Any) -> Any:
        """Call a method of the file system with the path of a key."""
        limit_s = self.options.connect_timeout_s + 2 * self.options.read_timeout_s
        within_s = limit_s + length / self.options.min_bytes_per_s

        def send(files: Any) -> Any:
            path = f"{self._path(files)}{key}"
            if not isinstance(files, AsyncFileSystem):
                return getattr(files, name)(path, *args, **kwargs)
            return wait_for(files.loop, asyncio.wait_for(getattr(files, f"_{name}")(path, *args, **kwargs), within_s))

        return self._with_files(what, send)

    def _path(self, files: Any) -> str:
        """Return the common prefix of the paths of all keys, without a host."""
        return f"{files._strip_protocol(self._root.rstrip('/')).rstrip('/')}/"

    # -- reading -------------------------------------------------------------------------------------------------

    def _stat(self, key: str) -> ObjectInfo:
        what = f"cannot stat {self._shown(key)}"
        found = self._request(what, "info", key)
        if found.get("type") != "file":
            raise ObjectNotFound(f"{what}: there is no such object")
        if found["name"].strip("/") != f"{self._with_files(what, self._path)}{key}".strip("/"):
            raise StorageError(f"{what}: the file system maps the key to another one")
        return _info(key, found)

    def _list(self, prefix: str) -> Iterator[ObjectInfo]:
        what = f"cannot list {self.uri}"
        root = self._with_files(what, self._path).lstrip("/")
        try:
            found = self._request(what, "find", prefix.rpartition("/")[0], detail=True)
        except ObjectNotFound:
            found = {}
        if not found and self._protocol in _ATOMIC:
            self._check_bucket(what)
        infos = []
        for info in found.values() if isinstance(found, dict) else ():
            name = info["name"].lstrip("/")
            # an object with the folder's own name is not below the root
            if info.get("type") == "file" and name.startswith(root) and (info["size"] or not name.endswith("/")):
                key = name.removeprefix(root)
                if key.startswith(prefix):
                    infos.append(_info(key, info))
        yield from sorted(infos, key=lambda info: info.key.encode("utf-8", "surrogateescape"))

    def _check_bucket(self, what: str) -> None:
        try:
            type(self)(parse_uri(self._bucket), self.options)._request(what, "info", "")
        except ObjectNotFound as exc:
            raise self._no_bucket(what) from exc

    def _no_bucket(self, what: str) -> UnusablePlace:
        return UnusablePlace(f"{what}: there is no such bucket; create it or correct the URI, endpoint or account")

    def _read(self, key: str) -> bytes:
        info = self._stat(key)
        return self._bytes(key, info.size, lambda: self._stat(key).size)

    def _bytes(self, key: str, length: int, now: Callable[[], int], **span: int) -> bytes:
        what = f"cannot read {self._shown(key)}"

        def attempt() -> bytes:
            data = bytes(self._request(what, "cat_file", key, length=length, **span))
            if len(data) != length and len(data) != now():
                raise Transient(f"the reply has {len(data)} of {length} bytes")
            return data

        return with_retries(attempt, what, self.options)

    def _read_range(self, key: str, start: int, end: int, expect: ObjectInfo | None) -> bytes:
        size = expect.size if expect is not None else self._stat(key).size
        length = min(end, size) - start
        data = self._bytes(key, length, lambda: -1, start=start, end=start + length) if length > 0 else b""
        # the object is the same before and after the read, so it was the same in between
        if expect is not None and self._stat(key) != expect._replace(key=key):
            raise ObjectChanged(f"{self._shown(key)} changed since it was listed; list it again")
        return data

    # -- writing -------------------------------------------------------------------------------------------------

    def _put_new(self, key: str, data: bytes) -> bool:
        what = f"cannot create {self._shown(key)}"
        if self._protocol not in _ATOMIC:
            raise ConditionalWriteUnsupported(
                f"{what}: {self._protocol}:// has no create-only writes; turn conditional writes off"
            )
        try:
            self._pipe(what, key, data, mode="create")
        except FileExistsError:
            return False
        return True

    def _put(self, key: str, data: bytes) -> None:
        self._pipe(f"cannot write {self._shown(key)}", key, data)

    def _pipe(self, what: str, key: str, data: bytes, **mode: str) -> None:
        if self._with_files(what, _writes_whole):
            try:
                self._request(what, "pipe_file", key, data, length=len(data), **mode)
            except ObjectNotFound as exc:
                raise self._no_bucket(what) from exc
            return
        # in a plain folder a file is visible while it is written
        scratch = f"{SCRATCH}/{uuid.uuid4().hex}"
        for name in (scratch, key):
            self._request(what, "makedirs", name.rpartition("/")[0], exist_ok=True)
        self._request(what, "pipe_file", scratch, data)
        root = self._with_files(what, self._path)
        self._request(what, "mv", scratch, f"{root}{key}")

    def _delete(self, key: str) -> None:
        try:
            self._request(f"cannot delete {self._shown(key)}", "rm_file", key)
        except ObjectNotFound:
            return


def _environment() -> int:
    # only a hash, so that no credential is part of a cache key
    return hash(frozenset(item for item in os.environ.items() if item[0].startswith(_ENVIRONMENT)))


def _writes_whole(files: Any) -> bool:
    """Whether objects appear atomically, as in all object stores, whose fsspec classes are asynchronous."""
    return isinstance(files, AsyncFileSystem | MemoryFileSystem)


@functools.lru_cache(maxsize=8)
def _files(bucket: str, process: int, environment: int) -> Any:
    protocol = bucket.partition("://")[0]
    for name in _LOGGERS:  # some log whole requests at DEBUG
        foreign = logging.getLogger(name)
        foreign.setLevel(max(foreign.level, logging.WARNING))
    found: dict[str, Any] = {}
    fsspec.config.set_conf_files(fsspec.config.conf_dir, found)
    fsspec.config.set_conf_env(found)
    kind = fsspec.get_filesystem_class(protocol)
    if protocol == "gs":
        # fsspec's own class first queries Google's control plane over gRPC for the kind of each bucket. That needs
        # another permission and endpoint, and hangs for minutes if only the bucket's endpoint is reachable.
        kind = importlib.import_module("gcsfs.core").GCSFileSystem
    aliases = kind.protocol
    names = (aliases,) if isinstance(aliases, str) else aliases
    settings = {name: value for alias in names for name, value in found.get(alias, {}).items()}
    # other programs create and delete objects, so listings are not cached
    place = kind._get_kwargs_from_urls(bucket)  # the host, if the URI has one
    files = kind(**{**settings, **place, "skip_instance_cache": True, "use_listings_cache": False})
    protect_from_forks(files)
    return files


def _info(key: str, found: dict[str, Any]) -> ObjectInfo:
    moment = next((found[name] for name in _TIMES if found.get(name) is not None), 0)
    if isinstance(moment, datetime):
        moment = moment.timestamp()
    tag = next((str(found[name]) for name in _TAGS if found.get(name)), "")
    seconds = float(moment) if isinstance(moment, int | float) else 0.0
    return ObjectInfo(key, int(found["size"] or 0), round(seconds * 10**6) * 1000, tag.strip('"'))
