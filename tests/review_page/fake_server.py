"""A small server with the API of the served page, which can fail on request."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from wsvad.review.rendering import render_page

TYPES = {".webm": "video/webm", ".jpg": "image/jpeg", ".png": "image/png"}


class Server(ThreadingHTTPServer):
    """Stores the requests and records it received."""

    daemon_threads = True

    def __init__(self, folder: Path, document: dict[str, Any]) -> None:
        """Bind to a free port on this machine."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.document = folder, document
        self.stored: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []
        self.down = False
        self.fresh: dict[str, Any] = {}
        self.reviewer = document.get("reviewer", "")

    @property
    def address(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    """Handles the requests of a connection."""

    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        """Return the page, the document, verdicts, or media with ranges."""
        path, _, query = self.path.partition("?")
        self.server.asked.append(("GET", self.path))
        if path == "/":
            self._send(200, render_page(self.server.document, "served"), "text/html; charset=utf-8")
        elif path.startswith("/media/"):
            self._media(self.server.folder / path[1:])
        elif self.server.down:
            self._json(503, {"error": "the storage cannot be reached"})
        elif path == "/api/review":
            self._json(200, {**self.server.document, "mode": "served"})
        elif path == "/api/verdicts":
            since = int(query.removeprefix("since="))
            self._json(200, {"verdicts": self.server.stored[since:], "next": len(self.server.stored)})
        elif path == "/api/export":
            self._send(200, b"event_id\r\n", "text/csv")
        else:
            self._json(404, {"error": "no such place"})

    def do_POST(self) -> None:
        """Store verdicts before acknowledging them."""
        self.server.asked.append(("POST", self.path))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("X-WSVAD-Request") != "1" or self.headers.get("Origin") != self.server.address[:-1]:
            self._json(403, {"error": "not from the page"})
        elif self.server.down:
            self._json(503, {"error": "the storage cannot be reached"})
        elif self.path == "/api/verdicts":
            if body["note"] == "refuse me":
                self._json(409, {"error": "the id is taken"})
                return
            record = body | {"reviewer": self.server.reviewer}
            self.server.stored.append(record)
            self._json(201, record)
        elif self.path == "/api/clip":
            self._json(200, {"clip": self.server.fresh["clip"]})
        elif self.path == "/api/media":
            self._json(200, self.server.fresh)
        elif self.path == "/api/case":
            self._send(200, b"PK", "application/zip")
        else:
            self._json(404, {"error": "no such place"})

    def _media(self, path: Path) -> None:
        if "expired" in path.parts or not path.is_file():
            self._json(403, {"error": "the link has expired"})
            return
        data = path.read_bytes()
        wanted = self.headers.get("Range")
        if wanted is None:
            self._send(200, data, TYPES[path.suffix], {"Accept-Ranges": "bytes"})
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), int(last) if last else len(data) - 1
        extra = {"Content-Range": f"bytes {start}-{end}/{len(data)}", "Accept-Ranges": "bytes"}
        self._send(206, data[start : end + 1], TYPES[path.suffix], extra)

    def _json(self, status: int, value: Any) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str, extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(folder: Path, document: dict[str, Any]) -> Iterator[Server]:
    """Serve until the end of the block."""
    server = Server(folder, document)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
