"""Models of a nightly job, copied below its root so that the model that scored the archive cannot change."""

from __future__ import annotations

from wsvad.checkpoint import Checkpoint
from wsvad.checkpoint.folder import read_checkpoint, save_checkpoint
from wsvad.errors import ConflictError, DamagedError, UsageError
from wsvad.nightly.layout import MODELS, folder_name
from wsvad.storage import Store


def model_folder(digest: str) -> str:
    """Return the key prefix of a model's checkpoint, without a trailing slash."""
    return f"{MODELS}{folder_name(digest)}"


def pin_model(root: Store, checkpoint: Checkpoint) -> None:
    """Copy a checkpoint below the root, unless an intact copy exists. Raises as ``save_checkpoint``."""
    try:
        if read_checkpoint(root, model_folder(checkpoint.digest)).digest == checkpoint.digest:
            return
    except (DamagedError, UsageError):
        pass  # missing or damaged: written below
    save_checkpoint(root, model_folder(checkpoint.digest), checkpoint)


def load_pinned_model(root: Store, digest: str) -> Checkpoint:
    """Return a model that was copied below the root.

    Raises:
        DamagedError: the copy is missing, damaged or of another model.
    """
    where = f"{root.uri}/{model_folder(digest)}"
    try:
        checkpoint = read_checkpoint(root, model_folder(digest))
    except UsageError as error:
        raise DamagedError(f"{where}: the model {digest[:19]} is missing; copy its checkpoint there again") from error
    if checkpoint.digest != digest:
        raise DamagedError(
            f"{where} contains the model {checkpoint.digest[:19]}, not {digest[:19]}; copy its checkpoint there again"
        )
    return checkpoint


def resolve_champion(requested: Checkpoint | None, champion: str | None) -> str:
    """Return the digest of the champion, the model whose results readers see.

    Args:
        requested: the checkpoint of ``--checkpoint``.
        champion: digest of the champion of the previous nights.

    Raises:
        UsageError: both are missing.
        ConflictError: ``requested`` is not the champion; only ``wsvad promote`` replaces a champion.
    """
    if champion is None:
        if requested is None:
            raise UsageError("missing option: --checkpoint (the first night has no model yet)")
        return requested.digest
    if requested is not None and requested.digest != champion:
        raise ConflictError(
            f"the champion of this root is {champion[:19]}, but --checkpoint is {requested.digest[:19]}. Score it in "
            "addition with --candidate, then make it the champion with `wsvad promote`. To keep the champion, omit "
            "--checkpoint"
        )
    return champion
