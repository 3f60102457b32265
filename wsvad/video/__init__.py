"""Index and decode untrusted video: every file ends in clips, a recorded gap or a named outcome.

Names are imported on first use, so that code that only reads options does not load a decoder.
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
        ReadOptions,
        SeekPoint,
        VideoErrorKind,
        VideoIndex,
    )
    from wsvad.video.flow import crop_flow, require_flow
    from wsvad.video.geometry import Geometry
    from wsvad.video.names import FlowMethod, GeometryKind
    from wsvad.video.process import check_sandbox
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
    "ReadOptions",
    "SeekPoint",
    "VideoErrorKind",
    "VideoIndex",
    "VideoReader",
    "check_sandbox",
    "crop_flow",
    "require_flow",
]

_MODULES = {
    "Clip": "ring",
    "FlowMethod": "names",
    "Geometry": "geometry",
    "GeometryKind": "names",
    "VideoReader": "reader",
    "check_sandbox": "process",
    "crop_flow": "flow",
    "require_flow": "flow",
}
"""Module of each name; names that are not listed are in ``contract``."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, 'contract')}"), name)
    globals()[name] = value
    return value
