"""What workers cannot know by themselves: tries so far, and who is how far. Light, because an actor imports it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple


class Begin(NamedTuple):
    """What a worker is told when it begins a pack of units."""

    again: bool
    """Whether the pack was begun before in this round: whoever had it is gone, or thought to be."""
    receipts: list[dict[str, Any] | None]
    """Of the units that are finished already; else ``None``."""
    given_up: list[bool]
    """Whether a unit was begun often enough."""


class Board:
    """The books of one run. It runs as an actor beside the driver and is gone with it; nothing depends on it later.

    A unit's tries are counted where it is the first of its pack without a receipt when the pack is begun again: it is
    what the worker was at when it went down. Receipts come every second, so that the first time it may be one that was
    finished; from then on they come at once, and the count is exact.
    """

    def __init__(self) -> None:
        self._clips: dict[str, int] = {}
        self._new_round(0)

    def _new_round(self, number: int) -> None:
        self._round = number
        self._begun: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._receipts: dict[str, dict[str, Any]] = {}

    def begin(self, round_number: int, unit_ids: Sequence[str], limit: int) -> Begin:
        """Note that a pack is begun, its units in this order, and tell what became of them before in this round."""
        if round_number != self._round:
            self._new_round(round_number)
        before = [uid for uid in unit_ids if uid in self._begun]
        running = [uid for uid in before if uid not in self._receipts and self._tries[uid] < limit]
        if running:
            self._tries[running[0]] += 1
        self._begun.update(unit_ids)
        receipts = [self._receipts.get(uid) for uid in unit_ids]
        return Begin(bool(before), receipts, [self._tries[uid] >= limit for uid in unit_ids])

    def finish(self, round_number: int, receipts: Sequence[dict[str, Any]]) -> None:
        """Note receipts of units, which the driver gets with all of their pack."""
        for receipt in receipts:
            self._clips[receipt["unit_id"]] = receipt["clips"]
            if round_number == self._round:
                self._receipts[receipt["unit_id"]] = receipt

    def report(self, unit_id: str, clips: int) -> None:
        """Note how many clips of a unit are finished; a lost report costs nothing but a smoother bar."""
        self._clips[unit_id] = clips

    def read(self) -> dict[str, int]:
        """Return the clips finished so far of every unit that was ever begun."""
        return dict(self._clips)
