"""Who may look: tokens, sessions, signed links to pictures, and which requests are a page's own. Nothing is logged."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from wsvad.errors import UsageError
from wsvad.review.verdicts import LONGEST_NAME

COOKIE = "wsvad-review"
SESSION_S = 12 * 3600
"""Seconds that a session lasts after its link was opened."""
LINK_S = 900
"""Most seconds that a link to a picture lasts."""
_STEP_S = 300
"""Links are the same for so long, so that a page that is drawn again loads nothing again."""
LEAST_TOKEN = 32
"""Characters of a token in a file of tokens."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_reviewer(name: str) -> str:
    """Return the name of a reviewer, or raise ``UsageError``."""
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise UsageError(f"a reviewer has a short name, got {name!r:.80}")
    return name


def new_tokens(names: Iterable[str]) -> dict[str, str]:
    """Return a random token for each reviewer."""
    return {check_reviewer(name): secrets.token_urlsafe(32) for name in names}


def read_tokens(path: str) -> dict[str, str]:
    """Read a file of tokens: a line ``TOKEN NAME`` for each reviewer; lines that begin with ``#`` are left out.

    Raises:
        UsageError: no such file, others may read it, or what it says cannot be. No message has a token in it.
    """
    try:
        file = Path(path)
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"--token-file {path}: {getattr(error, 'strerror', None) or 'it is no text'}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError(f"--token-file {path} may be read by others: chmod 600 {path}")
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        token, _, name = line.strip().partition(" ")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", token) or len(token) < LEAST_TOKEN:
            raise UsageError(
                f"--token-file {path}, line {number}: a token has at least {LEAST_TOKEN} of A-Z a-z 0-9 _ -"
            )
        name = check_reviewer(name.strip())
        if name in found or token in found.values():
            raise UsageError(f"--token-file {path}, line {number}: the name or the token is there already")
        found[name] = token
    if not found:
        raise UsageError(
            f"--token-file {path} has no token; `python -c 'import secrets; print(secrets.token_urlsafe())'`"
        )
    return found


@dataclass(frozen=True)
class Access:
    """Tokens of reviewers, and a key of this process that signs sessions and links."""

    digests: Mapping[str, bytes]
    """Of each reviewer's token: the tokens themselves are not kept."""
    hosts: frozenset[str]
    """Values that the Host header may have, in lower case."""
    secure: bool = False
    """Whether browsers reach it by TLS alone."""
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @classmethod
    def make(cls, tokens: Mapping[str, str], hosts: Iterable[str], *, secure: bool = False) -> Access:
        """Return access for these reviewers at these names of the server."""
        digests = {name: hashlib.sha256(token.encode()).digest() for name, token in tokens.items()}
        return cls(digests, frozenset(host.lower() for host in hosts), secure)

    def reviewer_of_token(self, token: str) -> str | None:
        """Return whose token it is; every token is compared, each in constant time."""
        given, found = hashlib.sha256(token.encode("utf-8", "replace")).digest(), None
        for name, digest in self.digests.items():
            if hmac.compare_digest(given, digest):
                found = name
        return found

    def session(self, reviewer: str, now: float | None = None) -> str:
        """Return the value of a session's cookie."""
        expires = int((time.time() if now is None else now) + SESSION_S)
        said = f"{expires}.{reviewer.encode().hex()}"
        return f"{said}.{self._sign('session', said)}"

    def reviewer_of_session(self, cookie: str, now: float | None = None) -> str | None:
        """Return whose session a cookie is; None: nobody's, or it has ended."""
        said, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign("session", said).encode()):
            return None
        expires, _, name = said.partition(".")
        reviewer = bytes.fromhex(name).decode()
        return reviewer if int(expires) > (time.time() if now is None else now) and reviewer in self.digests else None

    def sign(self, reviewer: str, name: str, file: str, now: float | None = None) -> str:
        """Return the query of a link to a picture, for one reviewer and at most ``LINK_S`` seconds."""
        now = time.time() if now is None else now
        expires = int(now // _STEP_S * _STEP_S + LINK_S)
        return f"e={expires}&s={self._sign('link', f'{expires}/{reviewer}/{name}/{file}')}"

    def is_signed(self, reviewer: str, name: str, file: str, expires: str, signature: str) -> bool:
        """Whether a link to a picture is of this process, this reviewer, and not too old."""
        if not re.fullmatch(r"\d{1,12}", expires, re.ASCII):
            return False
        right = self._sign("link", f"{expires}/{reviewer}/{name}/{file}").encode()
        return hmac.compare_digest(signature.encode("utf-8", "replace"), right) and int(expires) > time.time()

    def is_host(self, host: str | None) -> bool:
        """Whether a request was sent to this server by its own name: another name is somebody's trick with DNS."""
        return host is not None and host.lower() in self.hosts

    def is_own(self, origin: str | None, host: str | None) -> bool:
        """Whether the page that a request comes from is this server's."""
        if origin is None or host is None:
            return False
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower() and not parts.path

    def _sign(self, purpose: str, said: str) -> str:
        return hmac.new(self.key, f"{purpose}\0{said}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    return host in LOOPBACK


def hosts_of(host: str, port: int, names: Iterable[str] = ()) -> list[str]:
    """Return what the Host header may say: the address, all loopback names for one of them, names that were given."""
    plain = LOOPBACK if is_loopback(host) else (host, os.uname().nodename)
    shown = [f"[{name}]" if ":" in name else name for name in plain if name not in ("0.0.0.0", "::")]
    return [*(f"{name}:{port}" for name in shown), *names]
