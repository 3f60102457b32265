"""The place where units run, found out about before anything depends on it."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from wsvad.backbones.weights import Weights
from wsvad.cluster import Pool, PoolOptions, connected, fit, nodes
from wsvad.extract.weights import WeightsSource


class Workplace:
    """Ray and the weights, brought up when there is work for them; a run with nothing to do pays for neither.

    Use as a context manager: leaving it closes the connection that it made.
    """

    def __init__(self, options: PoolOptions, weights: WeightsSource, address: str | None, *, verbose: bool) -> None:
        self._options = options
        self._source = weights
        self._address = address
        self._verbose = verbose
        self._stack = contextlib.ExitStack()
        self._pool: Pool | None = None
        self._weights: Future[Weights] | None = None

    def __enter__(self) -> Workplace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def open(self) -> Pool:
        """Connect to Ray, start loading the weights, and return the pool that fits; later calls return the same.

        Raises:
            UsageError: the cluster cannot hold what was asked for.
            ClusterError: it cannot be reached.
        """
        if self._pool is None:
            beside = self._stack.enter_context(ThreadPoolExecutor(1))
            self._weights = beside.submit(self._source.load)  # seconds of work, while Ray starts
            self._stack.enter_context(connected(self._address, verbose=self._verbose))
            self._pool = fit(self._options, nodes())
        return self._pool

    def weights(self) -> Weights:
        """Return the weights; waits until they are loaded."""
        self.open()
        assert self._weights is not None
        return self._weights.result()
