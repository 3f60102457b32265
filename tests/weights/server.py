"""A local web server that simulates failures of real servers."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Behaviour:
    """Settings for the responses to the next requests."""

    content: bytes = b""
    etag: str = '"v1"'
    ranges: bool = True
    """Whether ranges are supported; else the whole file is sent."""
    break_after: list[int] = field(default_factory=list)
    """Bytes after which each of the next responses is interrupted."""
    statuses: list[int] = field(default_factory=list)
    """Status of each of the next responses, before any file is served."""
    says_length: bool = True
    location: str = ""
    """Redirect target of ``/moved``."""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and headers of all requests so far."""


class WebServer:
    """Serves one file under every path, on 127.0.0.1."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        handler = type("Handler", (_Handler,), {"behaviour": behaviour})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def use_tls(self, certificate: Path) -> None:
        """Use TLS from now on, with a PEM file that holds a certificate of ``localhost`` and its key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[WebServer]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        does = self.behaviour
        does.requests.append((self.path, dict(self.headers)))
        if does.statuses:
            self._answer(does.statuses.pop(0), {}, b"no")
        elif self.path == "/moved":
            self._answer(302, {"Location": does.location}, b"")
        else:
            self._serve()

    def _serve(self) -> None:
        does = self.behaviour
        requested = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, does.etag)
        start = int(requested[1]) if requested and does.ranges and same else 0
        headers = {"ETag": does.etag} if does.etag else {}
        if start > len(does.content) or (start and start == len(does.content)):
            self._answer(416, {"Content-Range": f"bytes */{len(does.content)}"}, b"")
            return
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(does.content) - 1}/{len(does.content)}"
        self._answer(206 if start else 200, headers, does.content[start:])

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        does = self.behaviour
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if does.says_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        breaks = does.break_after.pop(0) if does.break_after and status in (200, 206) else len(body)
        self.wfile.write(body[:breaks])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass
