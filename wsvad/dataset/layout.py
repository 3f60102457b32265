"""Where things lie below the root of a data set. Names come from content, so a re-run writes the same ones."""

from __future__ import annotations

import hashlib
import re

DATASET = "dataset.json"
INDEX = "index/"
UNITS = "units/"
PICTURES = "pictures/"
"""Small pictures of what the cameras show, one beside each unit of features; no snapshot names them."""
QUARANTINE = "quarantine/"
SNAPSHOTS = "snapshots/"
LISTS = "lists/"
VIDEOS = "videos/"
"""Tables of videos beside snapshots of one level, which versions up to 0.1 wrote."""
RUNS = "runs/"
TRAINING_IDS = "training_ids.json"
_ALL = (DATASET, INDEX, UNITS, PICTURES, QUARANTINE, SNAPSHOTS, LISTS, VIDEOS, RUNS, TRAINING_IDS)


def uris(root: str) -> tuple[str, ...]:
    """Prefixes of the URIs of everything that a data set at ``root`` holds."""
    return tuple(f"{root}/{part}" for part in _ALL)


def unit_id(content_id: str, first_clip: int, last_clip: int, fingerprint: str) -> str:
    """Return the id of a unit, 32 hex digits: its content, its range of clips, and the configuration."""
    text = f"{content_id}\x00{first_clip}\x00{last_clip}\x00{fingerprint}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def unit_key(unit_id: str) -> str:
    """Key of a unit's rows."""
    return f"{UNITS}{unit_id[:2]}/{unit_id}.parquet"


def picture_key(unit_id: str) -> str:
    """Key of the picture of a unit's footage."""
    return f"{PICTURES}{unit_id[:2]}/{unit_id}.json"


def quarantine_key(unit_id: str) -> str:
    """Key of a unit's quarantine record."""
    return f"{QUARANTINE}{unit_id[:2]}/{unit_id}.json"


def snapshot_key(number: int) -> str:
    """Key of snapshot ``number``, from 1; names sort as the numbers do."""
    return f"{SNAPSHOTS}{number:08d}.json"


def snapshot_number(key: str) -> int | None:
    """Undo :func:`snapshot_key`; ``None`` for any other key."""
    named = re.fullmatch(rf"{SNAPSHOTS}(\d{{8,}})\.json", key, re.ASCII)
    return int(named[1]) if named else None


def named_by_content(prefix: str, data: bytes) -> str:
    """Key of a Parquet object below ``prefix`` whose name is the digest of its bytes (``index/``, ``lists/``)."""
    return f"{prefix}{hashlib.sha256(data).hexdigest()[:32]}.parquet"


def id_of(key: str) -> str:
    """The unit id in the key of a unit, of its picture, or of a quarantine record."""
    return key.rsplit("/", 1)[-1].split(".", 1)[0]
