"""Store on S3 or an S3-compatible service."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from wsvad.errors import ObjectChanged, ObjectNotFound, StorageError, UsageError
from wsvad.storage.base import ConditionalWriteUnsupported, ObjectInfo, Store, StoreOptions
from wsvad.storage.retry import with_retries
from wsvad.storage.s3_client import Reply, S3Client, s3_client
from wsvad.storage.s3_errors import (
    FOREIGN_ERRORS,
    FeatureMissing,
    PreconditionFailed,
    RangeBeyondEnd,
    explains,
    is_unexplained,
    translate_s3_error,
)
from wsvad.storage.uri import Location, key_problem

T = TypeVar("T")

_MAX_KEY_BYTES = 1024


class S3Store(Store):
    """A bucket, or a prefix of one.

    Every write is a single PUT, so objects appear atomically and killed writers leave nothing behind. Reads are checked
    for length; writes carry an MD5 that the store verifies.
    """

    scheme: ClassVar[str] = "s3"

    def __init__(self, location: Location, options: StoreOptions) -> None:
        super().__init__(location.uri, options)
        self._bucket = location.bucket
        self._prefix = location.prefix

    def uri_of(self, key: str) -> str:
        """Return the ``s3`` URI of one object; the key is taken literally."""
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def key_problem(self, key: str) -> str | None:
        """Return why a key cannot be read. ``//`` is allowed, because S3 takes keys literally."""
        return key_problem(key, literal=True)

    def _check_writable_key(self, key: str) -> str:
        if "//" in f"/{self._prefix}":
            raise UsageError(
                f"cannot write below {self.uri}: its prefix has an empty segment ('//'), which is supported for reading"
                " only; leave out the second slash"
            )
        return super()._check_writable_key(key)

    def _check_key(self, key: str) -> str:
        super()._check_key(key)
        try:
            length = len((self._prefix + key).encode())
        except UnicodeEncodeError as exc:
            raise UsageError(f"the key {key!r} is not valid Unicode, which S3 requires (store {self.uri})") from exc
        if length > _MAX_KEY_BYTES:
            raise UsageError(f"the key has {length} bytes, S3 allows {_MAX_KEY_BYTES}: {key[:80]!r}... ({self.uri})")
        return key

    def _request(self, what: str, send: Callable[[S3Client], T]) -> T:
        client = s3_client(self.options)

        def attempt() -> T:
            try:
                return send(client)
            except FOREIGN_ERRORS as exc:
                raise translate_s3_error(exc, what, anonymous=client.anonymous) from exc

        return with_retries(attempt, what, self.options)

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    # -- reading -------------------------------------------------------------------------------------------------

    def _stat(self, key: str) -> ObjectInfo:
        def send(s3: S3Client) -> ObjectInfo:
            try:
                reply = s3.call("head_object", **self._at(key))
            except FOREIGN_ERRORS as exc:
                if not is_unexplained(exc):
                    raise
                return self._stat_by_reading(s3, key, exc)
            return _info(key, reply["ContentLength"], reply["LastModified"], _tag(reply))

        return self._request(f"cannot stat {self._shown(key)}", send)

    def _stat_by_reading(self, s3: S3Client, key: str, unexplained: Exception) -> ObjectInfo:
        """Request the first byte after HEAD failed: replies to HEAD have no body that could explain the failure."""
        try:
            reply, _ = s3.fetch(lambda _: 0, **self._at(key), Range="bytes=0-0")
        except FOREIGN_ERRORS as exc:
            raise (exc if explains(exc) else unexplained) from None
        size = re.fullmatch(r"bytes 0-0/(\d+)", reply.get("ContentRange", ""))
        return _info(key, int(size[1]) if size else reply["ContentLength"], reply["LastModified"], _tag(reply))

    def _list(self, prefix: str) -> Iterator[ObjectInfo]:
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        while True:
            page = self._request(f"cannot list {self.uri}", lambda s3: s3.call("list_objects_v2", **request))
            for item in page.get("Contents", ()):
                # consoles represent a folder by an empty object whose key ends with a slash
                if item["Size"] or not item["Key"].endswith("/"):
                    key = item["Key"].removeprefix(self._prefix)
                    yield _info(key, item["Size"], item["LastModified"], _tag(item))
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def _read(self, key: str) -> bytes:
        def send(s3: S3Client) -> bytes:
            return s3.fetch(lambda reply: int(reply["ContentLength"]), **self._at(key))[1]

        return self._request(f"cannot read {self._shown(key)}", send)

    def _read_range(self, key: str, start: int, end: int, expect: ObjectInfo | None) -> bytes:
        what = f"cannot read {self._shown(key)}"
        request = {**self._at(key), "Range": f"bytes={start}-{end - 1}"}
        if expect is not None and expect.etag:
            request["IfMatch"] = f'"{expect.etag}"'

        def span_of(reply: Reply) -> tuple[int, int]:
            span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", reply.get("ContentRange", ""))
            first, last, size = (int(number) for number in span.groups()) if span else (-1, -1, -1)
            if (first, last) != (start, min(end, size) - 1):
                raise StorageError(f"{what}: the store or a proxy ignores byte ranges, which reading videos requires")
            return last + 1 - first, size

        def send(s3: S3Client) -> tuple[bytes, int, str]:
            reply, data = s3.fetch(lambda reply: span_of(reply)[0], **request)
            return data, span_of(reply)[1], _tag(reply)

        try:
            data, size, etag = self._request(what, send)
        except PreconditionFailed as exc:
            raise self._changed(key) from exc
        except RangeBeyondEnd:
            now = self._stat(key)
            data, size, etag = b"", now.size, now.etag
        # checked here as well, because not every S3-compatible store supports If-Match
        if expect is not None and (size, etag) != (expect.size, expect.etag):
            raise self._changed(key)
        return data

    def _changed(self, key: str) -> ObjectChanged:
        return ObjectChanged(f"{self._shown(key)} changed since it was listed (size or ETag); list it again")

    # -- writing -------------------------------------------------------------------------------------------------

    def _put_new(self, key: str, data: bytes) -> bool:
        try:
            self._send(key, data, f"cannot create {self._shown(key)}", IfNoneMatch="*")
        except PreconditionFailed:
            return False
        except FeatureMissing as exc:
            raise ConditionalWriteUnsupported(
                f"cannot create {self._shown(key)}: the store has no create-only writes; turn conditional writes off"
            ) from exc
        return True

    def _put(self, key: str, data: bytes) -> None:
        self._send(key, data, f"cannot write {self._shown(key)}")

    def _send(self, key: str, data: bytes, what: str, **condition: str) -> None:
        digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()

        def send(s3: S3Client) -> None:
            s3.send(data, **self._at(key), **condition, ContentMD5=digest)

        self._request(what, send)

    def _delete(self, key: str) -> None:
        try:
            self._request(f"cannot delete {self._shown(key)}", lambda s3: s3.call("delete_object", **self._at(key)))
        except ObjectNotFound:
            return

    def _holds(self, key: str, data: bytes) -> bool:
        info = self._stat(key)
        # the ETag of a plain PUT is the MD5; otherwise (KMS, multipart) compare the bytes
        if info.etag == hashlib.md5(data, usedforsecurity=False).hexdigest():
            return info.size == len(data)
        return info.size == len(data) and self._read(key) == data


def _info(key: str, size: int, modified: datetime, etag: str) -> ObjectInfo:
    # whole seconds, because HEAD has no finer resolution and listings must agree with it
    return ObjectInfo(key, int(size), int(modified.timestamp()) * 10**9, etag)


def _tag(reply: dict[str, Any]) -> str:
    return str(reply.get("ETag", "")).strip('"')
