"""Numbered create-only pointers: the newest pointer is the current state, and every change is atomic.

A pointer contains everything its readers need. A writer names the pointer that its work is based on. If two writers
start from the same pointer, the second is refused; a writer that resumes after another has published is refused too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wsvad.dataset.sealed import seal, unseal
from wsvad.errors import ConflictError
from wsvad.storage import Created, Store


@dataclass(frozen=True)
class Pointer:
    """One published state."""

    number: int
    """Number, from 1."""
    body: Mapping[str, Any]


def pointer_key(folder: str, number: int) -> str:
    """Return the key of a pointer; keys sort in the order of their numbers."""
    return f"{folder}{number:08d}.json"


def newest(store: Store, folder: str, fields: Iterable[str]) -> Pointer | None:
    """Return the newest pointer, or ``None`` if nothing was published.

    Args:
        store: store that contains the folder.
        folder: key prefix of the pointers, e.g. ``current/``.
        fields: names of required fields.

    Raises:
        DamagedError: the pointer is damaged.
        StorageError: the store cannot be read.
    """
    numbers = _numbers(store, folder)
    return read_pointer(store, folder, max(numbers), fields) if numbers else None


def read_pointer(store: Store, folder: str, number: int, fields: Iterable[str]) -> Pointer:
    """Return one pointer. Raises ``ObjectNotFound`` and the errors of :func:`newest`."""
    key = pointer_key(folder, number)
    remedy = "the data it names is intact: delete this object, and the previous pointer becomes current"
    return Pointer(number, unseal(store.read(key), store.uri_of(key), tuple(fields), remedy=remedy))


def point(store: Store, folder: str, base: Pointer | None, body: Mapping[str, Any]) -> Pointer:
    """Publish a state based on ``base``.

    Raises:
        ConflictError: another state was published after ``base``; nothing was changed.
        StorageError: the store cannot be written.
    """
    number = base.number + 1 if base else 1
    key = pointer_key(folder, number)
    taken = any(n >= number for n in _numbers(store, folder))  # also if the next pointer was deleted by hand
    if taken or store.create(key, seal(body)) is Created.DIFFERENT:
        raise ConflictError(
            f"{store.uri_of(key)}: another run published meanwhile. Nothing was changed. The work of this run is kept; "
            "run the same command again"
        )
    return Pointer(number, body)


def _numbers(store: Store, folder: str) -> list[int]:
    named = (re.fullmatch(r"(\d{8,})\.json", info.key.removeprefix(folder), re.ASCII) for info in store.list(folder))
    return [int(match[1]) for match in named if match]
