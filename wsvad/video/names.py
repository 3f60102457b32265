"""Names of geometries and of ways to compute optical flow; loads nothing, for whoever only asks."""

from __future__ import annotations

from typing import Literal

GeometryKind = Literal["squash", "center", "ten-crop"]
FlowMethod = Literal["tvl1", "dis"]
