"""Configuration of a data set, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol


class DatasetConfig(Protocol):
    """Everything except the input that the values in a data set depend on."""

    kind: ClassVar[str]
    """Kind of the data set, e.g. ``features``."""

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values."""
        ...

    @property
    def fingerprint(self) -> str:
        """See :func:`fingerprint_of`."""
        ...


def fingerprint_of(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a configuration's canonical JSON."""
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Return one line for each setting in which two configurations differ, for messages."""
    here, there = _flat(mine), _flat(theirs)
    return [
        f"{key}: there {there.get(key)!r}, here {here.get(key)!r}"
        for key in sorted(here.keys() | there.keys())
        if here.get(key) != there.get(key)
    ]


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
