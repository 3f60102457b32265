"""Saved states of a training run, from which a killed run resumes. The newest intact state is used."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from wsvad.checkpoint.tensors import decode_tensors, digest_of, encode_tensors
from wsvad.documents import parse_object
from wsvad.errors import ObjectNotFound, StorageError, WeightsError
from wsvad.loop.keys import STATES
from wsvad.storage import Created, Store

log = logging.getLogger(__name__)

_TENSORS, _METADATA = "state.safetensors", "state.json"


@dataclass(frozen=True, eq=False)
class TrainState:
    """Everything that the next step depends on. Random numbers depend only on (seed, step, rank) and need no state."""

    step: int
    """Number of finished steps."""
    tensors: Mapping[str, Tensor]
    """Tensors of model, optimiser, dynamic labels, best model so far and curve, by name."""
    columns: tuple[str, ...]
    """Names of the curve's columns."""
    finished: str
    """Why training is finished (``steps``, ``patience``); empty if it is not."""

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors whose names start with ``name.``, with that prefix removed."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): tensor for key, tensor in self.tensors.items() if key.startswith(prefix)}


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's per-parameter state as ``optimizer.<parameter>.<name>``."""
    remembered = optimizer.state_dict()["state"]
    return {f"optimizer.{number}.{name}": t for number, values in remembered.items() for name, t in values.items()}


def restore_optimizer(optimizer: Optimizer, state: TrainState) -> None:
    """Restore :func:`optimizer_tensors` to an optimiser with the same parameters; its settings are kept."""
    by_number: dict[int, dict[str, Tensor]] = {}
    for key, tensor in state.part("optimizer").items():
        number, _, name = key.partition(".")
        by_number.setdefault(int(number), {})[name] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": by_number, "param_groups": groups})


def save_state(store: Store, state: TrainState, *, keep: int) -> None:
    """Save a state, and delete all but the newest ``keep``.

    The small JSON is written last and contains the digest of the tensors. A state without it was left by a killed
    writer and is overwritten.
    """
    folder = _folder(state.step)
    metadata = {"step": state.step, "columns": list(state.columns), "finished": state.finished}
    metadata["digest"] = digest_of(state.tensors, _canonical(metadata))
    for name, data in ((_TENSORS, encode_tensors(state.tensors)), (_METADATA, json.dumps(metadata, indent=1).encode())):
        if store.create(folder + name, data) is Created.DIFFERENT:
            store.replace(folder + name, data)
    delete_older(store, state.step, keep=keep)


def delete_older(store: Store, step: int, *, keep: int) -> None:
    """Delete what is older than the state of a step, except states among the newest ``keep``."""
    kept = {_folder(step) for step in saved_steps(store)[-keep:]}
    older = [info.key for info in store.list(STATES) if STATES < info.key < _folder(step)]
    for key in older:  # by key order the JSON is deleted before its tensors, which invalidates the state
        if not key.startswith(tuple(kept)):
            store.delete(key)


def saved_steps(store: Store) -> list[int]:
    """Return the steps of all saved states, ascending."""
    names = [info.key.split("/") for info in store.list(STATES)]
    return sorted(int(n[1].removeprefix("step-")) for n in names if len(n) == 3 and n[2] == _METADATA)


def newest_state(store: Store) -> TrainState | None:
    """Return the newest intact state, or ``None``; damaged states are skipped with a warning."""
    for step in reversed(saved_steps(store)):
        try:
            return load_state(store, step)
        except (StorageError, WeightsError) as error:
            if not isinstance(error, ObjectNotFound | WeightsError):
                raise
            log.warning("the state of step %d cannot be used, trying an older one: %s", step, error)
    return None


def load_state(store: Store, step: int) -> TrainState:
    """Load the state of a step.

    Raises:
        ObjectNotFound: there is no such state.
        WeightsError: the state is damaged.
    """
    folder = _folder(step)
    try:
        metadata = parse_object(store.read(folder + _METADATA))
        digest = metadata.pop("digest")
        state = TrainState(
            step=metadata["step"],
            tensors=decode_tensors(store.read(folder + _TENSORS), f"{store.uri}/{folder}{_TENSORS}"),
            columns=tuple(metadata["columns"]),
            finished=metadata["finished"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{store.uri}/{folder}{_METADATA} is damaged: {error}") from error
    if digest_of(state.tensors, _canonical(metadata)) != digest or state.step != step:
        raise WeightsError(f"{store.uri}/{folder} is damaged: its digest does not match its content")
    return state


def _folder(step: int) -> str:
    return f"{STATES}step-{step:08d}/"


def _canonical(metadata: Mapping[str, Any]) -> bytes:
    return json.dumps(metadata, sort_keys=True, separators=(",", ":")).encode()
