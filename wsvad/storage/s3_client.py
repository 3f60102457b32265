"""One S3 connection per process, through s3fs, opened on first use.

s3fs is asynchronous: its requests run on fsspec's event loop in a separate thread, which callers wait for. An
interrupted caller cancels its request.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import io
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import fsspec.config
import s3fs
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp.abc import AbstractStreamWriter
from botocore import exceptions as aws
from fsspec.asyn import get_loop

from wsvad import __version__
from wsvad.errors import UsageError
from wsvad.storage.base import StoreOptions, check_endpoint
from wsvad.storage.event_loop import protect_from_forks, release, wait_for
from wsvad.storage.retry import Transient
from wsvad.storage.s3_errors import FOREIGN_ERRORS, translate_s3_error

Reply = dict[str, Any]

_MAX_CONNECTIONS = 32
_READ_BYTES = 1 << 20
_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_LOGGERS = ("s3fs", "fsspec", "aiobotocore", "botocore", "aiohttp")
_SMALL_BODY_BYTES = 256 << 10
_BLOCK_BYTES = 128 << 10
_CONTINUE_S = 1.0
_CLOSE_S = 1.0


class S3Client:
    """S3 requests, each a single attempt. Safe to share between threads, but not across a fork."""

    def __init__(self, files: s3fs.S3FileSystem, options: StoreOptions, loop: asyncio.AbstractEventLoop) -> None:
        self._files = files
        self._options = options
        self._loop = loop
        self.anonymous = bool(files.anon)
        """Whether requests are unsigned, by our options or by fsspec's configuration."""
        weakref.finalize(self, _close, files, loop, os.getpid(), protect_from_forks((files, loop)))

    def call(self, operation: str, **request: Any) -> Reply:
        """Make one request with a small reply. Raises one of ``FOREIGN_ERRORS``."""
        return wait_for(self._loop, self._call(operation, request, 0))

    def send(self, data: bytes, **request: Any) -> Reply:
        """Write one object. Raises one of ``FOREIGN_ERRORS``."""
        return wait_for(self._loop, self._call("put_object", {**request, "Body": data}, len(data)))

    def fetch(self, length_of: Callable[[Reply], int], **request: Any) -> tuple[Reply, bytes]:
        """Return the reply of a GET and as many bytes of its body as ``length_of(reply)``.

        Raises:
            Transient: the body was truncated, or came slower than ``options.min_bytes_per_s``.
            Exception: one of ``FOREIGN_ERRORS``, or an exception of ``length_of``.
        """
        return wait_for(self._loop, self._fetch(length_of, request))

    async def _call(self, operation: str, request: Reply, length: int) -> Reply:
        limit_s = self._options.connect_timeout_s + 2 * self._options.read_timeout_s
        try:
            # aiohttp limits the time without received data, but not while it sends
            async with asyncio.timeout(limit_s + length / self._options.min_bytes_per_s):
                reply: Reply = await self._files._call_s3(operation, **request)
        except OSError as exc:
            if isinstance(exc.__cause__, aws.ClientError):
                raise exc.__cause__ from None  # s3fs drops botocore's error code and status
            raise
        return reply

    async def _fetch(self, length_of: Callable[[Reply], int], request: Reply) -> tuple[Reply, bytes]:
        reply = await self._call("get_object", request, 0)
        stream = reply.pop("Body")
        try:
            length = length_of(reply)
            deadline = time.monotonic() + self._options.read_timeout_s + length / self._options.min_bytes_per_s
            parts, got = [], 0
            # read returns what has arrived, so the deadline is also checked while data trickles
            while got < length:
                if time.monotonic() > deadline:
                    raise Transient(f"the reply stalled after {got} of {length} bytes")
                part = await stream.read(min(_READ_BYTES, length - got))
                if not part:
                    raise Transient(f"the reply ended after {got} of {length} bytes")
                parts.append(part)
                got += len(part)
        finally:
            stream.close()
        return reply, b"".join(parts)


class _Request(aiohttp.ClientRequest):
    """Waits at most a second for ``100 Continue``; aiohttp waits forever, but not every store sends it."""

    async def write_bytes(self, *args: Any, **kwargs: Any) -> None:
        if self._continue is not None:
            self.loop.call_later(_CONTINUE_S, _proceed, self._continue)
        await super().write_bytes(*args, **kwargs)


def _proceed(waiting: asyncio.Future[bool]) -> None:
    if not waiting.done():
        waiting.set_result(False)


class _Blocks(aiohttp.Payload):
    """A request body sent block by block, without copies and without a thread per block as for files."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._size = len(data)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(self._value, encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        whole = memoryview(self._value)
        for start in range(0, len(whole), _BLOCK_BYTES):
            await writer.write(whole[start : start + _BLOCK_BYTES])
            await asyncio.sleep(0)  # let other requests proceed


class _Session(AIOHTTPSession):  # type: ignore[misc]
    """An HTTP session without automatic retries, which sends bodies directly.

    aiohttp resends a request by itself when its connection breaks; our own retry loop must decide that.
    """

    async def send(self, request: Any) -> Any:
        if isinstance(request.body, io.BytesIO):
            data = request.body.getvalue()  # not a copy, because nothing was written to it
            request = copy.copy(request)  # botocore derives the next request from the original after a redirect
            if len(data) <= _SMALL_BODY_BYTES:
                # send small bodies immediately: waiting for 100 Continue costs more
                request.body, request.headers = data, copy.copy(request.headers)
                request.headers.pop("Expect", None)
            else:
                request.body = _Blocks(data)
        return await super().send(request)

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)
        # the first has no public setting; the others are constructor arguments, but botocore constructs the session
        session._retry_connection = False
        session._request_class = _Request
        session._read_bufsize = _READ_BYTES
        return session


_TEXT_SETTINGS = ("key", "secret", "token", "username", "password", "profile", "endpoint_url")
"""Settings of s3fs that must be text; s3fs itself detects a wrong type only when it signs the first request."""

_connecting = threading.Lock()


def _new_lock() -> None:
    global _connecting
    _connecting = threading.Lock()  # another thread of the parent may hold the old one


os.register_at_fork(after_in_child=_new_lock)


def _close(files: s3fs.S3FileSystem, loop: asyncio.AbstractEventLoop, process: int, held: int) -> None:
    """Close a client's connections when it is garbage-collected or the process ends."""
    if process != os.getpid() or not loop.is_running():
        return
    release(held)
    future = asyncio.run_coroutine_threadsafe(files._s3creator.__aexit__(None, None, None), loop)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        try:
            future.result(_CLOSE_S)
        except Exception:
            logging.getLogger(__name__).debug("a connection to S3 was not closed cleanly")


