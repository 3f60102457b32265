"""Finds feature files, determines their layout, and maps file names to video ids."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from wsvad.errors import ObjectNotFound, UsageError
from wsvad.importing.naming import Layout, Naming
from wsvad.manifest.ids import id_problem
from wsvad.manifest.listing import Skipped
from wsvad.storage import ObjectInfo, Store, StoreOptions, is_absent, open_object, open_store
from wsvad.storage.uri import is_scratch, parse_uri
from wsvad.text import printable

_UNUSABLE = "unusable name"
_CROP = re.compile(r"(?P<name>.+)__(?P<crop>0|[1-9][0-9]{0,2})")


@dataclass(frozen=True)
class SourceVideo:
    """The files with the features of one video."""

    video_id: str
    files: tuple[ObjectInfo, ...]
    """One file, or one file per crop in the order of the crops."""
    crops: tuple[int, ...] = (0,)
    """Crop numbers from the file names; 0 for a file with all crops."""


@dataclass(frozen=True)
class FeatureFiles:
    """Feature files of a folder or prefix."""

    store: Store
    layout: Layout
    videos: tuple[SourceVideo, ...]
    """Sorted by video id."""
    skipped: tuple[Skipped, ...] = ()
    unusable: tuple[Skipped, ...] = ()
    """The skipped files that are feature files by extension but have unusable names."""


def find_videos(
    uri: str, layout: Layout | None, naming: Naming, options: StoreOptions, output_prefixes: Sequence[str]
) -> FeatureFiles:
    """List the feature files of a file, folder or prefix, and group them by video.

    Args:
        uri: URI of the file, folder or prefix.
        layout: layout of the files; ``None`` detects it from the names.
        naming: how names become ids.
        options: settings of the store.
        output_prefixes: URI prefixes of this program's outputs; other files below them are not reported as skipped.

    Raises:
        UsageError: there is no feature file, there are several layouts, or an id is invalid or shared by two files.
        StorageError: the listing failed.
    """
    store, infos = _listed(uri, options)
    usable: dict[str, ObjectInfo] = {}
    skipped, unusable = [], []
    for info in infos:
        reason = _unusable(store, info.key)
        if reason is None:
            usable[info.key] = info
        elif not store.uri_of(info.key).startswith(tuple(output_prefixes)):
            skipped.append(Skipped(printable(store.uri_of(info.key)), reason))
            if reason.startswith(_UNUSABLE) and _kind(info.key.rstrip("/")):
                unusable.append(skipped[-1])
    layout = layout or _layout_of(usable, uri)
    taken = {}
    for key, info in usable.items():
        if layout == _kind(key) or (layout == "npy" and key.lower().endswith(".npy")):
            taken[key] = info
        else:
            skipped.append(Skipped(printable(store.uri_of(key)), f"not of the layout {layout}"))
    if not taken:
        raise UsageError(f"no feature file of the layout {layout} found in {printable(uri)} ({len(skipped)} others)")
    return FeatureFiles(store, layout, _grouped(store, taken, layout, naming), tuple(skipped), tuple(unusable))


def _listed(uri: str, options: StoreOptions) -> tuple[Store, list[ObjectInfo]]:
    location = parse_uri(uri)
    if not location.names_folder and location.path.strip("/"):
        store, key = open_object(uri, replace(options, follow_links=True))
        try:
            return store, [store.stat(key)]
        except ObjectNotFound:
            pass  # a folder or a prefix
    store = open_store(uri, options)
    found = list(store.list(scratch=True))
    if not found and is_absent(uri):
        raise UsageError(f"{printable(uri)} does not exist")
    return store, [info for info in found if not is_scratch(info.key) or _kind(info.key)]


def _unusable(store: Store, key: str) -> str | None:
    path = PurePosixPath(key)
    problem = store.key_problem(key)
    if problem:
        return f"{_UNUSABLE}: it {problem}"
    if any(part.startswith(".") for part in path.parts):
        return "hidden"
    return None if _kind(key) else f"not a feature file name ({printable(path.suffix) or 'no extension'})"


def _kind(key: str) -> Layout | None:
    path = PurePosixPath(key)
    if path.suffix.lower() == ".npy":
        return "npy-crops" if _CROP.fullmatch(path.stem) else "npy"
    return "segments-text" if path.suffix.lower() == ".txt" else None


def _layout_of(keys: Mapping[str, ObjectInfo], uri: str) -> Layout:
    """Return the layout that all files have."""
    by_kind: dict[Layout, list[str]] = defaultdict(list)
    for key in keys:
        kind = _kind(key)
        if kind is not None:
            by_kind[kind].append(key)
    if not by_kind:
        raise UsageError(f"no feature file (.npy, .txt) found in {printable(uri)}")
    if len(by_kind) > 1:
        counts = "; ".join(f"{kind}: {len(found)}, such as {printable(found[0])}" for kind, found in by_kind.items())
        raise UsageError(f"{printable(uri)} has files of several layouts ({counts}); choose one with --layout")
    return next(iter(by_kind))


def _grouped(store: Store, taken: Mapping[str, ObjectInfo], layout: Layout, naming: Naming) -> tuple[SourceVideo, ...]:
    videos: dict[str, dict[int, ObjectInfo]] = defaultdict(dict)
    for key, info in taken.items():
        stem = PurePosixPath(key).stem
        match = _CROP.fullmatch(stem) if layout == "npy-crops" else None
        name, crop = (match["name"], int(match["crop"])) if match else (stem, 0)
        video_id = naming.id_of(name, layout)
        problem = id_problem(video_id)
        if problem:
            raise UsageError(
                f"{printable(store.uri_of(key))}: its name gives the invalid id {video_id!r:.120}: {problem}"
            )
        other = videos[video_id].get(crop)
        if other is not None:
            raise UsageError(
                f"{printable(store.uri_of(other.key))} and {printable(store.uri_of(key))} both have features of "
                f"{video_id!r:.120}, because ids are file names without folders. Import one folder at a time, with "
                "different values of --id-prefix"
            )
        videos[video_id][crop] = info
    return tuple(
        SourceVideo(video_id, tuple(info for _, info in sorted(crops.items())), tuple(sorted(crops)))
        for video_id, crops in sorted(videos.items())
    )


def check_crops(store: Store, videos: Sequence[SourceVideo]) -> tuple[int, ...]:
    """Return the crop numbers of the videos; raise if a crop is missing.

    Test features are often published for one crop of ten. If all videos have a single file of the same crop, that is
    the only crop. Any other gap is a missing file.

    Args:
        store: store with the files.
        videos: at least one video.

    Raises:
        UsageError: a crop of a video is missing.
    """
    published = {video.crops for video in videos}
    if len(published) == 1 and len(videos[0].crops) == 1:
        return videos[0].crops
    for video in videos:
        last = video.crops[-1]
        missing = set(range(last)) - set(video.crops)
        if missing:
            existing = printable(store.uri_of(video.files[-1].key))
            single = sum(len(other.crops) == 1 for other in videos)
            hint = (
                f"; {single} of {len(videos)} videos have only one crop: if they were published like that, import them "
                "separately, with their own --manifest and --allow-unmatched"
            )
            raise UsageError(
                f"{video.video_id!r:.120} has {existing}, but no file of crop {min(missing)}; expected crops 0 to "
                f"{last}, one file each{hint if single else ''}"
            )
    return max(published, key=len)
