"""Bugs that the harness must find, planted in a child process."""

from __future__ import annotations

import os
from typing import Any

from wsvad.errors import StorageError
from wsvad.storage import Created, local
from wsvad.storage.local import LocalStore


def torn_writes() -> None:
    """Write objects in place, in two parts."""

    def put_new(store: Any, key: str, data: bytes) -> bool:
        store._writable_folder(key, "")
        if os.path.lexists(store._path(key)):
            return False
        descriptor = local.os.open(store._path(key), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        half = len(data) // 2
        for part in (data[:half], data[half:]):
            local.os.write(descriptor, part)
        os.close(descriptor)
        return True

    LocalStore._put_new = put_new  # type: ignore[method-assign]


def ignored_errors() -> None:
    """Take a refused write of a unit for done."""
    create = LocalStore.create

    def careless(store: LocalStore, key: str, data: bytes) -> Created:
        try:
            return create(store, key, data)
        except StorageError:
            if key.startswith("units/"):
                return Created.NEW
            raise

    LocalStore.create = careless  # type: ignore[method-assign]
