"""An S3 server (moto) in its own process.

    with MotoServer() as server:
        bucket = server.make_bucket()
        open_store(f"s3://{bucket}", StoreOptions(endpoint_url=server.url))

Any credentials are accepted. The process ends with ``stop``, and by itself when its parent dies.
"""

from __future__ import annotations

import functools
import io
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test-key",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What an environment needs to talk to the server, its address apart."""


class MotoServer:
    """One server; its buckets live in its memory."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count()
        self.url = ""

    def start(self) -> MotoServer:
        """Start the process and wait until it listens (2-4 s)."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.services.moto_server"],
            cwd=Path(__file__).resolve().parents[2],
            # small pages, so that every longer listing is a paginated one
            env={**os.environ, **CREDENTIALS, "MOTO_S3_DEFAULT_MAX_KEYS": "100"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the moto server did not start, exit code {self._process.wait()}")
        self.url = f"http://127.0.0.1:{int(port)}"
        return self

    def stop(self) -> None:
        """End the process, and wait for its end."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @functools.cached_property
    def client(self) -> Any:
        """A plain boto3 client straight to the server, for looking at it from outside."""
        return boto3.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        ).client("s3", endpoint_url=self.url, config=Config(proxies={}))

    def make_bucket(self, name: str | None = None) -> str:
        """Make an empty bucket and return its name."""
        name = name or f"bucket-{os.getpid()}-{next(self._names)}"
        self.client.create_bucket(Bucket=name)
        return name

    def __enter__(self) -> MotoServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def one_at_a_time(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Make a WSGI application handle one request after the other.

    moto looks for the key and writes it in two steps; S3 does both at once, which is what create-only is about. The
    body is read before the lock is taken, so that a client that stalls holds up nobody else.
    """
    lock = threading.Lock()

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ.get("wsgi.input_terminated"):
            length = int(environ.get("CONTENT_LENGTH") or 0)
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        with lock:
            return [b"".join(app(environ, start_response))]

    return serve


def _serve_until_the_parent_is_gone() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    class QuietHandler(MotoRequestHandler):
        def log_request(self, *args: Any) -> None:
            """Say nothing: a test's output is about the test."""

    app = one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    print(server.server_port, flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    _serve_until_the_parent_is_gone()
