"""What a nightly job has published: one whole night, named by the newest pointer below ``current/``."""

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
from wsvad.nightly.places import CURRENT, EVENTS, FEATURES, INPUTS, MODELS, NIGHTS, SCORES
from wsvad.nightly.pointers import Pointer, newest
from wsvad.storage import Created, Store, StoreOptions, is_absent, open_object

log = logging.getLogger(__name__)

_REMEDY = "run `wsvad rescore` again"
_STATE = ("archive", "champion", "models", "settings", "cameras", "thresholds", "inputs", "settled")
"""What two nights have in common where nothing changed between them."""
FIELDS = (*_STATE, "night", "run_id", "created_utc")


@dataclass(frozen=True)
class DataSetAt:
    """A snapshot of a data set below the root."""

    prefix: str
    """Key prefix of its root, without a slash at its end."""
    snapshot: int
    fingerprint: str


@dataclass(frozen=True)
class ModelAt:
    """What a model made of the archive."""

    features: DataSetAt
    scores: DataSetAt
    events: DataSetAt


@dataclass(frozen=True)
class Current:
    """A published night."""

    number: int
    """Of the pointer, from 1."""
    archive: str
    champion: str
    """Digest of the model that readers are shown."""
    models: Mapping[str, ModelAt]
    """By digest: the champion, and the candidates beside it."""
    settings: Mapping[str, float]
    """Of its events."""
    cameras: str | None
    """Key of the file of cameras; None: there was none."""
    thresholds: tuple[str, ...]
    """Keys of the files of thresholds."""
    inputs: str
    """Digest of everything that decides the night but the champion."""
    settled: bool
    """Whether nothing was left waiting for a store or a node."""
    night: str
    """Key of what the night found."""
    run_id: str
    created_utc: str
    pointer: Pointer

    @property
    def shown(self) -> ModelAt:
        """What readers are shown."""
        return self.models[self.champion]

    def report(self, root: Store) -> dict[str, Any]:
        """Return what the night found. Raises ``DamagedError``."""
        name = root.uri_of(self.night)
        try:
            return unseal(root.read(self.night), name, ("coverage", "changes"), remedy=_REMEDY)
        except ObjectNotFound as error:
            raise DamagedError(f"{name} is missing, which {root.uri_of(CURRENT)} names; {_REMEDY}") from error

    def reported(self, root: Store) -> str | None:
        """Return the digest of the model that the report is of: after a promotion another than the champion.

        ``None`` where the report, or the copy of a file that the night was made with, is gone or damaged.
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
        digest: ModelAt(**{part: DataSetAt(**at) for part, at in parts.items()})
        for digest, parts in body["models"].items()
    }
    rest = {name: body[name] for name in FIELDS if name != "models"} | {"thresholds": tuple(body["thresholds"])}
    return Current(number=found.number, models=models, pointer=found, **rest)


def require_current(root: Store) -> Current:
    """Return the newest published night. Raises ``UsageError`` where there is none, ``DamagedError``."""
    found = current(root)
    if found is None:
        absent = ", which does not exist" if is_absent(root.uri) else ""
        raise UsageError(f"no night was published below {root.uri}{absent}; `wsvad rescore` makes one")
    return found


def refuse_other(root: Store) -> None:
    """Raise ``ConflictError`` where nights would go between the objects of something that is there already."""
    for folder in ("", FEATURES, SCORES, EVENTS, MODELS):
        for name, what in ((DATASET, "a data set"), (CLAIM, "a training run or a sweep")):
            if any(info.key == f"{folder}{name}" for info in root.list(f"{folder}{name}")):
                where = root.uri_of(folder) if folder else root.uri
                raise ConflictError(f"{where} holds {what}. Nothing was changed. Use another --root, an empty folder.")


def same_state(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two bodies of pointers say the same, whenever they were made."""
    return all(a[name] == b[name] for name in _STATE)


def models_as_json(models: Mapping[str, ModelAt]) -> dict[str, Any]:
    """Return the models of a night as JSON values."""
    return {digest: asdict(model) for digest, model in sorted(models.items())}


def keep_night(root: Store, found: Mapping[str, Any]) -> str:
    """Write what a night found, named by its digest, and return its key."""
    data = seal(found)
    return _keep(root, f"{NIGHTS}{hashlib.sha256(data).hexdigest()[:32]}.json", data)


def keep_input(root: Store, uri: str, options: StoreOptions) -> str:
    """Copy a file that events were made with below the root, named by its digest, and return its key."""
    store, name = open_object(uri, options)
    data = store.read(name)
    return _keep(root, _input_key(data), data)


def check_input(root: Store, key: str | None) -> None:
    """Hold a copy that ``keep_input`` made against its name. Raises ``DamagedError`` where it is gone or another."""
    if key is None:
        return
    try:
        problem = "is damaged" if _input_key(root.read(key)) != key else ""
    except ObjectNotFound:
        problem = "is missing"
    if problem:
        raise DamagedError(f"{root.uri_of(key)} {problem}, by which the newest night was made; {_REMEDY}")


def _input_key(data: bytes) -> str:
    return f"{INPUTS}{hashlib.sha256(data).hexdigest()[:32]}"


def _keep(root: Store, key: str, data: bytes) -> str:
    """Write an object that is named by its content; one that is there and another is damaged, and replaced."""
    if root.create(key, data) is Created.DIFFERENT:
        root.replace(key, data)
    return key


def digest_of(parts: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
