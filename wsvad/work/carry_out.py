"""Run the remaining units: show progress, log failures, publish finished units periodically."""

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
    """Run all units to a final result.

    Args:
        todo: units to run, longest first.
        runner: executes the units.
        receipts: by unit id; receipts of this run are added as they arrive.
        workplace: the session in which the runner executes units.
        out: data set that the units are written to.
        look: reads a small part of a unit's input to check whether the input store is reachable.
        publish: publishes the units settled so far. Called periodically, and when an input store fails.
        console: where progress is drawn.
        doing: text of the progress bar, e.g. ``extracting``.

    Returns:
        The progress view, which holds the run's timings.

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
                told.add((unit.video_id, receipt.kind))  # all units of a replaced video fail with the same message
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
