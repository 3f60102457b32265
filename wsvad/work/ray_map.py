"""Apply a function to many small items in tasks that Ray spreads over the cluster."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from wsvad.errors import ClusterError

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAX_BATCH = 16
_BATCHES_PER_SLOT = 8  # a few, so that tasks end at about the same time
_QUEUED_PER_SLOT = 2
_RETRIES = 2
_WAIT_S = 1.0


def map_on_cluster(
    function: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], *, cpus_per_task: float
) -> Generator[list[Result]]:
    """Yield the results of all items, in the order in which tasks finish; at least once a second, empty if need be.

    A task that is lost with its node runs again. If it is lost repeatedly, its items are processed in this process. The
    number of tasks follows the size of the cluster.

    Args:
        function: maps a batch of items to their results; at module level, or a partial of such a function. What it
            raises is raised here.
        items: small.
        cpus_per_task: cores that a task reserves; less than 1 for tasks that mostly wait.

    Raises:
        ClusterError: Ray itself failed.
    """
    task: Any = ray.remote(lambda batch: function(batch)).options(
        num_cpus=cpus_per_task, max_retries=_RETRIES, scheduling_strategy="SPREAD"
    )
    waiting = deque(_batches(items, _slots(cpus_per_task)))
    pending: dict[Any, Sequence[Item]] = {}
    try:
        while waiting or pending:
            limit = _QUEUED_PER_SLOT * _slots(cpus_per_task)
            while waiting and len(pending) < limit:
                batch = waiting.popleft()
                pending[task.remote(batch)] = batch
            ready, _ = ray.wait(list(pending), timeout=_WAIT_S)
            yield [result for reference in ready for result in _result(reference, pending.pop(reference), function)]
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        raise ClusterError(f"Ray failed: {(str(error).strip() or repr(error)).splitlines()[-1]}") from error
    finally:
        for reference in pending:
            with suppress(RayError):
                ray.cancel(reference)


def _result(reference: Any, batch: Sequence[Item], function: Callable[[Sequence[Item]], list[Result]]) -> list[Result]:
    try:
        found: list[Result] = ray.get(reference)
    except RayTaskError:
        raise
    except RayError as error:
        log.warning(
            "a task with %d items was lost %d times, they are processed here: %s", len(batch), _RETRIES + 1, error
        )
        return function(batch)
    return found


def _slots(cpus_per_task: float) -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 0.0) / cpus_per_task))


def _batches(items: Sequence[Item], slots: int) -> list[Sequence[Item]]:
    size = max(1, min(_MAX_BATCH, len(items) // (_BATCHES_PER_SLOT * slots)))
    return [items[start : start + size] for start in range(0, len(items), size)]
