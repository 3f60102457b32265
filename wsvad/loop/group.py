"""Groups of workers that train one model together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

DDP_OPTIONS: dict[str, Any] = {
    "find_unused_parameters": True,
    "gradient_as_bucket_view": True,
}
"""Options of ``DistributedDataParallel``.

``find_unused_parameters`` serves two purposes. It allows parameters that a worker's loss does not use. It also keeps
the gradient buckets as they were built from the model. Otherwise the buckets are rebuilt after the first step of a
process, so that with three or more workers the first step of a resumed run sums gradients in another order.
"""


class Group(Protocol):
    """Workers that all run the same steps. Every method is a collective call: all workers must make it."""

    @property
    def rank(self) -> int:
        """Index of this worker, from 0."""
        ...

    @property
    def world_size(self) -> int:
        """Number of workers in the group."""
        ...

    def sum(self, tensor: Tensor) -> None:
        """Replace the tensor by its sum over all workers, bitwise identical on all of them."""
        ...

    def begin_mean(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Start to replace the tensor by its mean over all workers; return a function that waits and returns it."""
        ...

    def parallel(self, model: nn.Module) -> nn.Module:
        """Wrap a model on its device so that backward averages gradients over the workers.

        Afterwards all workers have the weights of the first one.
        """
        ...


class SingleWorker:
    """A group of one worker, without a process group."""

    rank = 0
    world_size = 1

    def sum(self, tensor: Tensor) -> None:
        """Leave the tensor unchanged."""

    def begin_mean(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Leave the tensor unchanged."""
        return lambda: tensor

    def parallel(self, model: nn.Module) -> nn.Module:
        """Return the model itself."""
        return model


class Distributed:
    """The default process group of ``torch.distributed``: gloo on CPUs, NCCL on GPUs."""

    def __init__(self) -> None:
        self.rank = torch.distributed.get_rank()
        self.world_size = torch.distributed.get_world_size()

    def sum(self, tensor: Tensor) -> None:
        """All-reduce in place."""
        torch.distributed.all_reduce(tensor)

    def begin_mean(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Start an asynchronous all-reduce."""
        work = torch.distributed.all_reduce(tensor, async_op=True)

        def finish() -> Tensor:
            work.wait()
            return tensor.div_(self.world_size)

        return finish

    def parallel(self, model: nn.Module) -> nn.Module:
        """Wrap the model in ``DistributedDataParallel``, unless there is only one worker."""
        if self.world_size == 1:
            return model
        wrapped = self._wrap(model)
        # Batch norm statistics stay local to each worker. Set as an attribute, because newer releases of torch
        # deprecate the argument, and older ones do not have its replacement.
        wrapped.broadcast_buffers = False
        return wrapped

    def _wrap(self, model: nn.Module) -> DistributedDataParallel:
        return DistributedDataParallel(model, **DDP_OPTIONS)


def max_workers(places: int, *, pairs: int, videos: int) -> int:
    """Return the largest number of workers, at most ``places``, that divides ``pairs`` and is at most ``videos``."""
    return max(n for n in range(1, max(1, min(places, videos)) + 1) if pairs % n == 0)


def broadcast(group: Group, value: int, device: torch.device | str) -> int:
    """Broadcast the first worker's ``value`` to all workers; exact below 2**53."""
    shared = torch.tensor([value if group.rank == 0 else 0], dtype=torch.float64, device=device)
    group.sum(shared)
    return int(shared.item())
