"""Index and decode hostile video: every file ends in clips, in a recorded gap, or in a named outcome."""

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
from wsvad.video.flow import FlowMethod, crop_flow, require_flow
from wsvad.video.geometry import Geometry, GeometryKind
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
