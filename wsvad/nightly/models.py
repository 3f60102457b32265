"""Models of a nightly job: copied below its root, so that what scored the archive is never another one tomorrow."""

from __future__ import annotations

from wsvad.checkpoint import Checkpoint
from wsvad.checkpoint.folder import read_checkpoint, save_checkpoint
from wsvad.errors import ConflictError, DamagedError, UsageError
from wsvad.nightly.places import MODELS, short
from wsvad.storage import Store


def model_folder(digest: str) -> str:
    """Return the key prefix of a model's checkpoint, without a slash at its end."""
    return f"{MODELS}{short(digest)}"


def pin(root: Store, checkpoint: Checkpoint) -> None:
    """Copy a checkpoint below the root; one that is there and whole is left alone. Raises as ``save_checkpoint``."""
    try:
        if read_checkpoint(root, model_folder(checkpoint.digest)).digest == checkpoint.digest:
            return
    except (DamagedError, UsageError):
        pass  # written anew
    save_checkpoint(root, model_folder(checkpoint.digest), checkpoint)


def pinned(root: Store, digest: str) -> Checkpoint:
    """Return a model that was copied below the root.

    Raises:
        DamagedError: it is gone, damaged or another one.
    """
    where = f"{root.uri}/{model_folder(digest)}"
    try:
        checkpoint = read_checkpoint(root, model_folder(digest))
    except UsageError as error:
        raise DamagedError(f"the model {digest[:19]} is gone from {where}: copy its checkpoint there again") from error
    if checkpoint.digest != digest:
        raise DamagedError(
            f"{where} holds {checkpoint.digest[:19]}, not {digest[:19]}: copy its checkpoint there again"
        )
    return checkpoint


def champion_of(asked: Checkpoint | None, champion: str | None) -> str:
    """Return the digest of the model that readers are shown.

    Args:
        asked: the checkpoint of ``--checkpoint``.
        champion: digest of the champion of the nights before.

    Raises:
        UsageError: neither is there.
        ConflictError: another checkpoint was given: a champion is not replaced in passing.
    """
    if champion is None:
        if asked is None:
            raise UsageError("missing option: --checkpoint (the first night has no model yet)")
        return asked.digest
    if asked is not None and asked.digest != champion:
        raise ConflictError(
            f"the champion here is {champion[:19]}, --checkpoint is {asked.digest[:19]}. Score it beside the champion "
            "with --candidate, and make it champion with `wsvad promote`; without --checkpoint the champion goes on"
        )
    return champion
