"""Carry out the units that are left: with progress shown, failures told, and what is finished published meanwhile."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from rich.console import Console

from wsvad.errors import StorageError
from wsvad.storage import Store
from wsvad.work.health import StoreHealth
from wsvad.work.interim import Interim
from wsvad.work.progress import ProgressView, VideoUnit
from wsvad.work.receipt import Receipt, WorkUnit
from wsvad.work.rounds import run_rounds
from wsvad.work.workplace import Runner, Workplace

log = logging.getLogger(__name__)


class VideoWork(VideoUnit, WorkUnit, Protocol):
    """A unit of one video that can be sent to a worker."""


Unit = TypeVar("Unit", bound=VideoWork)


def carry_out(
    todo: Sequence[Unit],
    runner: Runner,
    receipts: dict[str, Receipt],
    workplace: Workplace[Any],
    out: Store,
    *,
    look: Callable[[Unit], object],
    publish: Callable[[], object],
    console: Console,
    doing: str,
) -> ProgressView:
    """Run every unit until there is an answer for it.

    Args:
        todo: the units, the longest first.
        runner: runs them.
        receipts: by unit id; those of this run are put there as they come.
        workplace: where the runner runs.
        out: what units are written to.
        look: reads a little of what a unit is made from, to find out whether that store works.
        publish: publishes what is settled so far; called now and then, and where the store that units are read from
            breaks.
        console: where progress is drawn.
        doing: what the bar says is going on.

    Returns:
        The view, for its times.

    Raises:
        StorageError, ClusterError: see ``run_rounds``.
    """
    per_video = Counter(u.video_id for u in todo)
    log.info("%d units of %d videos to do", len(todo), len(per_video))
    publish_now_and_then = Interim(publish)
    told: set[tuple[str, str]] = set()
    with ProgressView(sum(u.num_clips for u in todo), per_video, runner.in_progress, console, doing) as view:

        def on_receipt(unit: Unit, receipt: Receipt) -> None:
            receipts[unit.unit_id] = receipt
            view.add(unit, receipt)
            if receipt.status != "done" and (unit.video_id, receipt.kind) not in told:
                told.add((unit.video_id, receipt.kind))  # the other units of a replaced video say the same
                log.warning("%s: %s %s: %s", unit.video_id, receipt.status, receipt.kind, receipt.message)
            publish_now_and_then()

        health = StoreHealth(out, todo, look)
        try:
            run_rounds(todo, runner, on_receipt, living_nodes=workplace.living_nodes, health=health)
        except StorageError:
            if health.out_works:
                publish()
            raise
    return view
