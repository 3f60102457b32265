"""``wsvad review --serve``: bind a socket, print the links once, serve until a signal arrives."""

from __future__ import annotations

import json
import logging
import socket
import sys

import uvicorn

from wsvad.errors import EXIT_OK, UsageError
from wsvad.review.access import Access, allowed_hosts, is_loopback, new_tokens, read_tokens
from wsvad.review.app import make_app
from wsvad.review.audit import Audit
from wsvad.review.config import ReviewOptions, ServeOptions
from wsvad.review.detection import require_detector
from wsvad.review.service import ReviewService
from wsvad.storage import open_store
from wsvad.work.target import probe_target

log = logging.getLogger(__name__)

_GRACE_S = 1
"""Seconds for open requests to finish after a signal."""


def serve(options: ReviewOptions, serving: ServeOptions, *, as_json: bool = False) -> int:
    """Serve until a signal arrives.

    Links with tokens are printed once to standard output and never logged.

    Raises:
        UsageError: inconsistent options, or the address cannot be bound.
        StorageError, DamagedError: the data cannot be read, or the root cannot be written.
    """
    if not options.source.root:
        raise UsageError("--serve requires --root of a nightly job, below which verdicts are stored")
    if not is_loopback(serving.host) and not serving.token_file:
        raise UsageError(
            f"--host {serving.host} is reachable from other machines: give --token-file, and use a TLS proxy in "
            "front of "
            "this server"
        )
    require_detector(options.media)
    given = read_tokens(serving.token_file) if serving.token_file else {}
    tokens = given or new_tokens(dict.fromkeys(serving.reviewer or ("reviewer",)))
    root = probe_target(open_store(options.source.root, options.source.store))
    service = ReviewService(options, serving.prepare)
    service.open()
    try:
        with _listen(serving) as bound:
            port = int(bound.getsockname()[1])
            shown = f"[{serving.host}]" if ":" in serving.host else serving.host
            url = f"http://{shown}:{port}/"
            hosts = allowed_hosts(serving.host, port, serving.public_name)
            access = Access.make(tokens, hosts, secure=bool(serving.public_name))
            links = {} if given else {name: f"{url}?token={token}" for name, token in tokens.items()}
            _tell(url, links, as_json=as_json)
            config = uvicorn.Config(
                make_app(service, access, Audit(root)),
                access_log=False,  # it would contain tokens
                log_config=None,
                server_header=False,
                date_header=False,
                lifespan="off",
                ws="none",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=_GRACE_S,
                h11_max_incomplete_event_size=1 << 16,
                limit_concurrency=200,
            )
            uvicorn.Server(config).run(sockets=[bound])
    finally:
        service.close()
    return EXIT_OK


def _listen(serving: ServeOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((serving.host, serving.port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise UsageError(f"--host {serving.host} --port {serving.port}: {error.strerror or error}") from error
    return bound


def _tell(url: str, links: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"url": url, "links": links}) + "\n")
    else:
        sys.stdout.write(f"serving {url} until Ctrl-C\n")
        for name, link in links.items():
            sys.stdout.write(f"{name}: {link}\n")
    sys.stdout.flush()
