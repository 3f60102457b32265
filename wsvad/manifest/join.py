"""Join training, validation and test videos of several manifests."""

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
from wsvad.manifest.listing import resolve_uri
from wsvad.manifest.names import Split
from wsvad.manifest.output import count_splits
from wsvad.manifest.records import VideoRecord, read_records
from wsvad.storage import StoreOptions
from wsvad.storage.uri import parse_uri

_CHOICE = re.compile(r"(train|val|test|all):(?!//)(.+)", re.DOTALL)


@dataclass(frozen=True)
class Part:
    """Videos of one manifest, and the split to which they are assigned."""

    manifest: str
    """URI of the manifest."""
    split: Split
    """Split in the joined manifest."""
    chosen: str
    """Videos to use: those of split ``train``, ``val`` or ``test``, or ``all``."""

    @classmethod
    def of(cls, split: Split, text: str) -> Part:
        """Parse ``MANIFEST`` (videos of the same split), ``SPLIT:MANIFEST`` or ``all:MANIFEST``."""
        named = _CHOICE.fullmatch(text)
        return cls(named[2], split, named[1]) if named else cls(text, split, split)


def join(parts: Sequence[Part], *, prefix_ids: bool = False, options: StoreOptions | None = None) -> list[VideoRecord]:
    """Return the records of all parts, with absolute URIs.

    Args:
        parts: manifests and splits; the records keep their order.
        prefix_ids: prefix every id with the name of its manifest and a slash, for sources that share ids.
        options: settings of the store.

    Raises:
        UsageError: there are no parts, or a part has no video of its split.
        ManifestError: a manifest cannot be read, two videos share an id, or a file occurs twice.
    """
    if not parts:
        raise UsageError("nothing to join; add manifests with --train, --val or --test")
    joined = [record for part in parts for record in _records(part, prefix_ids, options)]
    _check_unique(joined, prefixed=prefix_ids)
    return joined


def summary_of(parts: Sequence[Part], records: Sequence[VideoRecord], *, prefix_ids: bool) -> dict[str, Any]:
    """Return a summary of the joined manifest and its sources as JSON values."""
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
        available = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise UsageError(
            f"{part.manifest} has no video of split {part.chosen!r} ({available}); select the videos that become "
            f"{part.split}, e.g. --{part.split} test:{part.manifest}, or all:{part.manifest}"
        )
    prefix = f"{PurePosixPath(part.manifest).stem}/" if prefix_ids else ""
    for record in chosen:
        uri = resolve_uri(part.manifest, record.uri)
        yield replace(record, video_id=prefix + record.video_id, uri=uri, split=part.split)


def _check_unique(records: Sequence[VideoRecord], *, prefixed: bool) -> None:
    by_file: dict[str, list[VideoRecord]] = {}
    for record in records:
        others = by_file.setdefault(_file(record.uri), [])
        for same in others:
            if None in (same.stream, record.stream) or same.stream == record.stream:
                what = f"{same.split} and {record.split}" if same.split != record.split else str(record.split)
                ids = f"{same.video_id!r:.120} and {record.video_id!r:.120}"
                raise ManifestError(f"{record.uri} occurs twice, in {what}, as {ids}")
        others.append(record)
    by_id: dict[str, VideoRecord] = {}
    for record in records:
        other = by_id.setdefault(record.video_id, record)
        if other is not record:
            remedy = (
                "their manifests have the same name; rename one of them"
                if prefixed
                else "prefix ids with the name of their manifest (--prefix-ids), and extract from the joined manifest"
            )
            raise ManifestError(
                f"two videos have the id {record.video_id!r:.120} ({other.uri} and {record.uri}); {remedy}"
            )


def _file(uri: str) -> str:
    """Return a canonical URI of a file: paths, ``file://`` URIs and symbolic links to the same file give the same."""
    try:
        location = parse_uri(uri)
    except UsageError:
        return uri  # extraction will reject it
    return os.path.realpath(location.path) if location.scheme == "file" else location.uri
