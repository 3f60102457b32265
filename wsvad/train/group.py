"""The workers that train one model together, as the loop sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.distributed
from torch import Tensor


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


class Alone:
    """A group of one."""

    rank = 0
    world_size = 1

    def sum(self, tensor: Tensor) -> None:
        """Leave the tensor as it is."""


class Distributed:
    """The default process group of ``torch.distributed``: gloo on CPUs, NCCL on GPUs."""

    def __init__(self) -> None:
        self.rank = torch.distributed.get_rank()
        self.world_size = torch.distributed.get_world_size()

    def sum(self, tensor: Tensor) -> None:
        """All-reduce in place."""
        torch.distributed.all_reduce(tensor)


def average(group: Group, gradients: Sequence[Tensor], values: Tensor) -> Tensor:
    """Average gradients, in place, and some values over the workers, in one all-reduce.

    Args:
        group: the workers.
        gradients: of the same parameters on every one of them.
        values: fp32 ``[N]``, losses and the like.

    Returns:
        The means of the values.
    """
    if group.world_size == 1:
        return values
    flat = torch.cat([*(g.reshape(-1) for g in gradients), values])
    group.sum(flat)
    flat /= group.world_size
    *averaged, values = flat.split([*(g.numel() for g in gradients), len(values)])
    for gradient, mean in zip(gradients, averaged, strict=True):
        gradient.copy_(mean.view_as(gradient))
    return values


def most_workers(places: int, *, pairs: int, videos: int) -> int:
    """Return the largest number of workers, at most ``places``, that share ``pairs`` evenly and get a video each."""
    return max(n for n in range(1, max(1, min(places, videos)) + 1) if pairs % n == 0)


def agree(group: Group, value: int, device: torch.device) -> int:
    """Return the first worker's ``value`` on every worker; exact below 2**53."""
    shared = torch.tensor([value if group.rank == 0 else 0], dtype=torch.float64, device=device)
    group.sum(shared)
    return int(shared.item())
