"""The workers that train one model together, as the loop sees them."""

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
"""How models are wrapped in ``DistributedDataParallel``.

``find_unused_parameters`` does two things. A parameter that a worker's loss does not reach is no error. And the
buckets, in which gradients are summed, stay as they were made from the model: without it they are made anew after a
process's first step, so that with three workers or more the first step of a resumed run is summed in another order.
"""


class Group(Protocol):
    """Workers that all run the same steps; every one of them makes every call."""

    @property
    def rank(self) -> int:
        """Number of this worker, from 0."""
        ...

    @property
    def world_size(self) -> int:
        """Workers in the group."""
        ...

    def sum(self, tensor: Tensor) -> None:
        """Replace the tensor by its sum over all workers, the same bits everywhere."""
        ...

    def begin_mean(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Begin to replace the tensor by its mean over all workers; what is returned waits for it and returns it."""
        ...

    def parallel(self, model: nn.Module) -> nn.Module:
        """Return what to call instead of a model, which is on its device: backward then averages gradients.

        All workers have the first one's weights afterwards.
        """
        ...


class Alone:
    """A group of one, without any process group."""

    rank = 0
    world_size = 1

    def sum(self, tensor: Tensor) -> None:
        """Leave the tensor as it is."""

    def begin_mean(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Leave the tensor as it is."""
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
        """Begin an all-reduce, which runs beside what the caller does next."""
        work = torch.distributed.all_reduce(tensor, async_op=True)

        def finish() -> Tensor:
            work.wait()
            return tensor.div_(self.world_size)

        return finish

    def parallel(self, model: nn.Module) -> nn.Module:
        """Wrap the model in ``DistributedDataParallel``; one worker needs no wrapper."""
        if self.world_size == 1:
            return model
        wrapped = self._wrap(model)
        # The statistics of a batch norm are each worker's own until they are looked at. Set here, since newer releases
        # of torch warn of the argument, and older ones do not know its successor.
        wrapped.broadcast_buffers = False
        return wrapped

    def _wrap(self, model: nn.Module) -> DistributedDataParallel:
        return DistributedDataParallel(model, **DDP_OPTIONS)


def most_workers(places: int, *, pairs: int, videos: int) -> int:
    """Return the largest number of workers, at most ``places``, that share ``pairs`` evenly and get a video each."""
    return max(n for n in range(1, max(1, min(places, videos)) + 1) if pairs % n == 0)


def agree(group: Group, value: int, device: torch.device | str) -> int:
    """Return the first worker's ``value`` on every worker; exact below 2**53."""
    shared = torch.tensor([value if group.rank == 0 else 0], dtype=torch.float64, device=device)
    group.sum(shared)
    return int(shared.item())
