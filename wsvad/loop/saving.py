"""Save and resume a training run: its state, its curve as CSV, and its new steps as TensorBoard events."""

from __future__ import annotations

import logging
from typing import Protocol

import torch

from wsvad.loop.curve import Curve, tensorboard_events
from wsvad.loop.group import Group, broadcast
from wsvad.loop.keys import EVENTS
from wsvad.loop.state import TrainState, delete_older, load_state, newest_state, save_state
from wsvad.storage import Store

log = logging.getLogger(__name__)


class Loop(Protocol):
    """A training loop whose state can be saved and restored."""

    @property
    def step(self) -> int:
        """Number of finished steps."""
        ...

    @property
    def curve(self) -> Curve:
        """The training curve, with a row for every finished step."""
        ...

    def state(self) -> TrainState:
        """Return everything that the next step depends on."""
        ...

    def restore(self, state: TrainState) -> None:
        """Restore a state returned by :meth:`state`."""
        ...


def resume(loop: Loop, store: Store, group: Group, device: torch.device, *, keep: int) -> None:
    """Restore the newest intact state on all workers; the first worker selects it.

    Deletes TensorBoard events of later steps, which a killed run had done and which are now repeated, and the states
    that it was about to delete, all but the newest ``keep``.
    """
    state = newest_state(store) if group.rank == 0 else None
    step = broadcast(group, state.step if state else 0, device)
    if step:
        loop.restore(state or load_state(store, step))
        log.info("resuming from step %d", step)
    if group.rank == 0:
        for info in store.list(EVENTS):
            if int(info.key.rsplit(".", 2)[-2]) >= step:
                store.delete(info.key)
        delete_older(store, step, keep=keep)


def save(loop: Loop, store: Store, since: int, *, keep: int, curve: str) -> None:
    """Save TensorBoard events, the curve and the state.

    Args:
        loop: training loop.
        store: store of the run.
        since: step of the previous save; the events cover the steps after it.
        keep: number of states to keep.
        curve: key of the curve as CSV.
    """
    if loop.step > since:
        store.create(f"{EVENTS}events.out.tfevents.{since:010d}.wsvad", tensorboard_events(loop.curve, since))
    # before the state: a run that is killed in between repeats these steps, and so writes the curve again
    store.replace(curve, loop.curve.to_csv())
    save_state(store, loop.state(), keep=keep)
