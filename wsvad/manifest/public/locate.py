"""Find the videos of a data set below a root, whatever folders they were sorted into."""

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
    """The records with the URIs of their videos, and what was not there."""

    records: tuple[VideoRecord, ...]
    found: int
    """Videos that are below the root; 0: there is none of them, and the URIs are the published names."""
    missing: tuple[str, ...]
    """Ids of those left out because they are not there."""


def locate(records: Sequence[VideoRecord], folder: Folder, out: str, *, allow_missing: bool) -> Located:
    """Give every record the URI of its video: relative where it lies below the manifest's folder, else absolute.

    A video is found by its name without folders and extension. Of several with one name, one at the published path
    wins, then copies of one size count as the same. Where not one video of the data set is there (annotation files
    only), the published names stay: enough to train and evaluate on features.

    Args:
        records: ``uri`` holds the published name.
        folder: the root.
        out: URI of the manifest to come.
        allow_missing: leave out what is not there.

    Raises:
        ManifestError: some are there and others are not, unless ``allow_missing``; or two that differ share a name.
    """
    chosen = {r.video_id: _choose(r, folder.videos.get(stem(r.uri), ()), folder) for r in records}
    missing = tuple(video_id for video_id, info in chosen.items() if info is None)
    if len(missing) == len(records):
        return Located(tuple(records), 0, ())
    if missing and not allow_missing:
        names = {r.video_id: r.uri for r in records}
        raise ManifestError(
            f"{len(missing)} of {len(records)} videos are not below {printable(folder.uri)}, e.g."
            f" {', '.join(names[i] for i in missing[:3])}{_pictures(names[missing[0]], folder)}; complete the copy, or"
            " leave them out with --allow-missing"
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
            f"{printable(folder.uri)}: {record.video_id} is there more than once, in different sizes: {places};"
            " point --root at the folder that has the right one"
        )
    return min(best, key=lambda info: info.key)


def _pictures(name: str, folder: Folder) -> str:
    """A hint where the video is there as a folder of pictures."""
    wanted = stem(name)
    if any(PurePosixPath(info.key).parent.name == wanted for info in folder.objects):
        return f" ({wanted} is there as a folder of single frames: encode each such folder as a video first)"
    return ""


def _uri(video: str, out: str) -> str:
    """A video's URI as the manifest says it, so that a manifest beside its videos can move with them."""
    there, manifest = parse_uri(video), parse_uri(out)
    if (there.scheme, there.bucket) == (manifest.scheme, manifest.bucket):
        parent = PurePosixPath("/", manifest.path).parent
        path = PurePosixPath("/", there.path)
        if path.is_relative_to(parent):
            return str(path.relative_to(parent))
    return there.path if there.scheme == "file" else there.uri
