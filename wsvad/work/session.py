"""The execution session of a run: this process or Ray, the worker pool, and the payload of the workers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from wsvad.backbones.extractor import cuda_devices
from wsvad.work import inline
from wsvad.work.backend import Backend, inline_pool, refuse_unused_options, requested_backend
from wsvad.work.inline import InlineRunner
from wsvad.work.pool import Pool, PoolOptions, fit_pool
from wsvad.work.receipt import Receipt, WorkUnit

log = logging.getLogger(__name__)

Payload = TypeVar("Payload")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Runner(Protocol):
    """Runs units, in this process or on Ray."""

    def in_progress(self) -> Mapping[str, int]:
        """Return the number of finished clips of every unit started so far, by unit id."""
        ...

    def __call__(self, units: Sequence[WorkUnit], alone: bool) -> Iterator[Receipt]:
        """Run units and yield receipts as they arrive; ``alone`` runs one unit at a time with nothing in parallel."""
        ...


class ExecutionSession(Generic[Payload]):
    """The backend of a run and the payload of its workers. Started lazily: a run without work starts neither, and a run
    in this process never imports Ray.

    Use as a context manager: on exit it closes the connection that it opened and ends the decoders of this process.

    Args:
        options: requested worker pool.
        load: loads the payload of every worker (weights, a checkpoint); runs while Ray starts.
        address: address of a Ray cluster, see :func:`wsvad.work.cluster.connected`.
        use_ray: ``True`` or ``False`` selects the backend; ``None`` leaves the choice to :meth:`choose_backend`.
        action: what the verb does, for messages, e.g. ``extracts``.
        verbose: show Ray's own logs.

    Raises:
        UsageError: Ray is refused, and options are given that have no effect without it.
    """

    def __init__(
        self,
        options: PoolOptions,
        load: Callable[[], Payload],
        address: str | None,
        *,
        use_ray: bool | None,
        action: str,
        verbose: bool,
    ) -> None:
        refuse_unused_options(use_ray, options, address, action)
        self._options = options
        self._load = load
        self._address = address
        self._verbose = verbose
        self._stack = contextlib.ExitStack()
        self._pool: Pool | None = None
        self._loading: Future[Payload] | None = None
        self.backend: Backend | None = requested_backend(use_ray, options, address)
        """Where units run; ``None`` until it is decided."""

    def __enter__(self) -> ExecutionSession[Payload]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def choose_backend(self, small: bool, why: str) -> Backend:
        """Choose the backend by the amount of work unless it is decided already. Later calls change nothing.

        Args:
            small: whether the work is small enough for this process.
            why: reason, i.e. the amount of work, as shown to users.
        """
        if self.backend is None:
            self.backend = Backend(not small, why)
        return self.backend

    def open(self) -> Pool:
        """Connect to Ray if it is the backend, start loading the payload, and return the pool.

        Later calls return the same pool.

        Raises:
            UsageError: the backend cannot hold the requested workers.
            ClusterError: Ray cannot be reached.
        """
        if self._pool is None:
            assert self.backend is not None, "call choose_backend first"
            executor = self._stack.enter_context(ThreadPoolExecutor(1))
            self._loading = executor.submit(self._load)  # takes seconds; runs while Ray starts
            self._pool = self._connect() if self.backend.on_ray else self._inline()
        return self._pool

    def _connect(self) -> Pool:
        from wsvad.work import cluster  # imports Ray

        self._stack.enter_context(cluster.connected(self._address, verbose=self._verbose))
        return fit_pool(self._options, cluster.nodes())

    def _inline(self) -> Pool:
        return inline_pool(self._options, cuda_devices())

    def payload(self) -> Payload:
        """Return the payload of the workers; waits until it is loaded."""
        self.open()
        assert self._loading is not None
        return self._loading.result()

    def runner(
        self, make_stage: Callable[[Any, Any, Callable[[str, int], None]], Any], config: Any, *, pack_clips: int
    ) -> Runner:
        """Return the runner of the units, and log where it runs.

        Args:
            make_stage: ``make_stage(config, payload, report)``, at module level, so that it can be pickled.
            config: configuration of the stage.
            pack_clips: maximum clips of a pack of small units that is sent to a Ray worker.
        """
        pool, backend = self.open(), self.backend
        assert backend is not None
        if backend.on_ray:
            from wsvad.work.ray_runner import RayRunner  # imports Ray

            log.info(
                "on Ray (%s): %d workers (each %g CPU, %g GPU)",
                backend.why, pool.workers, pool.cpus_per_worker, pool.gpus_per_worker,
            )  # fmt: skip
            return RayRunner(make_stage, config, self.payload(), pool, pack_clips=pack_clips, verbose=self._verbose)
        log.info("in this process (%s), device %s", backend.why, pool.device)
        runner = InlineRunner(make_stage, config, self.payload())
        self._stack.callback(runner.close)
        return runner

    def map_on_cluster(
        self, function: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], *, cpus_per_task: float
    ) -> Generator[list[Result]] | None:
        """Apply a function to many small items on the cluster, see :func:`wsvad.work.ray_map.map_on_cluster`.

        Returns:
            The results, or ``None`` if the session is not open or runs in this process.
        """
        if self._pool is None or self.backend is None or not self.backend.on_ray:
            return None
        from wsvad.work.ray_map import map_on_cluster  # imports Ray

        return map_on_cluster(function, items, cpus_per_task=cpus_per_task)

    def living_nodes(self) -> frozenset[str]:
        """Return the ids of the living nodes."""
        assert self.backend is not None
        if not self.backend.on_ray:
            return inline.living_nodes()
        from wsvad.work import cluster  # imports Ray

        return cluster.living_nodes()

    def summary_fields(self, ran: bool) -> dict[str, Any]:
        """Return the fields ``ran_in`` and ``ran_in_why`` of summaries, both empty if nothing ran."""
        if not ran or self.backend is None:
            return {"ran_in": "", "ran_in_why": ""}
        return {"ran_in": self.backend.name, "ran_in_why": self.backend.why}
