"""Keys of the objects of a data set. Keys are derived from content, so that a repeated run writes the same ones."""

from __future__ import annotations

import hashlib
import re

DATASET = "dataset.json"
INDEX = "index/"
UNITS = "units/"
PICTURES = "pictures/"
"""Small pictures of the cameras' views, one per unit of features; not referenced by snapshots."""
QUARANTINE = "quarantine/"
SNAPSHOTS = "snapshots/"
LISTS = "lists/"
VIDEOS = "videos/"
"""Tables of videos of one-level snapshots, which versions up to 0.1 wrote."""
RUNS = "runs/"
TRAINING_IDS = "training_ids.json"
_ALL = (DATASET, INDEX, UNITS, PICTURES, QUARANTINE, SNAPSHOTS, LISTS, VIDEOS, RUNS, TRAINING_IDS)


def uris(root: str) -> tuple[str, ...]:
    """Return the URI prefixes of everything that a data set at ``root`` contains."""
    return tuple(f"{root}/{part}" for part in _ALL)


def unit_id(content_id: str, first_clip: int, last_clip: int, fingerprint: str) -> str:
    """Return the id of a unit, 32 hex digits, from its video's content, clip range and configuration."""
    text = f"{content_id}\x00{first_clip}\x00{last_clip}\x00{fingerprint}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def unit_key(unit_id: str) -> str:
    """Return the key of a unit's rows."""
    return f"{UNITS}{unit_id[:2]}/{unit_id}.parquet"


def picture_key(unit_id: str) -> str:
    """Return the key of the picture of a unit."""
    return f"{PICTURES}{unit_id[:2]}/{unit_id}.json"


def quarantine_key(unit_id: str) -> str:
    """Return the key of a unit's quarantine record."""
    return f"{QUARANTINE}{unit_id[:2]}/{unit_id}.json"


def snapshot_key(number: int) -> str:
    """Return the key of snapshot ``number``, from 1. Keys sort in the order of the numbers."""
    return f"{SNAPSHOTS}{number:08d}.json"


def snapshot_number(key: str) -> int | None:
    """Return the number in a snapshot's key, or ``None`` for any other key."""
    named = re.fullmatch(rf"{SNAPSHOTS}(\d{{8,}})\.json", key, re.ASCII)
    return int(named[1]) if named else None


def content_key(prefix: str, data: bytes) -> str:
    """Return the key of a Parquet object that is named by the digest of its bytes (``index/``, ``lists/``)."""
    return f"{prefix}{hashlib.sha256(data).hexdigest()[:32]}.parquet"


def id_of(key: str) -> str:
    """Return the unit id in the key of a unit, picture or quarantine record."""
    return key.rsplit("/", 1)[-1].split(".", 1)[0]
