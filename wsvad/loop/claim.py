"""Records of a training run: the options that determine its result, and its outcome."""

from __future__ import annotations

from typing import Any

from wsvad.dataset.config import differences
from wsvad.dataset.layout import DATASET, SNAPSHOTS
from wsvad.dataset.sealed import seal, unseal
from wsvad.errors import ConflictError, DamagedError, ObjectNotFound
from wsvad.loop.keys import STATES
from wsvad.storage import Created, Store

CLAIM, RUN, CHECKPOINT = "training.json", "run.json", "checkpoint"
_BARE = ("model.safetensors", "config.json")
"""Files that identify a checkpoint without a run."""
_CLAIM_FIELDS = ("kind", "model", "training", "features", "videos", "reported_test")
_RUN_FIELDS = ("options", "resolved", "versions", "summary")
_REMEDY = f"`wsvad verify --repair` restores it from {RUN} if that is intact; otherwise use another --out"


def is_run(store: Store) -> bool:
    """Whether the target is a training run or a checkpoint, and not a data set."""
    if any(True for name in (DATASET, SNAPSHOTS) for _ in store.list(name)):
        return False
    names = (CLAIM, RUN, STATES, f"{CHECKPOINT}/", *_BARE)
    return any(True for name in names for _ in store.list(name))


def check_claim(out: Store, claim: dict[str, Any]) -> None:
    """Refuse a target that contains another run or a data set.

    Raises:
        ConflictError: it contains one.
        DamagedError: the record of its run is damaged.
    """
    if any(info.key == DATASET for info in out.list(DATASET)):
        raise ConflictError(f"{out.uri} holds a data set, not a training run. Nothing was changed. Use another --out.")
    theirs = read_claim(out)
    different = differences(_whole(claim), _whole(theirs)) if theirs is not None else []
    if different:
        raise ConflictError(
            f"{out.uri} holds a training run with other options or data ({'; '.join(different)}). "
            "Nothing was changed. Use the same options, or another --out."
        )


def _whole(claim: dict[str, Any]) -> dict[str, Any]:
    """Return the record with defaults filled in."""
    training = claim.get("training")
    return (
        {**claim, "training": {"val_seed": 0, "precision": "fp32", **training}} if isinstance(training, dict) else claim
    )


def write_claim(out: Store, claim: dict[str, Any]) -> None:
    """Write the record of a run's options; raises like :func:`check_claim` if a concurrent run wrote another one."""
    if out.create(CLAIM, seal(claim)) is Created.DIFFERENT:
        check_claim(out, claim)


def read_claim(out: Store) -> dict[str, Any] | None:
    """Return the options that determine the result of the run at a target, or ``None`` if there is no run.

    Raises:
        DamagedError: the record is damaged, or missing although the run has started.
    """
    name = f"{out.uri}/{CLAIM}"
    try:
        data = out.read(CLAIM)
    except ObjectNotFound as error:
        if any(True for prefix in (RUN, STATES, f"{CHECKPOINT}/") for _ in out.list(prefix)):
            text = f"{name} is missing, so the options of the run are unknown; {_REMEDY}"
            raise DamagedError(text) from error
        return None
    return unseal(data, name, _CLAIM_FIELDS, remedy=_REMEDY)


def read_run(out: Store) -> dict[str, Any] | None:
    """Return the record of a finished run, or ``None`` if there is none.

    Raises:
        DamagedError: the record is damaged.
    """
    name, remedy = f"{out.uri}/{RUN}", "the next run of the same command writes it again"
    try:
        record = unseal(out.read(RUN), name, _RUN_FIELDS, remedy=remedy)
    except ObjectNotFound:
        return None
    if not all(isinstance(record[field], dict) for field in ("resolved", "summary")):
        raise DamagedError(f"{name} is damaged: a field has another type; {remedy}")
    return record
