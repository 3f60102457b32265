"""Index and decode hostile video: every file ends in clips, in a recorded gap, or in a named outcome.

What is named here is loaded when it is first asked for: whoever only reads options has no use for a decoder.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsvad.video.contract import (
        DOUBTS,
        INDEX_VERSION,
        ISOLATION_KINDS,
        KINDS,
        ByteSource,
        DecodeReport,
        Limits,
        Note,
        Reading,
        SeekPoint,
        VideoErrorKind,
        VideoIndex,
    )
    from wsvad.video.flow import crop_flow, require_flow
    from wsvad.video.geometry import Geometry
    from wsvad.video.names import FlowMethod, GeometryKind
    from wsvad.video.reader import VideoReader
    from wsvad.video.ring import Clip

__all__ = [
    "DOUBTS",
    "INDEX_VERSION",
    "ISOLATION_KINDS",
    "KINDS",
    "ByteSource",
    "Clip",
    "DecodeReport",
    "FlowMethod",
    "Geometry",
    "GeometryKind",
    "Limits",
    "Note",
    "Reading",
    "SeekPoint",
    "VideoErrorKind",
    "VideoIndex",
    "VideoReader",
    "crop_flow",
    "require_flow",
]

_WHERE = {
    "Clip": "ring",
    "FlowMethod": "names",
    "Geometry": "geometry",
    "GeometryKind": "names",
    "VideoReader": "reader",
    "crop_flow": "flow",
    "require_flow": "flow",
}
"""Module of each name; of all others, ``contract``."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_WHERE.get(name, 'contract')}"), name)
    globals()[name] = value
    return value
