"""Numbered create-only pointers: the newest one counts, and nobody ever sees half of a change.

A pointer says all that its readers need. Who writes the next one names the pointer that his work started from: of two
that started from the same, the second is refused, and so is one that wakes up after another has gone on.
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
    """One state that was published."""

    number: int
    """From 1."""
    body: Mapping[str, Any]


def pointer_key(folder: str, number: int) -> str:
    """Return the key of a pointer; names sort as numbers do."""
    return f"{folder}{number:08d}.json"


def newest(store: Store, folder: str, fields: Iterable[str]) -> Pointer | None:
    """Return the newest pointer, or ``None`` where nothing was published.

    Args:
        store: that holds the folder.
        folder: key prefix of the pointers, e.g. ``current/``.
        fields: that a pointer must have.

    Raises:
        DamagedError: it is damaged.
        StorageError: the store cannot be read.
    """
    numbers = _numbers(store, folder)
    return read_pointer(store, folder, max(numbers), fields) if numbers else None


def read_pointer(store: Store, folder: str, number: int, fields: Iterable[str]) -> Pointer:
    """Return one pointer. Raises ``ObjectNotFound``, and what :func:`newest` raises."""
    key = pointer_key(folder, number)
    remedy = "what it names is not harmed: delete it, and the one before it counts"
    return Pointer(number, unseal(store.read(key), store.uri_of(key), tuple(fields), remedy=remedy))


def point(store: Store, folder: str, base: Pointer | None, body: Mapping[str, Any]) -> Pointer:
    """Publish a state on top of the one that it was made from.

    Raises:
        ConflictError: another state was published meanwhile; nothing was changed.
        StorageError: the store cannot be written.
    """
    number = base.number + 1 if base else 1
    key = pointer_key(folder, number)
    taken = any(n >= number for n in _numbers(store, folder))  # also where the next one was deleted by hand
    if taken or store.create(key, seal(body)) is Created.DIFFERENT:
        raise ConflictError(
            f"{store.uri_of(key)}: another run has published meanwhile. Nothing was changed; what this run made is "
            "kept, and the same command goes on from there"
        )
    return Pointer(number, body)


def _numbers(store: Store, folder: str) -> list[int]:
    named = (re.fullmatch(r"(\d{8,})\.json", info.key.removeprefix(folder), re.ASCII) for info in store.list(folder))
    return [int(match[1]) for match in named if match]
