"""What a loop keeps of a run, and goes on from: states, the curve as CSV, and its new steps as TensorBoard events."""

from __future__ import annotations

import logging
from typing import Protocol

import torch

from wsvad.loop.curve import Curve, tensorboard_events
from wsvad.loop.group import Group, agree
from wsvad.loop.places import EVENTS
from wsvad.loop.state import TrainState, load_state, newest_state, save_state
from wsvad.storage import Store

log = logging.getLogger(__name__)


class Loop(Protocol):
    """A loop over steps that can be saved and restored."""

    @property
    def step(self) -> int:
        """Steps done."""
        ...

    @property
    def curve(self) -> Curve:
        """A row for every step done."""
        ...

    def state(self) -> TrainState:
        """Return everything that the next step depends on."""
        ...

    def restore(self, state: TrainState) -> None:
        """Undo :meth:`state`."""
        ...


def resume(loop: Loop, store: Store, group: Group, device: torch.device) -> None:
    """Restore, on every worker, the state that the first one finds to be the newest whole one.

    Events of steps that a killed run did, and that are done again now, are deleted.
    """
    state = newest_state(store) if group.rank == 0 else None
    step = agree(group, state.step if state else 0, device)
    if step:
        loop.restore(state or load_state(store, step))
        log.info("going on from step %d", step)
    if group.rank == 0:
        for info in store.list(EVENTS):
            if int(info.key.rsplit(".", 2)[-2]) >= step:
                store.delete(info.key)


def save(loop: Loop, store: Store, since: int, *, keep: int, curve: str) -> None:
    """Write the state, and what people look at.

    Args:
        loop: as it is now.
        store: of the run.
        since: step at which it was last saved; events are of the steps after it.
        keep: states that are kept.
        curve: key of the curve as CSV.
    """
    if loop.step > since:
        store.create(f"{EVENTS}events.out.tfevents.{since:010d}.wsvad", tensorboard_events(loop.curve, since))
    save_state(store, loop.state(), keep=keep)
    store.replace(curve, loop.curve.to_csv())
