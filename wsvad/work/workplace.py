"""The place where units run, found out about before anything depends on it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

from wsvad.cluster import Pool, PoolOptions, connected, fit, nodes

Payload = TypeVar("Payload")


class Workplace(Generic[Payload]):
    """Ray and what workers are given, brought up when there is work; a run with nothing to do pays for neither.

    Use as a context manager: leaving it closes the connection that it made.

    Args:
        options: the pool that was asked for.
        load: makes what every worker gets (weights, a checkpoint); runs while Ray starts.
        address: of a Ray cluster, see :func:`wsvad.cluster.connected`.
        verbose: let Ray's own logs through.
    """

    def __init__(
        self, options: PoolOptions, load: Callable[[], Payload], address: str | None, *, verbose: bool
    ) -> None:
        self._options = options
        self._load = load
        self._address = address
        self._verbose = verbose
        self._stack = contextlib.ExitStack()
        self._pool: Pool | None = None
        self._loading: Future[Payload] | None = None

    def __enter__(self) -> Workplace[Payload]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def open(self) -> Pool:
        """Connect to Ray, start loading the payload, and return the pool that fits; later calls return the same.

        Raises:
            UsageError: the cluster cannot hold what was asked for.
            ClusterError: it cannot be reached.
        """
        if self._pool is None:
            beside = self._stack.enter_context(ThreadPoolExecutor(1))
            self._loading = beside.submit(self._load)  # seconds of work, while Ray starts
            self._stack.enter_context(connected(self._address, verbose=self._verbose))
            self._pool = fit(self._options, nodes())
        return self._pool

    def payload(self) -> Payload:
        """Return what workers are given; waits until it is loaded."""
        self.open()
        assert self._loading is not None
        return self._loading.result()
