"""Retry units without a receipt in several rounds, then run them alone, and only then quarantine them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from wsvad.errors import DamagedError
from wsvad.work.health import PERMANENT_KINDS, STORE_KINDS, StoreHealth
from wsvad.work.receipt import Receipt, WorkUnit

log = logging.getLogger(__name__)

ROUNDS = 3
ALONE_TRIES = 2
CRASH_KIND = "worker_crash"
_FINAL = PERMANENT_KINDS | {DamagedError.__name__}

Unit = TypeVar("Unit", bound=WorkUnit)
Execute = Callable[[Sequence[Unit], bool], Iterable[Receipt]]
"""``execute(units, alone)`` runs units and yields receipts as they arrive; some units may get none. ``alone`` runs one
unit at a time."""


def run_rounds(
    units: Sequence[Unit],
    execute: Execute[Unit],
    on_receipt: Callable[[Unit, Receipt], None],
    *,
    living_nodes: Callable[[], frozenset[str]],
    health: StoreHealth[Unit] | None = None,
    pause_s: float = 5.0,
) -> None:
    """Run all units and pass exactly one receipt for each to ``on_receipt``: ``done``, ``quarantined`` or ``failed``.

    * A unit without a receipt (its worker or node died), or whose store failed, is retried, in up to three rounds.
    * A unit that still has no receipt, or that is ``suspect`` (its decoder crashed, hung or exceeded a limit, which a
      busy machine can also cause), is run alone. It is quarantined only if it fails again.
    * A unit whose input is damaged, or denied by the store, is not retried, because it would fail in the same way.
    * A store that stays unavailable ends the run, so that nothing is computed repeatedly for it.

    Args:
        units: units to run, in the order in which they start.
        execute: runs the units of one round.
        on_receipt: called once per unit.
        living_nodes: returns the ids of the living nodes.
        health: health of the stores, checked before units are retried whose store failed.
        pause_s: seconds to wait before the second round if a store failed; doubled before the third.

    Raises:
        StorageError: a store stays unavailable. Receipts of settled units were passed on.
    """
    open_units = {u.unit_id: u for u in units}
    suspects: list[Unit] = []
    failed: dict[str, Receipt] = {}
    for round_number in range(1, ROUNDS + 1):
        if not open_units:
            break
        if round_number > 1:
            log.warning("round %d: retrying %d units", round_number, len(open_units))
            if health and failed:
                health.check()
            time.sleep(pause_s * 2 ** (round_number - 2) if failed else 0)
        failed, before = {}, len(open_units)
        for receipt in execute(list(open_units.values()), False):
            if receipt.unit_id not in open_units:
                continue  # a second receipt: an earlier attempt was believed lost
            if health:
                health.note(receipt)
            if receipt.status == "failed" and receipt.kind not in _FINAL:
                failed[receipt.unit_id] = receipt
            elif receipt.status == "suspect":
                suspects.append(open_units.pop(receipt.unit_id))
            else:
                on_receipt(open_units.pop(receipt.unit_id), receipt)
        all_stores = all(r.kind in STORE_KINDS for r in failed.values())
        if health and round_number > 1 and len(failed) == before and all_stores:
            break  # the stores work, but reject these units: a third round would change nothing
    lost = [unit for unit in open_units.values() if unit.unit_id not in failed]
    for unit, receipt in chain(
        ((unit, failed[uid]) for uid, unit in open_units.items() if uid in failed),
        _alone(suspects, execute, living_nodes, tries=1),
        _alone(lost, execute, living_nodes, tries=ALONE_TRIES),
    ):
        on_receipt(unit, receipt)


def _alone(
    units: Sequence[Unit], execute: Execute[Unit], living_nodes: Callable[[], frozenset[str]], tries: int
) -> Iterator[tuple[Unit, Receipt]]:
    """Run one unit at a time with nothing in parallel, so that a failure is due to the unit itself."""
    left = {unit.unit_id: unit for unit in units}
    nodes_lost = False
    for _ in range(tries if left else 0):
        before = living_nodes()
        for receipt in execute(list(left.values()), True) if left else ():
            if receipt.unit_id in left:
                verdict = replace(receipt, status="quarantined") if receipt.status == "suspect" else receipt
                yield left.pop(receipt.unit_id), verdict
        nodes_lost = nodes_lost or not before <= living_nodes()
    for unit in left.values():
        if nodes_lost:
            message = "a node was lost while it ran alone"
            yield unit, Receipt(unit.unit_id, "failed", kind="NodeLost", message=message)
        else:
            message = "crashed its worker every time, also when run alone"
            yield unit, Receipt(unit.unit_id, "quarantined", kind=CRASH_KIND, message=message)
