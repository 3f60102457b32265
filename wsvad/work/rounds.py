"""Missing is not bad: units without an answer are run again, then alone, and only then judged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from wsvad.errors import DamagedError
from wsvad.work.health import LASTING, OF_STORES, StoreHealth
from wsvad.work.receipt import Receipt, WorkUnit

log = logging.getLogger(__name__)

ROUNDS = 3
ALONE_TRIES = 2
CRASH_KIND = "worker_crash"
_FINAL = LASTING | {DamagedError.__name__}

Unit = TypeVar("Unit", bound=WorkUnit)
Execute = Callable[[Sequence[Unit], bool], Iterable[Receipt]]
"""``execute(units, alone)`` runs units and yields their receipts as they come, some perhaps never; ``alone`` means one
after the other."""


def run_rounds(
    units: Sequence[Unit],
    execute: Execute[Unit],
    on_receipt: Callable[[Unit, Receipt], None],
    *,
    living_nodes: Callable[[], frozenset[str]],
    health: StoreHealth[Unit] | None = None,
    pause_s: float = 5.0,
) -> None:
    """Run all units and hand over exactly one receipt for each, ``done``, ``quarantined`` or ``failed``.

    A unit that got no receipt (its worker or node died) or whose store failed is planned again, in up to three
    rounds. One that still has no receipt, or that is ``suspect`` (its decoder crashed, hung or ran out of something,
    which a busy machine can cause too), is run alone. Only what repeats there is evidence against the video. One whose
    input is damaged is not planned again: it fails in the same way.
    What the store denied is not either, and a store that stays broken ends the run: nothing is computed for it again
    and again.

    Args:
        units: what to run, in the order to start them.
        execute: runs a round.
        on_receipt: called once for every unit.
        living_nodes: ids of the nodes that live now.
        health: of the stores; looked at before units whose store failed are run again.
        pause_s: waited before the second round if a store failed, doubled before the third: it is given time.

    Raises:
        StorageError: a store stays broken; what is settled is handed over.
    """
    open_units = {u.unit_id: u for u in units}
    suspects: list[Unit] = []
    failed: dict[str, Receipt] = {}
    for round_number in range(1, ROUNDS + 1):
        if not open_units:
            break
        if round_number > 1:
            log.warning("round %d: %d units are planned again", round_number, len(open_units))
            if health and failed:
                health.check()
            time.sleep(pause_s * 2 ** (round_number - 2) if failed else 0)
        failed, before = {}, len(open_units)
        for receipt in execute(list(open_units.values()), False):
            if receipt.unit_id not in open_units:
                continue  # an attempt whose first reply was thought lost
            if health:
                health.note(receipt)
            if receipt.status == "failed" and receipt.kind not in _FINAL:
                failed[receipt.unit_id] = receipt
            elif receipt.status == "suspect":
                suspects.append(open_units.pop(receipt.unit_id))
            else:
                on_receipt(open_units.pop(receipt.unit_id), receipt)
        if health and round_number > 1 and len(failed) == before and all(r.kind in OF_STORES for r in failed.values()):
            break  # the stores work, but not for these units: a third time would be for nothing
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
    """Run units one after the other with nothing beside them, so that what happens is their own doing."""
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
            message = "nodes were lost while it ran alone"
            yield unit, Receipt(unit.unit_id, "failed", kind="NodeLost", message=message)
        else:
            message = "took its worker down each time, also alone"
            yield unit, Receipt(unit.unit_id, "quarantined", kind=CRASH_KIND, message=message)
