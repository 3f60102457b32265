"""JSON objects that contain their own SHA-256 digest, so that a flipped bit is detected as damage.

The digest is in the first line and covers the bytes of the object without that line. The result is plain JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from wsvad.documents import DocumentError, parse_object
from wsvad.errors import DamagedError

_HEAD = b'{\n "digest": "sha256:'
_END = len(_HEAD) + 64
_TAIL = b'",'


def seal(plain: Mapping[str, Any]) -> bytes:
    """Return ``plain`` as a JSON object with its digest. It must not be empty or have a key ``digest``."""
    assert plain, "an empty object has no second line"
    assert "digest" not in plain, "the key is reserved"
    body = json.dumps(plain, indent=1, sort_keys=True).encode()
    return _HEAD + hashlib.sha256(body).hexdigest().encode() + _TAIL + body[1:]


def is_sealed(data: bytes) -> bool:
    """Whether the bytes start with a digest as written by :func:`seal`."""
    return data.startswith(_HEAD)


def unseal(data: bytes, name: str, fields: Collection[str], *, remedy: str = "") -> dict[str, Any]:
    """Parse and verify an object written by :func:`seal`. Objects of earlier versions have no digest; for these, only
    the names of their fields are checked.

    Args:
        data: bytes of the object.
        name: name of the object, for messages.
        fields: required fields. An object without a digest must have exactly these; one with a digest may have more,
            written by a later version.
        remedy: what to do about damage, for messages.

    Returns:
        The fields without the digest.

    Raises:
        DamagedError: the bytes are not what was written.
    """
    problem = ""
    if is_sealed(data):
        rest = data[_END + len(_TAIL) :]
        found = hashlib.sha256(b"{" + rest).hexdigest().encode()
        if data[len(_HEAD) : _END] != found or data[_END : _END + len(_TAIL)] != _TAIL:
            problem = "its digest does not match its content"
    plain: dict[str, Any] = {}
    if not problem:
        try:
            plain = parse_object(data)
        except DocumentError as error:
            problem = f"{error}" if data else "it is empty"
    if not problem:
        problem = _shape_problem(plain, set(fields), sealed=is_sealed(data))
    if problem:
        raise DamagedError(f"{name} is damaged: {problem}" + (f"; {remedy}" if remedy else ""))
    return {key: value for key, value in plain.items() if key != "digest"}


def _shape_problem(plain: dict[str, Any], fields: set[str], *, sealed: bool) -> str:
    missing, more = sorted(fields - plain.keys()), sorted(plain.keys() - fields)
    if missing:
        return f"it has no {', '.join(missing)}"
    return "" if sealed or not more else f"it has unknown fields {', '.join(repr(name)[:40] for name in more[:4])}"
