"""Names of geometries and optical flow methods, in a module without imports of libraries."""

from __future__ import annotations

from typing import Literal

GeometryKind = Literal["squash", "center", "ten-crop"]
FlowMethod = Literal["tvl1", "dis"]
