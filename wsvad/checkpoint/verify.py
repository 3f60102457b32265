"""Whether every file of a checkpoint is what was written."""

from __future__ import annotations

import hashlib
import json

from wsvad.checkpoint.card import model_card
from wsvad.checkpoint.folder import CARD, CONFIG, FILES, MODEL, config_json, digest_in, folder_of, read_checkpoint
from wsvad.checkpoint.trained import Checkpoint
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.storage import Store


def checkpoint_faults(store: Store, prefix: str = "") -> tuple[Checkpoint | None, list[str]]:
    """Return the checkpoint below ``prefix``, or ``None`` where it is damaged, and what is wrong with its files.

    A model card of an earlier version, which wrote no digest of it, is only looked for.

    Raises:
        UsageError: there is none, or one of another version.
        StorageError: the store failed.
    """
    folder = folder_of(prefix)
    try:
        checkpoint = read_checkpoint(store, prefix)
    except DamagedError as error:
        return None, [str(error).removeprefix(f"{store.uri}/")]
    described = json.loads(store.read(folder + CONFIG))
    try:
        found = {name: hashlib.sha256(store.read(folder + name)).hexdigest() for name in (MODEL, CARD)}
    except ObjectNotFound:
        return checkpoint, [f"{folder}{CARD} is missing"]
    wrong = [name for name in found if FILES in described and digest_in(described, name) != found[name]]
    if not wrong:
        return checkpoint, []
    again = hashlib.sha256(model_card(checkpoint).encode()).hexdigest()
    if MODEL in wrong or found[CARD] == again:  # the tensors are those of the checkpoint's digest
        return checkpoint, [f"{folder}{CONFIG} was altered: what it says of {', '.join(wrong)} is not so"]
    return checkpoint, [f"{folder}{CARD} was altered: its digest is not the one in {CONFIG}"]


def write_card(store: Store, prefix: str, checkpoint: Checkpoint) -> None:
    """Write the model card of a whole checkpoint again, and its digest; the checkpoint's identity stays."""
    folder = folder_of(prefix)
    store.replace(folder + CARD, model_card(checkpoint).encode())
    store.replace(folder + CONFIG, config_json(checkpoint))
