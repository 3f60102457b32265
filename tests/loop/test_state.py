"""Saved states: the newest intact one is used, whatever a killed writer left."""

from __future__ import annotations

import torch

from wsvad.loop.state import TrainState, load_state, newest_state, save_state, saved_steps
from wsvad.storage import open_store


def make(step: int, value: float = 0.0) -> TrainState:
    """Return a state with one tensor."""
    return TrainState(step, {"model.w": torch.full((3,), value), "n": torch.tensor(step)}, ("step", "total"), "")


def test_states_round_trip_and_old_ones_are_deleted(tmp_path):
    """The newest two are kept, without leftovers of others."""
    store = open_store(str(tmp_path))
    assert newest_state(store) is None
    for step in (5, 10, 15, 100):
        save_state(store, make(step, step / 3), keep=2)
    assert saved_steps(store) == [15, 100]
    state = newest_state(store)
    assert state is not None
    assert (state.step, state.columns, state.finished) == (100, ("step", "total"), "")
    assert torch.equal(state.tensors["model.w"], torch.full((3,), 100 / 3))
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 4


def test_incomplete_and_damaged_states_are_skipped(tmp_path, caplog):
    """A state without its JSON does not count; for one with a changed byte a warning names it."""
    store = open_store(str(tmp_path))
    for step in (5, 10, 15):
        save_state(store, make(step), keep=3)
    (tmp_path / "state/step-00000015/state.json").unlink()
    path = tmp_path / "state/step-00000010/state.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    state = newest_state(store)
    assert state is not None
    assert state.step == 5
    assert "the state of step 10 cannot be used" in caplog.text
    save_state(store, make(10, 2.0), keep=3)
    save_state(store, make(15, 3.0), keep=3)
    assert load_state(store, 10).tensors["model.w"][0] == 2
    assert load_state(store, 15).tensors["model.w"][0] == 3
