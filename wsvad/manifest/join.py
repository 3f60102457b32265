"""Training, validation and test videos of different sources, brought together in one manifest."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from wsvad import __version__
from wsvad.errors import ManifestError, UsageError
from wsvad.manifest.keeping import count_splits
from wsvad.manifest.listing import resolve_uri
from wsvad.manifest.names import Split
from wsvad.manifest.records import VideoRecord, read_records
from wsvad.storage import StoreOptions
from wsvad.storage.uri import parse_uri

_CHOICE = re.compile(r"(train|val|test|all):(?!//)(.+)", re.DOTALL)


@dataclass(frozen=True)
class Part:
    """Some videos of one manifest, and the split that they get."""

    manifest: str
    """URI of the manifest."""
    split: Split
    """What they become."""
    chosen: str
    """Which of its videos: those of the split ``train``, ``val`` or ``test``, or ``all``."""

    @classmethod
    def of(cls, split: Split, text: str) -> Part:
        """Read ``MANIFEST``, of which the videos of the same split are taken, ``test:MANIFEST`` or ``all:MANIFEST``."""
        named = _CHOICE.fullmatch(text)
        return cls(named[2], split, named[1]) if named else cls(text, split, split)


def join(parts: Sequence[Part], *, prefix_ids: bool = False, options: StoreOptions | None = None) -> list[VideoRecord]:
    """Return the records of all parts, with their URIs made absolute.

    Args:
        parts: in the order in which their videos come.
        prefix_ids: put the name of its manifest and a slash before every id, for sources that share names.
        options: how to reach the manifests.

    Raises:
        UsageError: no part, or one without a video of the split that it chooses.
        ManifestError: a manifest that cannot be read, ids that two videos share, a file in two splits.
    """
    if not parts:
        raise UsageError("nothing to join: name manifests with --train, --val or --test")
    joined = [record for part in parts for record in _records(part, prefix_ids, options)]
    _refuse_shared(joined, prefixed=prefix_ids)
    return joined


def summary_of(parts: Sequence[Part], records: Sequence[VideoRecord], *, prefix_ids: bool) -> dict[str, Any]:
    """Return what is in the manifest, and what made it, as JSON values."""
    return {
        "data_set": "joined",
        "videos": len(records),
        "splits": count_splits(records),
        "parts": [{"manifest": p.manifest, "videos": p.chosen, "split": p.split} for p in parts],
        "prefix_ids": prefix_ids,
        "wsvad": __version__,
    }


def _records(part: Part, prefix_ids: bool, options: StoreOptions | None) -> Iterator[VideoRecord]:
    found = read_records(part.manifest, options)
    chosen = [r for r in found if part.chosen in ("all", r.split)]
    if not chosen:
        counts = Counter(r.split or "no split" for r in found)
        there = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise UsageError(
            f"{part.manifest} has no video of split {part.chosen!r} ({there}); say which of its videos become "
            f"{part.split}, e.g. --{part.split} test:{part.manifest}, or all:{part.manifest}"
        )
    prefix = f"{PurePosixPath(part.manifest).stem}/" if prefix_ids else ""
    for record in chosen:
        uri = resolve_uri(part.manifest, record.uri)
        yield replace(record, video_id=prefix + record.video_id, uri=uri, split=part.split)


def _refuse_shared(records: Sequence[VideoRecord], *, prefixed: bool) -> None:
    by_file: dict[str, list[VideoRecord]] = {}
    for record in records:
        others = by_file.setdefault(_file(record.uri), [])
        for same in others:
            if None in (same.stream, record.stream) or same.stream == record.stream:
                what = f"{same.split} and {record.split}" if same.split != record.split else str(record.split)
                ids = f"{same.video_id!r:.120} and {record.video_id!r:.120}"
                raise ManifestError(f"{record.uri} is there twice, in {what}, as {ids}")
        others.append(record)
    by_id: dict[str, VideoRecord] = {}
    for record in records:
        other = by_id.setdefault(record.video_id, record)
        if other is not record:
            remedy = (
                "their manifests have one name; give one of them another"
                if prefixed
                else "give the ids of each source a prefix with --prefix-ids, and extract from the joined manifest"
            )
            raise ManifestError(
                f"two videos have the id {record.video_id!r:.120} ({other.uri} and {record.uri}); {remedy}"
            )


def _file(uri: str) -> str:
    """Return one spelling of a file's URI: a path and its ``file://`` are one, and so is what links lead to."""
    try:
        location = parse_uri(uri)
    except UsageError:
        return uri  # of a kind that extraction will refuse
    return os.path.realpath(location.path) if location.scheme == "file" else location.uri
