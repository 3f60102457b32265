"""Buckets in folders, below the real client of S3: everything above s3fs is the product's own code.

A bucket is a folder and an object is a file in it, so that objects outlive a killed process and can be compared. The
errors are those that s3fs raises.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from s3fs.errors import translate_boto_error

from tests.faults.kinds import Fault, Operations, kill
from wsvad.storage import retry, s3_client

Reply = dict[str, Any]

URL = "http://bucket.test"
SLOW_S = 0.02
PAGE = 50
"""Objects per page of a listing; longer listings are several operations."""
_ANSWERS = {
    Fault.BUSY: (503, "SlowDown"),
    Fault.GONE: (503, "ServiceUnavailable"),
    Fault.DENIED: (403, "AccessDenied"),
    Fault.FULL: (507, "XMinioStorageFull"),
}


def install(folder: Path, operations: Operations) -> None:
    """Connect this process to the buckets in a folder, with retries that do not wait."""
    files = _Files(folder, operations)

    async def connect(options: Any, addressing_style: str | None) -> Any:
        return files

    s3_client._open = connect  # type: ignore[assignment]
    retry._FIRST_DELAY_S = 0.001


class _Files:
    """The part of ``S3FileSystem`` that the client uses."""

    anon = False

    def __init__(self, folder: Path, operations: Operations) -> None:
        self._folder = folder
        self._operations = operations
        config = SimpleNamespace(s3={"addressing_style": "path"})
        self._s3 = SimpleNamespace(meta=SimpleNamespace(endpoint_url=URL, config=config))
        self._s3creator = SimpleNamespace(__aexit__=self._leave)

    async def _leave(self, *_: object) -> None:
        """Close nothing."""

    async def _call_s3(self, operation: str, **request: Any) -> Reply:
        fault = self._operations.next(operation, request.get("Key", request.get("Prefix", "")))
        if fault in _ANSWERS:
            raise _answer(operation, *_ANSWERS[fault])
        if fault is Fault.RESET:
            raise aws.ConnectionClosedError(endpoint_url=URL)
        reply: Reply = getattr(self, f"_{operation}")(**request)
        if fault is Fault.KILL_AFTER:
            kill()
        if fault is Fault.LOST_REPLY:
            raise aws.ReadTimeoutError(endpoint_url=URL)
        if fault is Fault.TRUNCATED and "Body" not in reply:
            raise ResponseParserError("unclosed token")
        if "Body" in reply:
            reply["Body"] = _Body(reply["Body"], fault)
        return reply

    def _path(self, request: Reply) -> Path:
        return self._folder / request["Bucket"] / request["Key"]

    def _found(self, operation: str, request: Reply) -> tuple[bytes, Reply]:
        path = self._path(request)
        if not path.is_file():
            raise _answer(operation, 404, "NoSuchKey")
        data, modified = path.read_bytes(), path.stat().st_mtime
        return data, {"ETag": _etag(data), "LastModified": datetime.fromtimestamp(int(modified), UTC)}

    def _head_object(self, **request: Any) -> Reply:
        data, reply = self._found("head_object", request)
        return {**reply, "ContentLength": len(data)}

    def _get_object(self, **request: Any) -> Reply:
        data, reply = self._found("get_object", request)
        if request.get("IfMatch", reply["ETag"]) != reply["ETag"]:
            raise _answer("get_object", 412, "PreconditionFailed")
        if span := re.fullmatch(r"bytes=(\d+)-(\d+)", request.get("Range", "")):
            first, size = int(span[1]), len(data)
            if first >= size:
                raise _answer("get_object", 416, "InvalidRange")
            data = data[first : int(span[2]) + 1]
            reply["ContentRange"] = f"bytes {first}-{first + len(data) - 1}/{size}"
        return {**reply, "ContentLength": len(data), "Body": data}

    def _list_objects_v2(self, Bucket: str, Prefix: str, ContinuationToken: str = "") -> Reply:
        root = self._folder / Bucket
        paths = (path for path in root.rglob("*") if path.is_file())
        keys = sorted(
            (key for key in (path.relative_to(root).as_posix() for path in paths) if key.startswith(Prefix)),
            key=os.fsencode,
        )
        left = [key for key in keys if os.fsencode(key) > os.fsencode(ContinuationToken)]
        items = []
        for key in left[:PAGE]:
            data, found = self._found("list_objects_v2", {"Bucket": Bucket, "Key": key})
            items.append({**found, "Key": key, "Size": len(data)})
        more = {"IsTruncated": True, "NextContinuationToken": left[PAGE - 1]} if len(left) > PAGE else {}
        return {"Contents": items, **more}

    def _put_object(self, Body: bytes, ContentMD5: str, IfNoneMatch: str = "", **request: Any) -> Reply:
        if ContentMD5 != b64encode(hashlib.md5(Body).digest()).decode():
            raise _answer("put_object", 400, "BadDigest")
        path = self._path(request)
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=self._folder)
        with open(number, "wb") as file:
            file.write(Body)
        taken = False
        if IfNoneMatch:
            try:
                os.link(name, path)
            except FileExistsError:
                taken = True
            os.unlink(name)
        else:
            os.replace(name, path)
        if taken:
            raise _answer("put_object", 412, "PreconditionFailed")
        return {"ETag": _etag(Body)}

    def _delete_object(self, **request: Any) -> Reply:
        self._path(request).unlink(missing_ok=True)
        return {}


class _Body:
    """A body that arrives in two halves; of a truncated one only the first."""

    def __init__(self, data: bytes, fault: Fault | None) -> None:
        half = len(data) // 2
        self._parts = [data[:half], data[half:]] if half else [data]
        self._slow_s = SLOW_S if fault is Fault.SLOW else 0.0
        if fault is Fault.TRUNCATED:
            self._parts = self._parts[:-1]

    async def read(self, size: int) -> bytes:
        await asyncio.sleep(self._slow_s)
        if not self._parts:
            return b""
        part, rest = self._parts[0][:size], self._parts[0][size:]
        self._parts[:1] = [rest] if rest else []
        return part

    def close(self) -> None:
        """Close nothing."""


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def _answer(operation: str, status: int, code: str) -> Exception:
    """Return what s3fs raises for an answer; replies to HEAD have no body, and so no code but the status."""
    error = {"Code": str(status) if operation == "head_object" else code, "Message": "injected"}
    answer = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}
    made: Exception = translate_boto_error(aws.ClientError(answer, operation))
    return made
