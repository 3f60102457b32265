"""Ids of the videos that made the model of a scores data set: they decide whether a test is honest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from wsvad.dataset import layout
from wsvad.documents import DocumentError, parse_json
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.storage import Store

REMEDY = "`wsvad verify --repair` removes it, `wsvad score` with the same checkpoint then writes it again"


def encode_training_ids(ids: Iterable[str]) -> tuple[bytes, dict[str, str]]:
    """Return the bytes of ``training_ids.json``, and their digest as ``dataset.json`` says it."""
    data = json.dumps(list(ids)).encode()
    return data, {layout.TRAINING_IDS: hashlib.sha256(data).hexdigest()}


def read_training_ids(store: Store, described: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids, held against the digest in the data set's description.

    Without a digest, in data sets of earlier versions, an empty list is taken for damage: no model was trained on
    nothing.

    Args:
        store: root of the data set.
        described: ``read_dataset`` of it.

    Raises:
        DamagedError: they are missing, or not what was written.
    """
    name = f"{store.uri}/{layout.TRAINING_IDS}"
    try:
        data = store.read(layout.TRAINING_IDS)
    except ObjectNotFound as error:
        raise DamagedError(
            f"{name} is gone, without which nobody can tell whether a test is honest; "
            "score again with the same options puts it back"
        ) from error
    digests = described.get("digests")
    wanted = digests.get(layout.TRAINING_IDS) if isinstance(digests, dict) else None
    if wanted is not None and hashlib.sha256(data).hexdigest() != wanted:
        raise DamagedError(f"{name} is damaged: its digest is not the one in {layout.DATASET}; {REMEDY}")
    try:
        found = parse_json(data)
    except DocumentError as error:
        raise DamagedError(f"{name} is damaged: {error}; {REMEDY}") from error
    if not isinstance(found, list) or not all(isinstance(i, str) for i in found):
        raise DamagedError(f"{name} is damaged: expected a list of ids; {REMEDY}")
    if wanted is None and not found:
        raise DamagedError(f"{name} is damaged: it is an empty list, which no model was trained on; {REMEDY}")
    return tuple(found)
