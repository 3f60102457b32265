"""Access control of the review server: tokens, sessions, signed picture links, host and origin checks. Nothing is
logged.
"""

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
from wsvad.review.verdicts import MAX_NAME_LENGTH

COOKIE = "wsvad-review"
SESSION_S = 12 * 3600
"""Duration of a session in seconds."""
LINK_S = 900
"""Maximum lifetime of a picture link in seconds."""
_STEP_S = 300
"""Links stay identical for this many seconds, so that a page that is rendered again does not load pictures again."""
MIN_TOKEN_LENGTH = 32
"""Minimum length of a token in a token file, in characters."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_reviewer(name: str) -> str:
    """Return a valid reviewer name, or raise ``UsageError``."""
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise UsageError(f"a reviewer name must have 1 to {MAX_NAME_LENGTH} printable characters, got {name!r:.80}")
    return name


def new_tokens(names: Iterable[str]) -> dict[str, str]:
    """Return a random token for each reviewer."""
    return {check_reviewer(name): secrets.token_urlsafe(32) for name in names}


def read_tokens(path: str) -> dict[str, str]:
    """Read a token file: one line ``TOKEN NAME`` per reviewer; lines that begin with ``#`` are comments.

    Raises:
        UsageError: the file is missing, readable by others, or invalid. Messages never contain a token.
    """
    try:
        file = Path(path)
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--token-file {path}: {getattr(error, 'strerror', None) or 'the file is not UTF-8 text'}"
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError(f"--token-file {path} is readable by other users: chmod 600 {path}")
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        token, _, name = line.strip().partition(" ")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", token) or len(token) < MIN_TOKEN_LENGTH:
            raise UsageError(
                f"--token-file {path}, line {number}: a token must have at least {MIN_TOKEN_LENGTH} characters A-Z a-z "
                "0-9 _ -"
            )
        name = check_reviewer(name.strip())
        if name in found or token in found.values():
            raise UsageError(f"--token-file {path}, line {number}: duplicate name or token")
        found[name] = token
    if not found:
        raise UsageError(
            f"--token-file {path} contains no token; create one: "
            "`python -c 'import secrets; print(secrets.token_urlsafe())'`"
        )
    return found


@dataclass(frozen=True)
class Access:
    """Reviewers' tokens, and a key of this process that signs sessions and links."""

    digests: Mapping[str, bytes]
    """SHA-256 digest of each reviewer's token; the tokens are not stored."""
    hosts: frozenset[str]
    """Allowed values of the Host header, in lower case."""
    secure: bool = False
    """Whether cookies are restricted to TLS."""
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @classmethod
    def make(cls, tokens: Mapping[str, str], hosts: Iterable[str], *, secure: bool = False) -> Access:
        """Return the access control for these reviewers and host names."""
        digests = {name: hashlib.sha256(token.encode()).digest() for name, token in tokens.items()}
        return cls(digests, frozenset(host.lower() for host in hosts), secure)

    def reviewer_of_token(self, token: str) -> str | None:
        """Return the reviewer of a token; all tokens are compared, each in constant time."""
        given, found = hashlib.sha256(token.encode("utf-8", "replace")).digest(), None
        for name, digest in self.digests.items():
            if hmac.compare_digest(given, digest):
                found = name
        return found

    def session(self, reviewer: str, now: float | None = None) -> str:
        """Return the value of a session cookie."""
        expires = int((time.time() if now is None else now) + SESSION_S)
        payload = f"{expires}.{reviewer.encode().hex()}"
        return f"{payload}.{self._sign('session', payload)}"

    def reviewer_of_session(self, cookie: str, now: float | None = None) -> str | None:
        """Return the reviewer of a session cookie; ``None`` if it is invalid or expired."""
        payload, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign("session", payload).encode()):
            return None
        expires, _, name = payload.partition(".")
        reviewer = bytes.fromhex(name).decode()
        return reviewer if int(expires) > (time.time() if now is None else now) and reviewer in self.digests else None

    def sign(self, reviewer: str, name: str, file: str, now: float | None = None) -> str:
        """Return the query of a picture link for one reviewer, valid for at most ``LINK_S`` seconds."""
        now = time.time() if now is None else now
        expires = int(now // _STEP_S * _STEP_S + LINK_S)
        return f"e={expires}&s={self._sign('link', f'{expires}/{reviewer}/{name}/{file}')}"

    def is_signed(self, reviewer: str, name: str, file: str, expires: str, signature: str) -> bool:
        """Whether a picture link was signed by this process for this reviewer and has not expired."""
        if not re.fullmatch(r"\d{1,12}", expires, re.ASCII):
            return False
        right = self._sign("link", f"{expires}/{reviewer}/{name}/{file}").encode()
        return hmac.compare_digest(signature.encode("utf-8", "replace"), right) and int(expires) > time.time()

    def is_host(self, host: str | None) -> bool:
        """Whether the Host header names this server; other names indicate DNS rebinding."""
        return host is not None and host.lower() in self.hosts

    def is_same_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a request comes from a page of this server."""
        if origin is None or host is None:
            return False
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower() and not parts.path

    def _sign(self, purpose: str, payload: str) -> str:
        return hmac.new(self.key, f"{purpose}\0{payload}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether an address is a loopback address."""
    return host in LOOPBACK


def allowed_hosts(host: str, port: int, names: Iterable[str] = ()) -> list[str]:
    """Return the allowed Host header values: the address (all loopback names for a loopback address) and ``names``."""
    plain = LOOPBACK if is_loopback(host) else (host, os.uname().nodename)
    shown = [f"[{name}]" if ":" in name else name for name in plain if name not in ("0.0.0.0", "::")]
    return [*(f"{name}:{port}" for name in shown), *names]
