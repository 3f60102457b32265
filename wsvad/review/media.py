"""Pictures of events at rest: a film strip, a poster, a short clip, the heat; named by what they are made of."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from wsvad.dataset.sealed import seal, unseal
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.nightly.places import ABOUT
from wsvad.report.pictures import grey_png
from wsvad.review.choosing import Shown
from wsvad.review.config import MediaOptions
from wsvad.review.curves import Heat, Span
from wsvad.storage import Created, Store

log = logging.getLogger(__name__)

MEDIA = "media/"
MADE = "made.json"
"""Says what was made; it is there after the rest."""
HEAT = "heat.png"
_READERS = 16


def window_of(row: Mapping[str, Any], options: MediaOptions) -> Span:
    """Return the part of the video that a clip shows, in seconds.

    The event with a margin; of one that is too long its beginning, or what is around the peak where that comes later.
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
    """Return the time of the peak, of a control span its middle."""
    peak_s = row.get("peak_s")
    return (float(row["start_s"]) + float(row["end_s"])) / 2 if peak_s is None else float(peak_s)


def media_name(shown: Shown, scores_sha: str, options: MediaOptions) -> str:
    """Return the name of an event's folder: the digest of everything that its pictures are made of."""
    row = shown.row
    said = {
        "event": shown.event_id,
        "content": row["content_id"],
        "span": [row["start_s"], row["end_s"], row.get("peak_s")],
        "scores": scores_sha,
        "settings": options.to_dict(),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


class MediaFolder:
    """What is there below ``media/`` of a store, and what is added to it. Objects are create-only."""

    def __init__(self, store: Store, prefix: str = "") -> None:
        self.store = store
        self.prefix = f"{prefix}{MEDIA}"
        self._sizes: dict[str, int] = {info.key: info.size for info in store.list(self.prefix)}
        self._made: dict[str, dict[str, Any]] = {}
        self.written = 0
        """Objects that were written."""

    def key_of(self, name: str, file: str) -> str:
        """Return the key of a file."""
        return f"{self.prefix}{name}/{file}"

    def names(self) -> set[str]:
        """Return the names of all folders that are there."""
        return {key.removeprefix(self.prefix).partition("/")[0] for key in self._sizes}

    def load(self, names: set[str]) -> None:
        """Read what was made of these events, many at once."""
        wanted = [n for n in sorted(names) if n not in self._made and self.key_of(n, MADE) in self._sizes]
        with ThreadPoolExecutor(_READERS) as pool:
            for name, facts in zip(wanted, pool.map(self._facts, wanted), strict=True):
                if facts is not None:
                    self._made[name] = facts

    def made(self, name: str) -> dict[str, Any] | None:
        """Return what was made of an event; None: nothing, or not all of it is there."""
        self.load({name})
        return self._made.get(name)

    def _facts(self, name: str) -> dict[str, Any] | None:
        key = self.key_of(name, MADE)
        try:
            facts = unseal(self.store.read(key), self.store.uri_of(key), ("files", "strip", "clip", "poster", "notes"))
        except (DamagedError, ObjectNotFound) as error:
            log.warning("pictures of an event are made again: %s", error)
            return None
        whole = all(self._sizes.get(self.key_of(name, file)) == size for file, size in facts["files"].items())
        return facts if whole else None

    def add(self, name: str, about: Mapping[str, Any], files: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
        """Keep what was made of an event. Raises ``StorageError``."""
        sizes = {file: len(data) for file, data in files.items()}
        self.claim(name, about)
        for file, data in files.items():
            self._write(self.key_of(name, file), data)
        made = seal({**facts, "files": sizes})
        self._write(self.key_of(name, MADE), made)
        self._made[name] = unseal(made, name, ())  # in the order in which it is read back

    def add_heat(self, name: str, about: Mapping[str, Any], heat: Heat) -> None:
        """Keep the heat of an event; it is there already after the first time. Raises ``StorageError``."""
        if self.key_of(name, HEAT) not in self._sizes:
            self.claim(name, about)
            self._write(self.key_of(name, HEAT), grey_png(heat.picture_HW))

    def claim(self, name: str, about: Mapping[str, Any]) -> None:
        """Say which video a folder is of, before anything else is in it: by that a purge finds it."""
        if self.key_of(name, ABOUT) not in self._sizes:
            self._write(self.key_of(name, ABOUT), seal(about))

    def read(self, name: str, file: str) -> bytes:
        """Return a file. Raises ``ObjectNotFound``."""
        return self.store.read(self.key_of(name, file))

    def drop(self, *names: str) -> int:
        """Delete all that is there of events; return how many objects."""
        keys = self._keys_of(names)
        for key in sorted(keys, key=lambda key: key.endswith(ABOUT)):  # what says whose it is goes last
            self.store.delete(key)
        self.forget(*names)
        return len(keys)

    def forget(self, *names: str) -> None:
        """Take it that nothing is there of events: somebody else deleted it."""
        for key in self._keys_of(names):
            self._sizes.pop(key, None)
        for name in names:
            self._made.pop(name, None)

    def _keys_of(self, names: Collection[str]) -> list[str]:
        wanted = set(names)
        return [key for key in list(self._sizes) if key.removeprefix(self.prefix).partition("/")[0] in wanted]

    def _write(self, key: str, data: bytes) -> None:
        found = self.store.create(key, data)
        if found is Created.DIFFERENT:  # half of it, or damaged: it is named by its source
            self.store.replace(key, data)
        self.written += found is not Created.SAME
        self._sizes[key] = len(data)


def about(shown: Shown) -> dict[str, Any]:
    """Return whose pictures a folder holds."""
    row = shown.row
    return {
        "event_id": shown.event_id,
        "camera": row["camera"],
        "video_id": row["video_id"],
        "content_id": row["content_id"],
    }
