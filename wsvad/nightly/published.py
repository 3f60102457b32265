"""Published state of a nightly job: one complete night, named by the newest pointer below ``current/``."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wsvad.dataset.layout import DATASET
from wsvad.dataset.sealed import seal, unseal
from wsvad.errors import ConflictError, DamagedError, ObjectNotFound, UsageError
from wsvad.loop.claim import CLAIM
from wsvad.nightly.layout import CURRENT, EVENTS, FEATURES, INPUTS, MODELS, NIGHTS, SCORES
from wsvad.nightly.pointers import Pointer, newest
from wsvad.storage import Created, Store, StoreOptions, is_absent, open_object

log = logging.getLogger(__name__)

_REMEDY = "run `wsvad rescore` again"
_STATE = ("archive", "champion", "models", "settings", "cameras", "thresholds", "inputs", "settled")
"""Fields that are equal in two nights if nothing changed between them."""
FIELDS = (*_STATE, "night", "run_id", "created_utc")


@dataclass(frozen=True)
class SnapshotRef:
    """A snapshot of a data set below the root."""

    prefix: str
    """Key prefix of the data set, without a trailing slash."""
    snapshot: int
    fingerprint: str


@dataclass(frozen=True)
class ModelSnapshots:
    """Snapshots with the results of one model."""

    features: SnapshotRef
    scores: SnapshotRef
    events: SnapshotRef


@dataclass(frozen=True)
class Current:
    """A published night."""

    number: int
    """Number of the pointer, from 1."""
    archive: str
    champion: str
    """Digest of the model whose results readers see."""
    models: Mapping[str, ModelSnapshots]
    """By digest: the champion and the candidates."""
    settings: Mapping[str, float]
    """Settings of its events."""
    cameras: str | None
    """Key of the cameras file; None: there was none."""
    thresholds: tuple[str, ...]
    """Keys of the thresholds files."""
    inputs: str
    """Digest of all inputs of the night except the choice of the champion."""
    settled: bool
    """Whether no video is waiting for a store or a node."""
    night: str
    """Key of the night's report."""
    run_id: str
    created_utc: str
    pointer: Pointer

    @property
    def shown(self) -> ModelSnapshots:
        """Snapshots of the champion."""
        return self.models[self.champion]

    def report(self, root: Store) -> dict[str, Any]:
        """Return the night's report. Raises ``DamagedError``."""
        name = root.uri_of(self.night)
        try:
            return unseal(root.read(self.night), name, ("coverage", "changes"), remedy=_REMEDY)
        except ObjectNotFound as error:
            raise DamagedError(f"{name} is missing, but {root.uri_of(CURRENT)} names it; {_REMEDY}") from error

    def reported(self, root: Store) -> str | None:
        """Return the digest of the model that the report describes; after a promotion this is not the champion.

        Returns ``None`` if the report or a copied input file of the night is missing or damaged.
        """
        try:
            for key in (self.cameras, *self.thresholds):
                check_input(root, key)
            return str(self.report(root).get("champion", self.champion))
        except DamagedError as error:
            log.warning("%s", error)
            return None


def current(root: Store) -> Current | None:
    """Return the newest published night, or ``None`` before the first.

    Raises:
        DamagedError: the newest pointer is damaged.
    """
    found = newest(root, CURRENT, FIELDS)
    if found is None:
        return None
    body = dict(found.body)
    models = {
        digest: ModelSnapshots(**{part: SnapshotRef(**at) for part, at in parts.items()})
        for digest, parts in body["models"].items()
    }
    rest = {name: body[name] for name in FIELDS if name != "models"} | {"thresholds": tuple(body["thresholds"])}
    return Current(number=found.number, models=models, pointer=found, **rest)


def require_current(root: Store) -> Current:
    """Return the newest published night. Raises ``UsageError`` if there is none, and ``DamagedError``."""
    found = current(root)
    if found is None:
        absent = ", which does not exist" if is_absent(root.uri) else ""
        raise UsageError(f"no night was published below {root.uri}{absent}; run `wsvad rescore` first")
    return found


def refuse_foreign_root(root: Store) -> None:
    """Raise ``ConflictError`` if the root contains a data set, a training run or a sweep."""
    for folder in ("", FEATURES, SCORES, EVENTS, MODELS):
        for name, what in ((DATASET, "a data set"), (CLAIM, "a training run or a sweep")):
            if any(info.key == f"{folder}{name}" for info in root.list(f"{folder}{name}")):
                where = root.uri_of(folder) if folder else root.uri
                raise ConflictError(f"{where} contains {what}. Nothing was changed. Use an empty folder as --root.")


def same_state(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two pointer bodies describe the same state, regardless of when they were created."""
    return all(a[name] == b[name] for name in _STATE)


def models_to_json(models: Mapping[str, ModelSnapshots]) -> dict[str, Any]:
    """Return the models of a night as JSON values."""
    return {digest: asdict(model) for digest, model in sorted(models.items())}


def store_report(root: Store, found: Mapping[str, Any]) -> str:
    """Store the report of a night under its digest, and return its key."""
    data = seal(found)
    return _keep(root, f"{NIGHTS}{hashlib.sha256(data).hexdigest()[:32]}.json", data)


def store_input(root: Store, uri: str, options: StoreOptions) -> str:
    """Copy an input file of the events below the root under its digest, and return its key."""
    store, name = open_object(uri, options)
    data = store.read(name)
    return _keep(root, _input_key(data), data)


def check_input(root: Store, key: str | None) -> None:
    """Check a copy made by ``store_input`` against its name. Raises ``DamagedError`` if it is missing or damaged."""
    if key is None:
        return
    try:
        problem = "is damaged" if _input_key(root.read(key)) != key else ""
    except ObjectNotFound:
        problem = "is missing"
    if problem:
        raise DamagedError(f"{root.uri_of(key)} {problem}, but the newest night depends on it; {_REMEDY}")


def _input_key(data: bytes) -> str:
    return f"{INPUTS}{hashlib.sha256(data).hexdigest()[:32]}"


def _keep(root: Store, key: str, data: bytes) -> str:
    """Write an object named by its content; an existing object with other content is damaged, and replaced."""
    if root.create(key, data) is Created.DIFFERENT:
        root.replace(key, data)
    return key


def digest_of(parts: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
