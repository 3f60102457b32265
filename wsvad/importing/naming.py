"""What feature files may hold, and which video a file's name means; loads nothing heavy, for whoever only asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from wsvad.options import Option

Layout = Literal["npy", "npy-crops", "segments-text"]
Axes = Literal["clips-first", "crops-first"]
Mismatch = Literal["refuse", "skip", "keep"]
"""What becomes of videos whose number of clips does not fit their number of frames."""

STRIPPED: Mapping[Layout, tuple[str, ...]] = {
    "npy": ("_i3d",),
    "npy-crops": ("_i3d",),
    "segments-text": ("_C", "_c3d"),
}
"""Ends of file names that are no part of a video's name, by layout."""


@dataclass(frozen=True)
class Naming:
    """How file names become video ids: folders and extension go, then one of ``strip``; the rest is put around it."""

    strip: Annotated[tuple[str, ...], Option(metavar="TEXT")] = ()
    """end of names to cut off, the first that fits; may be given again (default: _i3d of .npy, _C and _c3d of .txt)"""
    id_prefix: Annotated[str, Option(metavar="TEXT")] = ""
    """put before the names"""
    id_suffix: Annotated[str, Option(metavar="TEXT")] = ""
    """put behind the names, e.g. .mp4, unless it is there"""

    def id_of(self, name: str, layout: Layout) -> str:
        """Return the video id that a name without folders, extension and crop means."""
        for end in self.strip or STRIPPED[layout]:
            if end and name.endswith(end) and name != end:
                name = name.removesuffix(end)
                break
        suffix = "" if name.endswith(self.id_suffix) else self.id_suffix
        return f"{self.id_prefix}{name}{suffix}"
