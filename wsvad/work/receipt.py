"""The answer to a unit of work: small, plain, and the only thing that a worker sends back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol


class Named(Protocol):
    """What has an object of its own in a data set."""

    @property
    def unit_id(self) -> str:
        """32 hex digits; names the unit's object."""
        ...


class WorkUnit(Named, Protocol):
    """What is run, retried and answered as a whole."""

    @property
    def num_clips(self) -> int:
        """Clips that the unit should hold."""
        ...

    def to_row(self) -> dict[str, Any]:
        """Return plain values that survive a trip through an Arrow block, ``unit_id`` among them."""
        ...


@dataclass(frozen=True)
class Receipt:
    """What became of a unit: the only thing that a worker sends back."""

    unit_id: str
    status: str
    """``done``; ``quarantined`` (evidence against the video); ``suspect`` (evidence only if it repeats alone);
    ``failed`` (storage, network or machine: try again)."""
    clips: int = 0
    """Clips in the object, each ``views`` rows."""
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
        """Return plain values."""
        return asdict(self)
