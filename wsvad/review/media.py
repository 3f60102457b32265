"""Stored pictures of events (film strip, poster, clip, heat map), in folders named by a digest of their inputs."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from wsvad.dataset.sealed import seal, unseal
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.nightly.layout import ABOUT
from wsvad.report.pictures import grey_png
from wsvad.review.choice import ReviewItem
from wsvad.review.config import MediaOptions
from wsvad.review.curves import Heat, Span
from wsvad.storage import Created, Store

log = logging.getLogger(__name__)

MEDIA = "media/"
MADE = "made.json"
"""Metadata of the pictures; written last, so that its presence marks a complete folder."""
HEAT = "heat.png"
_READERS = 16


def window_of(row: Mapping[str, Any], options: MediaOptions) -> Span:
    """Return the part of the video shown in a clip, in seconds.

    It is the event with a margin. If that is too long, it is the beginning, or the part around a later peak.
    """
    start_s = max(0.0, float(row["start_s"]) - options.clip_margin_s)
    end_s = float(row["end_s"]) + options.clip_margin_s
    longest = options.clip_length_s
    if end_s - start_s > longest:
        peak_s = peak_of(row)
        if peak_s > start_s + longest - min(options.clip_margin_s, longest / 2):
            start_s = peak_s - longest / 2
        end_s = start_s + longest
    return start_s, end_s


def peak_of(row: Mapping[str, Any]) -> float:
    """Return the time of the peak in seconds; for a control span its middle."""
    peak_s = row.get("peak_s")
    return (float(row["start_s"]) + float(row["end_s"])) / 2 if peak_s is None else float(peak_s)


def media_name(item: ReviewItem, scores_sha: str, options: MediaOptions) -> str:
    """Return the name of an item's picture folder: a digest of all inputs of its pictures."""
    row = item.row
    inputs = {
        "event": item.event_id,
        "content": row["content_id"],
        "span": [row["start_s"], row["end_s"], row.get("peak_s")],
        "scores": scores_sha,
        "settings": options.to_dict(),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:32]


class MediaFolder:
    """Pictures below ``media/`` of a store. Objects are create-only."""

    def __init__(self, store: Store, prefix: str = "") -> None:
        self.store = store
        self.prefix = f"{prefix}{MEDIA}"
        self._sizes: dict[str, int] = {info.key: info.size for info in store.list(self.prefix)}
        self._made: dict[str, dict[str, Any]] = {}
        self.written = 0
        """Number of objects written."""

    def key_of(self, name: str, file: str) -> str:
        """Return the key of a file."""
        return f"{self.prefix}{name}/{file}"

    def names(self) -> set[str]:
        """Return the names of all existing folders."""
        return {key.removeprefix(self.prefix).partition("/")[0] for key in self._sizes}

    def load(self, names: set[str]) -> None:
        """Read the metadata of these folders concurrently."""
        wanted = [n for n in sorted(names) if n not in self._made and self.key_of(n, MADE) in self._sizes]
        with ThreadPoolExecutor(_READERS) as pool:
            for name, facts in zip(wanted, pool.map(self._facts, wanted), strict=True):
                if facts is not None:
                    self._made[name] = facts

    def get(self, name: str) -> dict[str, Any] | None:
        """Return the metadata of a folder's pictures; ``None`` if pictures are missing or incomplete."""
        self.load({name})
        return self._made.get(name)

    def _facts(self, name: str) -> dict[str, Any] | None:
        key = self.key_of(name, MADE)
        try:
            facts = unseal(self.store.read(key), self.store.uri_of(key), ("files", "strip", "clip", "poster", "notes"))
        except (DamagedError, ObjectNotFound) as error:
            log.warning("pictures of an event are created again: %s", error)
            return None
        whole = all(self._sizes.get(self.key_of(name, file)) == size for file, size in facts["files"].items())
        return facts if whole else None

    def add(self, name: str, about: Mapping[str, Any], files: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
        """Store the pictures of an item. Raises ``StorageError``."""
        sizes = {file: len(data) for file, data in files.items()}
        self.claim(name, about)
        for file, data in files.items():
            self._write(self.key_of(name, file), data)
        made = seal({**facts, "files": sizes})
        self._write(self.key_of(name, MADE), made)
        self._made[name] = unseal(made, name, ())  # decoded again, so that keys have the order of a later read

    def add_heat(self, name: str, about: Mapping[str, Any], heat: Heat) -> None:
        """Store the heat map of an item unless it exists. Raises ``StorageError``."""
        if self.key_of(name, HEAT) not in self._sizes:
            self.claim(name, about)
            self._write(self.key_of(name, HEAT), grey_png(heat.picture_HW))

    def claim(self, name: str, about: Mapping[str, Any]) -> None:
        """Write the video of a folder before anything else, so that a purge finds the folder."""
        if self.key_of(name, ABOUT) not in self._sizes:
            self._write(self.key_of(name, ABOUT), seal(about))

    def read(self, name: str, file: str) -> bytes:
        """Return a file. Raises ``ObjectNotFound``."""
        return self.store.read(self.key_of(name, file))

    def drop(self, *names: str) -> int:
        """Delete folders; return the number of deleted objects."""
        keys = self._keys_of(names)
        for key in sorted(keys, key=lambda key: key.endswith(ABOUT)):  # last: it names the video of the folder
            self.store.delete(key)
        self.forget(*names)
        return len(keys)

    def forget(self, *names: str) -> None:
        """Treat folders as missing, after others deleted them."""
        for key in self._keys_of(names):
            self._sizes.pop(key, None)
        for name in names:
            self._made.pop(name, None)

    def _keys_of(self, names: Collection[str]) -> list[str]:
        wanted = set(names)
        return [key for key in list(self._sizes) if key.removeprefix(self.prefix).partition("/")[0] in wanted]

    def _write(self, key: str, data: bytes) -> None:
        found = self.store.create(key, data)
        if found is Created.DIFFERENT:  # incomplete or damaged, since the folder is named by its inputs
            self.store.replace(key, data)
        self.written += found is not Created.SAME
        self._sizes[key] = len(data)


def about(item: ReviewItem) -> dict[str, Any]:
    """Return the metadata that identifies the event and video of a picture folder."""
    row = item.row
    return {
        "event_id": item.event_id,
        "camera": row["camera"],
        "video_id": row["video_id"],
        "content_id": row["content_id"],
    }
