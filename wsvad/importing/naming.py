"""Layouts of feature files, and the mapping of file names to video ids. Imports nothing heavy, for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from wsvad.options import Option

Layout = Literal["npy", "npy-crops", "segments-text"]
Axes = Literal["clips-first", "crops-first"]
Mismatch = Literal["refuse", "skip", "keep"]
"""What to do with videos whose number of clips does not match their number of frames."""

STRIPPED: Mapping[Layout, tuple[str, ...]] = {
    "npy": ("_i3d",),
    "npy-crops": ("_i3d",),
    "segments-text": ("_C", "_c3d"),
}
"""Suffixes of file names that are not part of a video's name, by layout."""


@dataclass(frozen=True)
class Naming:
    """How file names become video ids: without folders and extension, stripped of a suffix, with prefix and suffix."""

    strip: Annotated[tuple[str, ...], Option(metavar="TEXT")] = ()
    """suffix to strip from file names, repeatable, the first match is used (default: _i3d; of .txt _C and _c3d)"""
    id_prefix: Annotated[str, Option(metavar="TEXT")] = ""
    """prefix of video ids"""
    id_suffix: Annotated[str, Option(metavar="TEXT")] = ""
    """suffix of video ids, e.g. .mp4, added unless present"""

    def id_of(self, name: str, layout: Layout) -> str:
        """Return the video id of a file name without folders, extension and crop number."""
        for end in self.strip or STRIPPED[layout]:
            if end and name.endswith(end) and name != end:
                name = name.removesuffix(end)
                break
        suffix = "" if name.endswith(self.id_suffix) else self.id_suffix
        return f"{self.id_prefix}{name}{suffix}"
