"""Ids of the videos that a scores data set's model was trained on. A test on any of them would be biased."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from wsvad.dataset import layout
from wsvad.documents import DocumentError, parse_json
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.storage import Store

REMEDY = "run `wsvad verify --repair`, which removes it, and `wsvad score` with the same checkpoint, which rewrites it"


def encode_training_ids(ids: Iterable[str]) -> tuple[bytes, dict[str, str]]:
    """Return the bytes of ``training_ids.json``, and its digest as stored in ``dataset.json``."""
    data = json.dumps(list(ids)).encode()
    return data, {layout.TRAINING_IDS: hashlib.sha256(data).hexdigest()}


def read_training_ids(store: Store, described: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids, verified by the digest in the data set's description.

    Data sets of earlier versions have no digest. In these an empty list counts as damage, because every model has
    training videos.

    Args:
        store: root of the data set.
        described: description of the data set, as returned by ``read_dataset``.

    Raises:
        DamagedError: the list is missing or damaged.
    """
    name = f"{store.uri}/{layout.TRAINING_IDS}"
    try:
        data = store.read(layout.TRAINING_IDS)
    except ObjectNotFound as error:
        raise DamagedError(
            f"{name} is missing, so the videos of a test cannot be compared with those of the training; "
            "run `wsvad score` again with the same options to restore it"
        ) from error
    digests = described.get("digests")
    wanted = digests.get(layout.TRAINING_IDS) if isinstance(digests, dict) else None
    if wanted is not None and hashlib.sha256(data).hexdigest() != wanted:
        raise DamagedError(f"{name} is damaged: its digest does not match the one in {layout.DATASET}; {REMEDY}")
    try:
        found = parse_json(data)
    except DocumentError as error:
        raise DamagedError(f"{name} is damaged: {error}; {REMEDY}") from error
    if not isinstance(found, list) or not all(isinstance(i, str) for i in found):
        raise DamagedError(f"{name} is damaged: expected a list of ids; {REMEDY}")
    if wanted is None and not found:
        raise DamagedError(f"{name} is damaged: the list is empty, but every model has training videos; {REMEDY}")
    return tuple(found)
