"""Receipts of units of work: small, plain values, and the only thing that a worker sends back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol


class HasUnitId(Protocol):
    """Has an object of its own in a data set."""

    @property
    def unit_id(self) -> str:
        """32 hex digits; the name of the unit's object."""
        ...


class WorkUnit(HasUnitId, Protocol):
    """A unit of work: run, retried and acknowledged by a receipt as a whole."""

    @property
    def num_clips(self) -> int:
        """Clips that the unit should hold."""
        ...

    def to_row(self) -> dict[str, Any]:
        """Return the unit as plain values that an Arrow block can hold, with ``unit_id``."""
        ...


@dataclass(frozen=True)
class Receipt:
    """Outcome of a unit."""

    unit_id: str
    status: str
    """``done``; ``quarantined`` (the video is at fault); ``suspect`` (the video is at fault if it fails again when run
    alone); ``failed`` (storage, network or machine: retry)."""
    clips: int = 0
    """Clips in the object; each has one row per view."""
    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    decoded_frames: int = 0
    missing: str = "[]"
    """Frame spans that could not be decoded, JSON ``[[start, end], …]``."""
    corrupt_frames: int = 0
    kind: str = ""
    message: str = ""
    node: str = ""
    decode_wait_s: float = 0.0
    model_s: float = 0.0
    store_s: float = 0.0

    def to_row(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)
