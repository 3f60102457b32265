"""Write checkpoint folders atomically, and read them with verification."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from wsvad.checkpoint.card import model_card
from wsvad.checkpoint.tensors import decode_tensors, digest_of, encode_tensors
from wsvad.checkpoint.trained import FORMAT, Checkpoint, canonical
from wsvad.documents import DocumentError, parse_object
from wsvad.errors import ConflictError, DamagedError, ObjectNotFound, UsageError, WeightsError
from wsvad.models.registry import config_from_dict
from wsvad.storage import Created, Store, StoreOptions, is_absent, open_store

log = logging.getLogger(__name__)

MODEL, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
_KEYS = frozenset(
    ("format", "digest", "model", "features", "features_fingerprint", "training_ids", "training", "versions")
)
FILES = "files"
"""Key in ``config.json`` of the SHA-256 of the other files. Not part of the identity; absent in earlier versions."""
REMEDY = "run the same `wsvad train` again, which restores it from the last state, or copy it again"
"""Remedy in messages about damage."""


def save_checkpoint(store: Store, prefix: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint below ``prefix`` (``""`` is the store's root). An intact checkpoint is never overwritten.

    ``config.json`` is written last and contains the digest of everything, so a folder that has it is complete. An
    incomplete checkpoint of a killed writer is overwritten, and so is a damaged one.

    Raises:
        ConflictError: there is another intact checkpoint.
        WeightsError: the tensors do not match the configuration.
    """
    checkpoint.model()
    folder = key_prefix(prefix)
    if any(info.key == folder + CONFIG for info in store.list(folder + CONFIG)):
        _refuse_other(store, prefix, checkpoint.digest)
    for name, data in (
        (MODEL, encode_tensors(checkpoint.state)),
        (CARD, model_card(checkpoint).encode()),
        (CONFIG, config_json(checkpoint)),
    ):
        if store.create(folder + name, data) is Created.DIFFERENT:
            store.replace(folder + name, data)


def config_json(checkpoint: Checkpoint) -> bytes:
    """Return the bytes of ``config.json``."""
    files = {MODEL: encode_tensors(checkpoint.state), CARD: model_card(checkpoint).encode()}
    digests = {name: f"sha256:{hashlib.sha256(data).hexdigest()}" for name, data in files.items()}
    whole = {**checkpoint.described(), "digest": checkpoint.digest, FILES: digests}
    return json.dumps(whole, indent=1, sort_keys=True).encode()


def _refuse_other(store: Store, prefix: str, digest: str) -> None:
    """Raise ``ConflictError`` if there is an intact checkpoint with another digest."""
    try:
        if read_checkpoint(store, prefix).digest == digest:
            return
        what = "another checkpoint"
    except DamagedError as error:
        log.warning("%s. It is overwritten.", error)
        return
    except UsageError as error:
        what = f"something else ({error})"
    raise ConflictError(f"{store.uri}/{prefix} holds {what}. Nothing was changed. Use another --out.")


def key_prefix(prefix: str) -> str:
    """Return the key prefix of a checkpoint below ``prefix``."""
    return f"{prefix.rstrip('/')}/" if prefix else ""


def load_checkpoint(uri: str, options: StoreOptions | None = None) -> Checkpoint:
    """Read and verify a checkpoint folder. Nothing in it is executed.

    Raises:
        UsageError: there is no checkpoint, or it was written by another version or for an unknown model.
        DamagedError: it is incomplete, damaged or modified.
    """
    return read_checkpoint(open_store(uri, options))


