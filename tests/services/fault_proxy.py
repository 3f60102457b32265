"""An HTTP proxy in front of one server that breaks what passes through it, as told.

    with FaultProxy(server.url, seed=1) as proxy:
        proxy.add(Rule(Fault.LOST_REPLY, method="PUT"))                          # the next PUT, once
        proxy.add(Rule(Fault.SLOW_DOWN, probability=0.2, times=None))            # a fifth of all requests, for ever
        ... talk to proxy.url ...
        assert proxy.injected[Fault.LOST_REPLY] == 1

The first rule that applies to a request decides; a fault that cannot happen (a reply without a body cannot be cut
short) is not counted and not used up. Everything is bytes on loopback; nothing is known of S3 beyond one error body.
"""

from __future__ import annotations

import enum
import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

_ERROR_BODY = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>"


class Fault(enum.Enum):
    """What can be done to a request."""

    SLOW_DOWN = "503 SlowDown; the server never sees the request"
    REFUSE = "501 NotImplemented; the server never sees the request"
    FORBID = "405 MethodNotAllowed; the server never sees the request"
    DENY = "403 AccessDenied; the server never sees the request"
    EXPIRE = "400 ExpiredToken; the server never sees the request"
    FULL = "507 XMinioStorageFull; the server never sees the request"
    RESET = "connection reset; the server never sees the request"
    LOST_REPLY = "the server carries the request out, then the connection is reset before the reply"
    TRUNCATE = "the whole length is announced, half the body is sent, the connection is closed"
    TRICKLE = "the body comes in 32 pieces over `trickle_s` seconds"


_ANSWERS = {
    Fault.SLOW_DOWN: (503, "SlowDown"),
    Fault.REFUSE: (501, "NotImplemented"),
    Fault.FORBID: (405, "MethodNotAllowed"),
    Fault.DENY: (403, "AccessDenied"),
    Fault.EXPIRE: (400, "ExpiredToken"),
    Fault.FULL: (507, "XMinioStorageFull"),
}


@dataclass
class Rule:
    """One kind of trouble, and which requests it befalls."""

    fault: Fault
    method: str | None = None
    """GET, PUT, ...; None: any."""
    path: str = ""
    """Any part of the request's path and query."""
    header: str | None = None
    """Only requests that carry this header; None: any."""
    times: int | None = 1
    """How often at most; None: for ever."""
    after: int = 0
    """How many requests that would have matched pass first."""
    probability: float = 1.0
    """Chance of each, from the proxy's seed."""
    trickle_s: float = 1.0
    """Seconds that a trickled body takes."""


class FaultProxy:
    """A reverse proxy on a free loopback port, in threads of this process."""

    def __init__(self, upstream: str, seed: int = 0, drop_headers: tuple[str, ...] = ()) -> None:
        """``drop_headers`` never reach the server: without ``If-None-Match`` it is a store that ignores create-only."""
        parts = urlsplit(upstream)
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"expected http://host:port, got {upstream}")
        self.upstream = (parts.hostname, parts.port)
        self.injected: Counter[Fault] = Counter()
        """How often each fault really happened."""
        self.requests: Counter[str] = Counter()
        """How many requests came in, by method."""
        self.connections = 0
        """How many connections were accepted."""
        self.dropped = {name.lower() for name in (*drop_headers, "Expect", "Connection", "Transfer-Encoding")}
        self._random = random.Random(seed)
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.url = ""

    def add(self, *rules: Rule) -> None:
        """Add rules behind those that are there."""
        with self._lock:
            self._rules += rules

    def clear(self) -> None:
        """Forget every rule; the counts stay."""
        with self._lock:
            self._rules = []

    def start(self) -> FaultProxy:
        """Listen."""
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening and cut every open connection."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def choose(self, method: str, path: str, headers: Message, has_body: bool | None) -> Rule | None:
        """Return the rule for a request (``has_body`` None) or for its reply, and count it as used.

        Faults that need no reply are decided before the request goes on, the others once the reply is known.
        """
        on_reply = (Fault.TRUNCATE, Fault.TRICKLE)
        with self._lock:
            for rule in self._rules:
                matches = rule.method in (None, method) and rule.path in path and rule.times != 0
                matches = matches and (rule.header is None or rule.header in headers)
                decided_now = (rule.fault in on_reply) == (has_body is not None)
                if not matches or not decided_now or has_body is False or self._random.random() >= rule.probability:
                    continue
                if rule.after > 0:
                    rule.after -= 1
                    continue
                if rule.times is not None:
                    rule.times -= 1
                self.injected[rule.fault] += 1
                return rule
        return None

    def count(self, method: str) -> None:
        """Note a request."""
        with self._lock:
            self.requests[method] += 1

    def __enter__(self) -> FaultProxy:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        self.proxy.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in list(self._open):
            _reset(connection)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: broken connections are this server's trade."""


def _reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    except OSError:
        pass  # the client was faster
    connection.close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        proxy = self.server.proxy
        proxy.count(self.command)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        rule = proxy.choose(self.command, self.path, self.headers, None)
        if rule is not None and rule.fault in _ANSWERS:
            status, code = _ANSWERS[rule.fault]
            self._send(status, [("Content-Type", "application/xml")], _ERROR_BODY.format(code=code).encode(), None)
            return
        if rule is not None and rule.fault is Fault.RESET:
            self._hang_up()
            return
        status, headers, reply = self._forward(body)
        if rule is not None:
            self._hang_up()
            return
        self._send(status, headers, reply, proxy.choose(self.command, self.path, self.headers, len(reply) > 1))

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(*self.server.proxy.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in self.server.proxy.dropped:
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            reply = upstream.getresponse()
            headers = [
                (name, value)
                for name, value in reply.getheaders()
                if name.lower() not in ("connection", "transfer-encoding", "content-length")
            ]
            if self.command == "HEAD":
                headers.append(("Content-Length", reply.headers.get("Content-Length", "0")))
            return reply.status, headers, reply.read()
        finally:
            upstream.close()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, rule: Rule | None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD" and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if rule is None:
            self.wfile.write(body)
        elif rule.fault is Fault.TRUNCATE:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        else:
            step = max(1, -(-len(body) // 32))
            for start in range(0, len(body), step):
                time.sleep(rule.trickle_s / 32)
                self.wfile.write(body[start : start + step])

    def _hang_up(self) -> None:
        self.close_connection = True
        _reset(self.connection)
