"""``wsvad review --serve``: bind, say the links once, serve until a signal comes."""

from __future__ import annotations

import json
import logging
import socket
import sys

import uvicorn

from wsvad.errors import EXIT_OK, UsageError
from wsvad.review.access import Access, hosts_of, is_loopback, new_tokens, read_tokens
from wsvad.review.audit import Audit
from wsvad.review.config import ReviewOptions, ServeOptions
from wsvad.review.desk import Desk
from wsvad.review.finding import require_finder
from wsvad.review.serving import make_app
from wsvad.storage import open_store
from wsvad.work.target import probe_target

log = logging.getLogger(__name__)

_GRACE_S = 1
"""Seconds that open requests get when a signal has come."""


def serve(options: ReviewOptions, serving: ServeOptions, *, as_json: bool = False) -> int:
    """Serve until a signal comes, which ends the process as every command.

    Links with tokens are printed once, on standard output, and are in no log.

    Raises:
        UsageError: options that do not fit, or an address that cannot be listened at.
        StorageError, DamagedError: what is to be shown cannot be read, or the root not be written.
    """
    if not options.source.root:
        raise UsageError("--serve needs --root of a nightly job: verdicts are kept below it")
    if not is_loopback(serving.host) and not serving.token_file:
        raise UsageError(
            f"--host {serving.host} can be reached by others: give --token-file, and put something before it that "
            "speaks TLS"
        )
    require_finder(options.media)
    given = read_tokens(serving.token_file) if serving.token_file else {}
    tokens = given or new_tokens(dict.fromkeys(serving.reviewer or ("reviewer",)))
    root = probe_target(open_store(options.source.root, options.source.store))
    desk = Desk(options, serving.prepare)
    desk.open()
    try:
        with _listen(serving) as bound:
            port = int(bound.getsockname()[1])
            shown = f"[{serving.host}]" if ":" in serving.host else serving.host
            url = f"http://{shown}:{port}/"
            hosts = hosts_of(serving.host, port, serving.public_name)
            access = Access.make(tokens, hosts, secure=bool(serving.public_name))
            links = {} if given else {name: f"{url}?token={token}" for name, token in tokens.items()}
            _tell(url, links, as_json=as_json)
            config = uvicorn.Config(
                make_app(desk, access, Audit(root)),
                access_log=False,  # it would have tokens in it
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
        desk.close()
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