def read_checkpoint(store: Store, prefix: str = "") -> Checkpoint:
    """Read the checkpoint below ``prefix``; see :func:`load_checkpoint`."""
    folder = key_prefix(prefix)
    where = f"{store.uri}/{folder}".rstrip("/")
    described = _described(store, folder, where)
    data = _read_model(store, folder, where)
    state = _tensors(data, f"{where}/{MODEL}")
    found = digest_of(state, canonical({k: v for k, v in described.items() if k not in ("digest", FILES)}))
    _check_shape(described, f"{where}/{CONFIG}", altered=found != described.get("digest"))
    if found != described["digest"]:
        recorded = recorded_digest(described, MODEL)
        whole = recorded == hashlib.sha256(data).hexdigest()
        which = f"{MODEL} or {CONFIG}" if recorded is None else CONFIG if whole else MODEL
        raise DamagedError(
            f"{where}/{which} was modified: expected the digest {described['digest']!r:.80} of {MODEL} and {CONFIG}, "
            f"got {found}; {REMEDY}"
        )
    config = config_from_dict(described["model"])
    newer = sorted(config.to_dict().keys() - described["model"].keys())
    if newer:  # today's default may differ from the value used in training
        raise UsageError(
            f"{where} was written by an earlier version, in which {config.name} had no {', '.join(newer)}; "
            f"{config.remedy}"
        )
    checkpoint = Checkpoint(
        model_config=config,
        state=state,
        features_config=described["features"],
        features_fingerprint=described["features_fingerprint"],
        training_ids=tuple(described["training_ids"]),
        training=described["training"],
        versions=described["versions"],
    )
    checkpoint.model()
    return checkpoint


def _described(store: Store, folder: str, where: str) -> dict[str, Any]:
    """Return the object in ``config.json`` without checking its fields."""
    try:
        data = store.read(folder + CONFIG)
    except ObjectNotFound as error:
        if any(info.key == folder + MODEL for info in store.list(folder + MODEL)):
            raise DamagedError(f"{where}/{CONFIG} is missing, but {MODEL} exists; {REMEDY}") from error
        raise UsageError(
            f"no checkpoint at {where}{', which does not exist' if is_absent(where) else ''}: expected a "
            f"folder with {MODEL} and {CONFIG}, as `wsvad train` writes it to OUT/checkpoint"
        ) from error
    try:
        described = parse_object(data)
    except DocumentError as error:
        raise DamagedError(f"{where}/{CONFIG} is damaged: {error}; {REMEDY}") from error
    if not _KEYS & described.keys() - {"model", "format"}:
        raise WeightsError(f"{where}/{CONFIG} is not that of a checkpoint: it has none of {', '.join(sorted(_KEYS))}")
    return described


def recorded_digest(described: Mapping[str, Any], name: str) -> str | None:
    """Return the SHA-256 (hex) of a file according to ``config.json``, or ``None`` if it has none."""
    files = described.get(FILES)
    recorded = files.get(name) if isinstance(files, dict) else None
    return recorded.removeprefix("sha256:") if isinstance(recorded, str) else None


def _read_model(store: Store, folder: str, where: str) -> bytes:
    try:
        return store.read(folder + MODEL)
    except ObjectNotFound as error:
        raise DamagedError(f"{where}/{MODEL} is missing, but {CONFIG} exists; {REMEDY}") from error


def _tensors(data: bytes, where: str) -> dict[str, Tensor]:
    try:
        return decode_tensors(data, where)
    except WeightsError as error:
        raise DamagedError(f"{error}; {REMEDY}") from error


def _check_shape(described: dict[str, Any], where: str, *, altered: bool) -> None:
    """Refuse other formats, unknown or missing keys, and values of other types."""
    if described.get("format", FORMAT) != FORMAT:
        message = f"{where}: expected format {FORMAT}, got {described['format']!r:.40}"
        if altered:
            raise DamagedError(f"{message}; it was modified, as its digest does not match; {REMEDY}")
        raise UsageError(f"{message}; use the version that wrote it")
    wrong = sorted((_KEYS ^ described.keys()) - {FILES})
    if wrong:
        kinds = [f"{'missing' if key in _KEYS else 'unknown'} {key!r:.40}" for key in wrong[:4]]
        raise DamagedError(f"{where} is not that of a complete checkpoint: {', '.join(kinds)}; {REMEDY}")
    types = {"digest": str, "features_fingerprint": str, "model": dict, "features": dict, "training_ids": list}
    types |= {"training": dict, "versions": dict}
    for key, kind in types.items():
        if not isinstance(described[key], kind):
            raise DamagedError(f"{where}: expected {key!r} as a {kind.__name__}, got {described[key]!r:.80}; {REMEDY}")
    if not all(isinstance(i, str) for i in described["training_ids"]):
        raise DamagedError(f"{where}: expected 'training_ids' as a list of ids; {REMEDY}")
