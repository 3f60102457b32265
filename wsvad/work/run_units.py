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
from wsvad.work.periodic_publish import PeriodicPublisher
from wsvad.work.progress import ProgressView, VideoUnit
from wsvad.work.receipt import Receipt, WorkUnit
from wsvad.work.rounds import run_rounds
from wsvad.work.session import ExecutionSession, Runner

log = logging.getLogger(__name__)


class VideoWork(VideoUnit, WorkUnit, Protocol):
    """A unit of one video that can be sent to a worker."""


Unit = TypeVar("Unit", bound=VideoWork)


def run_units(
    todo: Sequence[Unit],
    runner: Runner,
    receipts: dict[str, Receipt],
    session: ExecutionSession[Any],
    out: Store,
    *,
    probe_input: Callable[[Unit], object],
    publish: Callable[[], object],
    console: Console,
    activity: str,
) -> ProgressView:
    """Run all units to a final result.

    Args:
        todo: units to run, longest first.
        runner: executes the units.
        receipts: by unit id; receipts of this run are added as they arrive.
        session: the session in which the runner executes units.
        out: data set that the units are written to.
        probe_input: reads a small part of a unit's input to check whether the input store is reachable.
        publish: publishes the units settled so far. Called periodically, and when an input store fails.
        console: where progress is drawn.
        activity: text of the progress bar, e.g. ``extracting``.

    Returns:
        The progress view, which holds the run's timings.

    Raises:
        StorageError, ClusterError: see ``run_rounds``.
    """
    per_video = Counter(u.video_id for u in todo)
    log.info("%d units of %d videos to do", len(todo), len(per_video))
    publish_periodically = PeriodicPublisher(publish)
    logged: set[tuple[str, str]] = set()
    with ProgressView(sum(u.num_clips for u in todo), per_video, runner.in_progress, console, activity) as view:

        def on_receipt(unit: Unit, receipt: Receipt) -> None:
            receipts[unit.unit_id] = receipt
            view.add(unit, receipt)
            if receipt.status != "done" and (unit.video_id, receipt.kind) not in logged:
                logged.add((unit.video_id, receipt.kind))  # all units of a replaced video fail with the same message
                log.warning("%s: %s %s: %s", unit.video_id, receipt.status, receipt.kind, receipt.message)
            publish_periodically()

        health = StoreHealth(out, todo, probe_input)
        try:
            run_rounds(todo, runner, on_receipt, living_nodes=session.living_nodes, health=health)
        except StorageError:
            if health.out_works:
                publish()
            raise
    return view