def s3_client(options: StoreOptions) -> S3Client:
    """Return this process's client for these options and the current AWS and fsspec environment.

    A forked process gets its own client (sockets must not be shared), and so does a changed environment.

    Raises:
        UsageError: profile, configuration file or endpoint cannot be used.
    """
    # only a hash, so that no credential is part of a cache key
    environment = hash(frozenset(item for item in os.environ.items() if item[0].startswith(("AWS_", "FSSPEC_"))))
    with _connecting:
        return _connect(options, os.getpid(), environment)


@functools.lru_cache(maxsize=8)
def _connect(options: StoreOptions, process: int, environment: int) -> S3Client:
    # at DEBUG these loggers log whole requests with the session token; at INFO only that credentials were found
    for name in _LOGGERS:
        foreign = logging.getLogger(name)
        foreign.setLevel(max(foreign.level, logging.WARNING))
    what, loop = "cannot connect to S3", get_loop()
    try:
        files = wait_for(loop, _open(options, addressing_style=None))
        meta = files._s3.meta
        check_endpoint(meta.endpoint_url)
        custom = not (urlsplit(meta.endpoint_url).hostname or "").endswith(_AWS_HOSTS)
        if custom and not (meta.config.s3 or {}).get("addressing_style"):
            # S3-compatible stores seldom have a DNS name per bucket
            files = wait_for(loop, _open(options, addressing_style="path"))
    except FOREIGN_ERRORS as exc:
        raise translate_s3_error(exc, what) from exc
    except (KeyError, TypeError, ValueError) as exc:
        raise UsageError(
            f"{what}: the endpoint, the region or fsspec's configuration cannot be used; check AWS_ENDPOINT_URL,"
            " AWS_REGION and FSSPEC_S3*"
        ) from (None if isinstance(exc, KeyError | TypeError) else exc)
    return S3Client(files, options, loop)


async def _open(options: StoreOptions, addressing_style: str | None) -> s3fs.S3FileSystem:
    settings = _settings(options)
    config: dict[str, Any] = settings.setdefault("config_kwargs", {})
    if addressing_style:
        config["s3"] = {**config.get("s3", {}), "addressing_style": addressing_style}
    # asynchronous: we await its coroutines and close it ourselves, because s3fs would also close it in a forked child
    files = s3fs.S3FileSystem(asynchronous=True, skip_instance_cache=True, **settings)
    files.retries = 1
    await files.set_session()
    return files


def configured_by_fsspec() -> dict[str, Any]:
    """Return fsspec's settings of ``s3`` (from files and the current ``FSSPEC_S3*``). They may contain secrets.

    A variable that was set when fsspec was imported still applies after it was unset, because fsspec keeps it.
    """
    found: dict[str, Any] = {}
    fsspec.config.set_conf_files(fsspec.config.conf_dir, found)
    fsspec.config.set_conf_env(found)
    return {**fsspec.config.conf.get("s3", {}), **found.get("s3", {})}


def _settings(options: StoreOptions) -> dict[str, Any]:
    """Return arguments for s3fs: fsspec's configuration, overridden by our options."""
    settings = configured_by_fsspec()
    if any(not isinstance(settings.get(name), str | None) for name in _TEXT_SETTINGS):
        raise TypeError("text is expected")  # without the name, as the value may be a secret
    client = dict(settings.get("client_kwargs") or {})
    if options.endpoint_url:
        settings["endpoint_url"] = options.endpoint_url
    if options.region:
        client["region_name"] = options.region
    if options.profile or options.anonymous:
        for name in ("key", "secret", "token", "username", "password"):
            settings.pop(name, None)
        for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"):
            client.pop(name, None)
        settings["anon"] = options.anonymous
    if options.profile:
        settings["profile"] = options.profile
    settings["client_kwargs"] = client
    settings["config_kwargs"] = {
        **(settings.get("config_kwargs") or {}),
        "connect_timeout": options.connect_timeout_s,
        "read_timeout": options.read_timeout_s,
        "max_pool_connections": _MAX_CONNECTIONS,
        "tcp_keepalive": True,
        "http_session_cls": _Session,
        # only our own retry loop, because theirs do not cover a body that breaks while it is read
        "retries": {"mode": "standard", "total_max_attempts": 1},
        # some compatible stores refuse the newer trailing checksums; Content-MD5 is supported by all
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        # botocore would otherwise rebuild its own for every request, a tenth of the cost of a small one
        "user_agent": f"wsvad/{__version__} s3fs/{s3fs.__version__}",
    }
    return settings
