"""Verify every file of a checkpoint."""

from __future__ import annotations

import hashlib
import json

from wsvad.checkpoint.card import model_card
from wsvad.checkpoint.folder import (
    CARD,
    CONFIG,
    FILES,
    MODEL,
    config_json,
    key_prefix,
    read_checkpoint,
    recorded_digest,
)
from wsvad.checkpoint.trained import Checkpoint
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.storage import Store


def checkpoint_faults(store: Store, prefix: str = "") -> tuple[Checkpoint | None, list[str]]:
    """Return the checkpoint below ``prefix``, or ``None`` if it is damaged, and the faults of its files.

    Earlier versions stored no digest of the model card, which must then only exist.

    Raises:
        UsageError: there is no checkpoint, or it was written by another version.
        StorageError: the store failed.
    """
    folder = key_prefix(prefix)
    try:
        checkpoint = read_checkpoint(store, prefix)
    except DamagedError as error:
        return None, [str(error).removeprefix(f"{store.uri}/")]
    described = json.loads(store.read(folder + CONFIG))
    try:
        found = {name: hashlib.sha256(store.read(folder + name)).hexdigest() for name in (MODEL, CARD)}
    except ObjectNotFound:
        return checkpoint, [f"{folder}{CARD} is missing"]
    wrong = [name for name in found if FILES in described and recorded_digest(described, name) != found[name]]
    if not wrong:
        return checkpoint, []
    again = hashlib.sha256(model_card(checkpoint).encode()).hexdigest()
    if MODEL in wrong or found[CARD] == again:  # the checkpoint's digest covers the tensors, so these are right
        return checkpoint, [f"{folder}{CONFIG} was modified: its digests of {', '.join(wrong)} do not match"]
    return checkpoint, [f"{folder}{CARD} was modified: its digest does not match the one in {CONFIG}"]


def write_card(store: Store, prefix: str, checkpoint: Checkpoint) -> None:
    """Rewrite the model card of an intact checkpoint, and its digest. The checkpoint's identity does not change."""
    folder = key_prefix(prefix)
    store.replace(folder + CARD, model_card(checkpoint).encode())
    store.replace(folder + CONFIG, config_json(checkpoint))
