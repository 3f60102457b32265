"""From what a user points at to videos with their feature files: which layout it is, and which id each name means."""

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
    """The files that hold the features of one video."""

    video_id: str
    files: tuple[ObjectInfo, ...]
    """One, or one a crop in the order of the crops."""
    crops: tuple[int, ...] = (0,)
    """Numbers of the crops by the files' names; 0 for a file that holds all crops."""


@dataclass(frozen=True)
class Found:
    """What a folder or prefix holds."""

    store: Store
    layout: Layout
    videos: tuple[SourceVideo, ...]
    """By video id."""
    skipped: tuple[Skipped, ...] = ()
    unusable: tuple[Skipped, ...] = ()
    """Those among them that are feature files by their names, which cannot be used."""


def find_videos(uri: str, layout: Layout | None, naming: Naming, options: StoreOptions, ours: Sequence[str]) -> Found:
    """List the feature files of a file, folder or prefix, and group them by video.

    Args:
        uri: what the user pointed at.
        layout: ``None`` finds it out from the names.
        naming: how names become ids.
        options: how to reach the store.
        ours: prefixes of URIs of results, not worth a word.

    Raises:
        UsageError: no feature file, several layouts, ids that cannot be or that two files share.
        StorageError: the listing failed.
    """
    store, infos = _listed(uri, options)
    usable: dict[str, ObjectInfo] = {}
    skipped, unusable = [], []
    for info in infos:
        reason = _unusable(store, info.key)
        if reason is None:
            usable[info.key] = info
        elif not store.uri_of(info.key).startswith(tuple(ours)):
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
    return Found(store, layout, _grouped(store, taken, layout, naming), tuple(skipped), tuple(unusable))


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
    """The one layout that all files have."""
    by_kind: dict[Layout, list[str]] = defaultdict(list)
    for key in keys:
        kind = _kind(key)
        if kind is not None:
            by_kind[kind].append(key)
    if not by_kind:
        raise UsageError(f"no feature file (.npy, .txt) found in {printable(uri)}")
    if len(by_kind) > 1:
        told = "; ".join(f"{kind}: {len(found)}, such as {printable(found[0])}" for kind, found in by_kind.items())
        raise UsageError(f"{printable(uri)} has files of several layouts ({told}); choose one with --layout")
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
                f"{printable(store.uri_of(key))}: its name gives the id {video_id!r:.120}, which cannot be used: "
                f"{problem}"
            )
        other = videos[video_id].get(crop)
        if other is not None:
            raise UsageError(
                f"{printable(store.uri_of(other.key))} and {printable(store.uri_of(key))} both are features of "
                f"{video_id!r:.120}; ids are file names without folders. Import one folder, or tell them apart with "
                "--id-prefix"
            )
        videos[video_id][crop] = info
    return tuple(
        SourceVideo(video_id, tuple(info for _, info in sorted(crops.items())), tuple(sorted(crops)))
        for video_id, crops in sorted(videos.items())
    )


def check_crops(store: Store, videos: Sequence[SourceVideo]) -> tuple[int, ...]:
    """Return the numbers of the crops that the videos have, or refuse to take some of them for all.

    Test features are often published of one crop of ten. Where all videos have one file each, of the same crop, that is
    what they are; any other gap is a file that is absent.

    Args:
        store: where the files are.
        videos: at least one.

    Raises:
        UsageError: a crop of a video is absent.
    """
    published = {video.crops for video in videos}
    if len(published) == 1 and len(videos[0].crops) == 1:
        return videos[0].crops
    for video in videos:
        last = video.crops[-1]
        absent = set(range(last)) - set(video.crops)
        if absent:
            there = printable(store.uri_of(video.files[-1].key))
            alone = sum(len(other.crops) == 1 for other in videos)
            apart = (
                f"; {alone} of {len(videos)} videos have one crop only: if they were published so, import them apart, "
                "with a --manifest of theirs and --allow-unmatched"
            )
            raise UsageError(
                f"{video.video_id!r:.120} has {there}, but no file of crop {min(absent)}; expected crops 0 to {last}, "
                f"one file each{apart if alone else ''}"
            )
    return max(published, key=len)
