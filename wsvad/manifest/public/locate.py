"""Locates the videos of a data set below a root, independently of its folder structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import NamedTuple

from wsvad.errors import ManifestError
from wsvad.manifest.public.folder import Folder, stem
from wsvad.manifest.records import VideoRecord
from wsvad.storage import ObjectInfo
from wsvad.storage.uri import parse_uri
from wsvad.text import printable


class Located(NamedTuple):
    """Records with the URIs of their videos, and the missing videos."""

    records: tuple[VideoRecord, ...]
    found: int
    """Number of videos below the root; 0: none of them, and the URIs are the published names."""
    missing: tuple[str, ...]
    """Ids of videos that were left out because they are missing."""


def locate(records: Sequence[VideoRecord], folder: Folder, out: str, *, allow_missing: bool) -> Located:
    """Set the URI of every record: relative if the video is below the manifest's folder, else absolute.

    A video is found by its name without folders and extension. If several files have the same name, one at the
    published path is preferred; copies of the same size are considered equal. If no video of the data set exists
    (annotation files only), the published names are kept: enough to train and evaluate on features.

    Args:
        records: records with published names as ``uri``.
        folder: the root.
        out: URI of the manifest.
        allow_missing: leave out missing videos.

    Raises:
        ManifestError: some videos are missing and ``allow_missing`` is false, or different files share a name.
    """
    chosen = {r.video_id: _choose(r, folder.videos.get(stem(r.uri), ()), folder) for r in records}
    missing = tuple(video_id for video_id, info in chosen.items() if info is None)
    if len(missing) == len(records):
        return Located(tuple(records), 0, ())
    if missing and not allow_missing:
        names = {r.video_id: r.uri for r in records}
        raise ManifestError(
            f"{len(missing)} of {len(records)} videos are not below {printable(folder.uri)}, e.g."
            f" {', '.join(names[i] for i in missing[:3])}{_frames_hint(names[missing[0]], folder)}; complete the copy,"
            " or leave them out with --allow-missing"
        )
    found = [(r, info) for r in records if (info := chosen[r.video_id]) is not None]
    placed = tuple(replace(r, uri=_uri(folder.store.uri_of(info.key), out)) for r, info in found)
    return Located(placed, len(placed), missing)


def _choose(record: VideoRecord, candidates: Sequence[ObjectInfo], folder: Folder) -> ObjectInfo | None:
    if not candidates:
        return None
    at_published_path = [i for i in candidates if f"/{i.key}".endswith(f"/{record.uri}")]
    same_extension = [i for i in candidates if PurePosixPath(i.key).name == PurePosixPath(record.uri).name]
    best = at_published_path or same_extension or list(candidates)
    if len({info.size for info in best}) > 1:
        places = ", ".join(printable(info.key) for info in best)
        raise ManifestError(
            f"{printable(folder.uri)}: {record.video_id} exists more than once, with different sizes: {places};"
            " set --root to the folder with the right one"
        )
    return min(best, key=lambda info: info.key)


def _frames_hint(name: str, folder: Folder) -> str:
    """Return a hint if the video exists as a folder of single frames."""
    wanted = stem(name)
    if any(PurePosixPath(info.key).parent.name == wanted for info in folder.objects):
        return f" ({wanted} is a folder of single frames: encode each such folder as a video first)"
    return ""


def _uri(video: str, out: str) -> str:
    """Return the URI for a manifest: relative if possible, so that manifest and videos can be moved together."""
    location, manifest = parse_uri(video), parse_uri(out)
    if (location.scheme, location.bucket) == (manifest.scheme, manifest.bucket):
        parent = PurePosixPath("/", manifest.path).parent
        path = PurePosixPath("/", location.path)
        if path.is_relative_to(parent):
            return str(path.relative_to(parent))
    return location.path if location.scheme == "file" else location.uri
