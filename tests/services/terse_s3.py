"""An S3 server that holds nothing and refuses with the words of S3: replies to HEAD have a status and no body.

    with TerseS3() as server:
        server.refusals["bucket"] = EXPIRED
        open_store("s3://bucket", StoreOptions(endpoint_url=server.url)).stat("k")      # AccessDenied

A bucket without a refusal does not exist. Bytes on loopback, on a free port; signatures are not looked at.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True)
class Refusal:
    """What every request to a bucket is answered."""

    status: int
    code: str
    message: str = "no"
    more: str = ""
    """XML beside code and message."""
    region_header: str = ""
    """Value of ``x-amz-bucket-region``."""


EXPIRED = Refusal(400, "ExpiredToken", "The provided token has expired.")
CLOCK = Refusal(
    403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
)
MALFORMED = Refusal(
    400,
    "AuthorizationHeaderMalformed",
    "the region 'us-east-1' is wrong; expecting 'eu-central-1'",
    "<Region>eu-central-1</Region>",
)
ELSEWHERE = Refusal(301, "PermanentRedirect", "must be addressed using the specified endpoint", "", "eu-west-1")
KEY_DISABLED = Refusal(400, "KMS.DisabledException", "key disabled")
SLOW_DOWN = Refusal(503, "SlowDown", "Please reduce your request rate.")
NO_BUCKET = Refusal(404, "NoSuchBucket")
NO_KEY = Refusal(404, "NoSuchKey")


class TerseS3:
    """The server, in threads of this process."""

    def __init__(self) -> None:
        self.refusals: dict[str, Refusal] = {}
        """By bucket; may be changed while the server runs."""
        self.requests: Counter[tuple[str, str]] = Counter()
        """How many requests came in, by bucket and method."""
        self.signed = 0
        """How many of them carried an ``Authorization`` header."""
        self._server: ThreadingHTTPServer | None = None
        self.url = ""

    def __enter__(self) -> TerseS3:
        terse = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                bucket = self.path.lstrip("/").partition("/")[0].partition("?")[0]
                terse.requests[bucket, self.command] += 1
                terse.signed += "Authorization" in self.headers
                refusal = terse.refusals.get(bucket, NO_BUCKET)
                words = f"<Code>{refusal.code}</Code><Message>{refusal.message}</Message>{refusal.more}"
                body = b"" if self.command == "HEAD" else f"<Error>{words}</Error>".encode()
                self.send_response_only(refusal.status)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(body)))
                if refusal.region_header:
                    self.send_header("x-amz-bucket-region", refusal.region_header)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
