"""A review server in a thread of the test, and a client that sends requests like a browser."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvicorn

from wsvad.review.access import Access, allowed_hosts
from wsvad.review.app import make_app
from wsvad.review.audit import Audit
from wsvad.review.config import ReviewOptions, SourceOptions
from wsvad.review.service import ReviewService

TOKENS = {"ann": "a" * 43, "bob": "b" * 43}


class Answer(NamedTuple):
    """A response of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the parsed JSON body."""
        return json.loads(self.body)


class Browser:
    """Sends requests like a page of the server; headers can be overridden."""

    def __init__(self, port: int, reviewer: str | None = None) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.cookie = ""
        if reviewer:
            answer = self.get(f"/?token={TOKENS[reviewer]}")
            assert answer.status == 200
            self.cookie = answer.headers["set-cookie"].partition(";")[0]

    def get(self, path: str, **headers: str | None) -> Answer:
        """Send a GET request."""
        return self.send("GET", path, None, headers)

    def post(self, path: str, value: Any, **headers: str | None) -> Answer:
        """Post a JSON value like the page."""
        own = {"x_wsvad_request": "1", "origin": f"http://{self.host}", "content_type": "application/json"}
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.send("POST", path, body, {**own, **headers})

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str | None]) -> Answer:
        """Send a request; underscores in header names become dashes, None omits a header."""
        every = {"host": self.host, "cookie": self.cookie or None, **headers}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in every.items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        connection.close()
        return found


@contextmanager
def serving(root: str, prepare: int = 0, **options: Any) -> Iterator[tuple[int, ReviewService]]:
    """Serve a nightly job; yield the port and the server's state."""
    desk = ReviewService(ReviewOptions(SourceOptions(root=root), **options), prepare)
    desk.open()
    config = uvicorn.Config(
        "unused", log_config=None, access_log=False, lifespan="off", ws="none", port=0, server_header=False
    )
    server = uvicorn.Server(config)
    thread: threading.Thread | None = None
    try:
        bound = config.bind_socket()
        port = bound.getsockname()[1]
        config.app = make_app(desk, Access.make(TOKENS, allowed_hosts("127.0.0.1", port)), Audit(desk.root))
        thread = threading.Thread(target=lambda: server.run(sockets=[bound]))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield port, desk
    finally:
        server.should_exit = True
        if thread:
            thread.join()
        desk.close()
