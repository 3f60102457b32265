"""The place where units run, found out about before anything depends on it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from wsvad.backbones.extractor import cuda_devices
from wsvad.work import inline
from wsvad.work.inline import InlineRunner
from wsvad.work.place import Place, asked_for, refuse_unused, this_process
from wsvad.work.pool import Pool, PoolOptions, fit
from wsvad.work.receipt import Receipt, WorkUnit

log = logging.getLogger(__name__)

Payload = TypeVar("Payload")


class Runner(Protocol):
    """Runs units, here or on Ray."""

    def in_progress(self) -> Mapping[str, int]:
        """Return the clips finished so far of every unit that was ever begun, by unit id."""
        ...

    def __call__(self, units: Sequence[WorkUnit], alone: bool) -> Iterator[Receipt]:
        """Run units and yield receipts as they come; ``alone`` means one after the other with nothing beside."""
        ...


class Workplace(Generic[Payload]):
    """This process or Ray, and what workers are given. Brought up when there is work; a run with nothing to do pays
    for neither, and a run in this process never imports Ray.

    Use as a context manager: leaving it closes the connection that it made, and ends the decoders of this process.

    Args:
        options: the pool that was asked for.
        load: makes what every worker gets (weights, a checkpoint); runs while Ray starts.
        address: of a Ray cluster, see :func:`wsvad.work.cluster.connected`.
        use_ray: ``True`` or ``False`` force the place; ``None`` leaves it to :meth:`settle`.
        does: what the verb does, for messages, e.g. ``extracts``.
        verbose: let Ray's own logs through.

    Raises:
        UsageError: Ray is refused, and options are given that mean nothing without it.
    """

    def __init__(
        self,
        options: PoolOptions,
        load: Callable[[], Payload],
        address: str | None,
        *,
        use_ray: bool | None,
        does: str,
        verbose: bool,
    ) -> None:
        refuse_unused(use_ray, options, address, does)
        self._options = options
        self._load = load
        self._address = address
        self._verbose = verbose
        self._stack = contextlib.ExitStack()
        self._pool: Pool | None = None
        self._loading: Future[Payload] | None = None
        self.place: Place | None = asked_for(use_ray, options, address)
        """Where units run, as soon as that is known."""

    def __enter__(self) -> Workplace[Payload]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def settle(self, small: bool, why: str) -> Place:
        """Choose the place by the work, where nothing else decided; later calls change nothing.

        Args:
            small: whether one process should do it.
            why: how much there is to do; a phrase that people are told.
        """
        if self.place is None:
            self.place = Place(not small, why)
        return self.place

    def open(self) -> Pool:
        """Connect to Ray if that is the place, start loading the payload, and return the pool that fits.

        Later calls return the same.

        Raises:
            UsageError: the place cannot hold what was asked for.
            ClusterError: it cannot be reached.
        """
        if self._pool is None:
            assert self.place is not None, "settle first"
            beside = self._stack.enter_context(ThreadPoolExecutor(1))
            self._loading = beside.submit(self._load)  # seconds of work, while Ray starts
            self._pool = self._connect() if self.place.on_ray else self._here()
        return self._pool

    def _connect(self) -> Pool:
        from wsvad.work import cluster  # brings Ray with it

        self._stack.enter_context(cluster.connected(self._address, verbose=self._verbose))
        return fit(self._options, cluster.nodes())

    def _here(self) -> Pool:
        return this_process(self._options, cuda_devices())

    def payload(self) -> Payload:
        """Return what workers are given; waits until it is loaded."""
        self.open()
        assert self._loading is not None
        return self._loading.result()

    def runner(
        self, make_stage: Callable[[Any, Any, Callable[[str, int], None]], Any], config: Any, *, pack_clips: int
    ) -> Runner:
        """Return what runs units, and log where that is.

        Args:
            make_stage: ``make_stage(config, payload, report)``, at module level, so that it can travel.
            config: of the stage.
            pack_clips: clips up to which small units are sent to a worker of Ray together.
        """
        pool, place = self.open(), self.place
        assert place is not None
        if place.on_ray:
            from wsvad.work.run import UnitRunner  # brings Ray with it

            log.info(
                "on Ray (%s): %d workers (each %g CPU, %g GPU)",
                place.why, pool.workers, pool.cpus_per_worker, pool.gpus_per_worker,
            )  # fmt: skip
            return UnitRunner(make_stage, config, self.payload(), pool, pack_clips=pack_clips, verbose=self._verbose)
        log.info("in this process (%s), device %s", place.why, pool.device)
        runner = InlineRunner(make_stage, config, self.payload())
        self._stack.callback(runner.close)
        return runner

    def living_nodes(self) -> frozenset[str]:
        """Return the ids of the nodes that live now."""
        assert self.place is not None
        if not self.place.on_ray:
            return inline.living_nodes()
        from wsvad.work import cluster  # brings Ray with it

        return cluster.living_nodes()

    def told(self, todo: bool) -> dict[str, Any]:
        """Return what summaries say of the place: ``ran_in`` and ``ran_in_why``, both empty where nothing ran."""
        if not todo or self.place is None:
            return {"ran_in": "", "ran_in_why": ""}
        return {"ran_in": self.place.name, "ran_in_why": self.place.why}
