"""Video ids and content ids: stable and safe. Ids are never used as paths."""

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
    """Return why a text is not a valid video id, or ``None`` if it is valid.

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
    plain = video_id.isascii() and video_id.isprintable()  # skips the slow checks for nearly all ids
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
    """Return a video id of a manifest if it is valid, else raise ``ManifestError`` with the row."""
    problem = id_problem(video_id)
    if problem:
        raise ManifestError(f"{where}: invalid video_id {video_id!r:.120}: {problem}")
    return video_id


def id_from_key(key: str) -> str:
    """Return the id of a listed object: its key relative to the listed root, with extension.

    A key that is not a valid id (see :func:`id_problem`) is replaced by a slug of its name and 16 hex digits of the
    SHA-256 of the key, which is the same on every run.
    """
    if id_problem(key) is None:
        return key
    digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:16]
    path = PurePosixPath(key.encode(errors="replace").decode())
    stem = _SLUG.sub("_", path.stem).strip("._-")[:60] or "video"
    suffix = _SLUG.sub("", path.suffix)[:8]
    return f"{stem}~{digest}{suffix}"


def row_id(video_id: str | None, uri: str, where: str) -> str:
    """Return the id of a manifest row: its validated ``video_id``, or an id derived from its URI."""
    return check_id(video_id, where) if video_id else id_from_key(_SCHEME.sub("", uri).lstrip("/"))


def content_id(video_id: str, *identity: str) -> str:
    """Return 32 hex digits that change when the video's id or any part of its identity changes.

    The id is included because rows contain it: the same bytes with two ids are two videos.
    """
    text = "\x00".join((video_id, *identity))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]
