"""Video ids and content ids: stable, safe, and never used as a path."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import PurePosixPath

from wsvad.errors import ManifestError

MAX_ID_BYTES = 200
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SLUG = re.compile(r"[^A-Za-z0-9._-]+")


def id_problem(video_id: str) -> str | None:
    """Say why a text cannot be a video id, or return ``None`` where it can.

    An id is at most 200 bytes of UTF-8, relative, in canonical composition (NFC), and has no control characters,
    no empty, ``.`` or ``..`` parts, no backslash, and no white space at its ends.
    """
    if not video_id:
        return "it is empty"
    try:
        encoded = video_id.encode()
    except UnicodeEncodeError:
        return "it is not valid UTF-8"
    if len(encoded) > MAX_ID_BYTES:
        return f"it has {len(encoded)} bytes, more than {MAX_ID_BYTES}"
    plain = video_id.isascii() and video_id.isprintable()  # nearly all, and an archive has many
    if not plain and any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in video_id):
        return "it has control or formatting characters"
    if "\\" in video_id:
        return "it has a backslash"
    if video_id != video_id.strip():
        return "it begins or ends with white space"
    if not plain and unicodedata.normalize("NFC", video_id) != video_id:
        return "it is not in Unicode canonical composition (NFC)"
    if any(part in ("", ".", "..") for part in video_id.split("/")):
        return "it has an empty, '.' or '..' part"
    return None


def check_id(video_id: str, where: str) -> str:
    """Return an id that a manifest states, or raise ``ManifestError`` naming the row."""
    problem = id_problem(video_id)
    if problem:
        raise ManifestError(f"{where}: video_id {video_id!r:.120} cannot be used: {problem}")
    return video_id


def id_from_key(key: str) -> str:
    """Make the id of a listed object: its key below the listed root, extension included.

    A key that is no safe id (see :func:`id_problem`) becomes a readable slug of its name and 16 hex digits of the
    SHA-256 of the whole key: the same on every run, never the key itself.
    """
    if id_problem(key) is None:
        return key
    digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:16]
    path = PurePosixPath(key.encode(errors="replace").decode())
    stem = _SLUG.sub("_", path.stem).strip("._-")[:60] or "video"
    suffix = _SLUG.sub("", path.suffix)[:8]
    return f"{stem}~{digest}{suffix}"


def row_id(video_id: str | None, uri: str, where: str) -> str:
    """Return the id of a manifest's row: the one that it states, checked, or else one made from its URI."""
    return check_id(video_id, where) if video_id else id_from_key(_SCHEME.sub("", uri).lstrip("/"))


def content_id(video_id: str, *identity: str) -> str:
    """Return 32 hex digits that change whenever the video's id or the parts of its identity change.

    The id is part of it because rows carry it: the same bytes under two ids are two videos.
    """
    text = "\x00".join((video_id, *identity))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]
