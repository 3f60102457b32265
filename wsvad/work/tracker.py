"""Shared state of one run: attempts, receipts and progress of units. Imports little, because an actor imports it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple


class PackStart(NamedTuple):
    """What the tracker returns to a worker that starts a pack of units."""

    restarted: bool
    """Whether the pack was started before in this round, by a worker that was lost or is believed to be."""
    receipts: list[dict[str, Any] | None]
    """Receipts of the units that are already finished, ``None`` for the others."""
    given_up: list[bool]
    """Whether a unit has reached the limit of attempts."""


class UnitTracker:
    """Attempts, receipts and progress of one run. Runs as an actor on the driver's node and ends with the driver.

    When a pack is restarted, the first of its units without a receipt counts one more attempt, because the lost worker
    was most likely processing it. Workers send receipts once a second at first, so the first count may blame a unit
    that was finished. After a restart they send every receipt immediately, and the count is exact.
    """

    def __init__(self) -> None:
        self._clips: dict[str, int] = {}
        self._new_round(0)

    def _new_round(self, number: int) -> None:
        self._round = number
        self._begun: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._receipts: dict[str, dict[str, Any]] = {}

    def begin(self, round_number: int, unit_ids: Sequence[str], limit: int) -> PackStart:
        """Record the start of a pack, with its units in order, and return the state of its units in this round."""
        if round_number != self._round:
            self._new_round(round_number)
        before = [uid for uid in unit_ids if uid in self._begun]
        running = [uid for uid in before if uid not in self._receipts and self._tries[uid] < limit]
        if running:
            self._tries[running[0]] += 1
        self._begun.update(unit_ids)
        receipts = [self._receipts.get(uid) for uid in unit_ids]
        return PackStart(bool(before), receipts, [self._tries[uid] >= limit for uid in unit_ids])

    def finish(self, round_number: int, receipts: Sequence[dict[str, Any]]) -> None:
        """Record receipts early; the driver receives them again together with the whole pack."""
        for receipt in receipts:
            self._clips[receipt["unit_id"]] = receipt["clips"]
            if round_number == self._round:
                self._receipts[receipt["unit_id"]] = receipt

    def report(self, unit_id: str, clips: int) -> None:
        """Record how many clips of a unit are finished. A lost report only makes the progress bar less smooth."""
        self._clips[unit_id] = clips

    def read(self) -> dict[str, int]:
        """Return the number of finished clips of every unit started so far, by unit id."""
        return dict(self._clips)
