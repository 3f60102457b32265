"""LTGS-Net's two modules: local temporal attention and the global spatial module (Sensors 25(16) 4884, section 3).

Readings of what the paper leaves open:

* ``H[i, j] = sin((T + i - j) π / 2T) = cos(π (i - j) / 2T)`` with T the number of clips at hand. It multiplies the
  attention's logits element by element (``elementwise``); ``matmul`` takes ``QK^T · H`` as a matrix product,
  ``additive`` adds ``log(H + ε)``, ``none`` leaves it out.
* One head "cuts the parameters" only where the head's width stays: it is a setting of its own, 128.
* W1, W2 of the global module are diagonal and its MLP has a bottleneck, which fits the small share of the parameters
  that the paper gives the module; ``full`` takes square matrices.
* The pair (average, maximum) over a video's clips goes through a convolution from 2 channels to 1, the MLP and a ReLU,
  and what comes out scales the features: ``x (1 + g)``, so that a gate at 0 changes nothing.

Axes: N sequences, T clips (or whatever is attended over), D features, h heads, d width of a head, B bags.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

Decay = Literal["elementwise", "matmul", "additive", "none"]
DecayRows = Callable[[int, int], Tensor]
"""Rows ``start`` to ``end`` of a symmetric decay matrix, ``[end - start, T]`` in [0, 1]."""

EPSILON = 1e-6
CHUNK_ELEMENTS = 2**25
"""Elements of the attention matrix that are held at a time where there is no gradient: 128 MiB of float32."""


def temporal_decay(clips: int, like: Tensor, *, reach: float = 0.0) -> DecayRows:
    """Return the rows of a decay along time for that many clips, with the dtype and device of ``like``.

    Args:
        clips: T.
        like: any tensor.
        reach: clips over which the decay falls to 1/e, the same in a long video as in a short one; added to logits, as
            its logarithm, it is the linear bias of ALiBi (Press et al. 2022). 0 is LTGS-Net's ``H``.
    """
    if reach:
        time_T = torch.arange(clips, device=like.device, dtype=torch.float64) / reach
        return lambda start, end: torch.exp(-(time_T[start:end, None] - time_T).abs()).to(like.dtype)
    angle_T = torch.arange(clips, device=like.device, dtype=torch.float64) * (math.pi / (2 * clips))

    def rows(start: int, end: int) -> Tensor:
        return torch.cos(angle_T[start:end, None] - angle_T).to(like.dtype)

    return rows


class DecayedAttention(nn.Module):
    """Multi-head self-attention whose weights decay with distance.

    Args:
        dim: D of the input and the output.
        heads: h.
        head_dim: d of queries, keys and values; h x d need not be D.
        decay: how the decay matrix enters.
        dropout: share of attention weights left out in training.
    """

    def __init__(self, dim: int, *, heads: int, head_dim: int, decay: Decay, dropout: float) -> None:
        super().__init__()
        self.heads, self.decay = heads, decay
        self.scale = head_dim**-0.5
        self.qkv = nn.Linear(dim, 3 * heads * head_dim)
        self.out = nn.Linear(heads * head_dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_NTD: Tensor, decay_rows: DecayRows) -> Tensor:
        """Map ``[N, T, D]`` to the same shape; the input is not added."""
        q, k, v = self.qkv(x_NTD).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        clips = x_NTD.shape[1]
        q_NhTd, k_NhdT = q * self.scale, k.mT
        if self.decay == "matmul":
            k_NhdT = torch.cat([(decay_rows(*span) @ k).mT for span in self._chunks(clips, 1, clips)], dim=3)
        parts = [
            self._attend(q_NhTd[:, :, start:end], k_NhdT, v, decay_rows(start, end))
            for start, end in self._chunks(clips, len(x_NTD) * self.heads, clips)
        ]
        attended_NhTd = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
        out_NTD: Tensor = self.out(attended_NhTd.transpose(1, 2).flatten(2))
        return out_NTD

    def _attend(self, q_NhQd: Tensor, k_NhdT: Tensor, v_NhTd: Tensor, decay_QT: Tensor) -> Tensor:
        logits_NhQT = q_NhQd @ k_NhdT
        if self.decay == "elementwise":
            logits_NhQT = logits_NhQT * decay_QT
        elif self.decay == "additive":
            logits_NhQT = logits_NhQT + (decay_QT + EPSILON).log()
        attended: Tensor = self.dropout(logits_NhQT.softmax(3)) @ v_NhTd
        return attended

    def _chunks(self, clips: int, sequences: int, columns: int) -> list[tuple[int, int]]:
        """Cut queries so that a day of video fits into memory; where there is a gradient everything is kept anyway."""
        rows = clips if torch.is_grad_enabled() else max(1, CHUNK_ELEMENTS // (sequences * columns))
        return [(start, min(start + rows, clips)) for start in range(0, clips, rows)]


class Diagonal(nn.Module):
    """A linear map with a diagonal matrix, which starts as the identity."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[…, D]`` to the same shape."""
        return x * self.weight


class GlobalModule(nn.Module):
    """Scale features by what the whole video holds.

    Args:
        dim: D.
        bottleneck: width of the MLP.
        full: square W1, W2 and MLP instead of diagonal ones and a bottleneck.
    """

    def __init__(self, dim: int, *, bottleneck: int, full: bool = False) -> None:
        super().__init__()
        self.average = nn.Linear(dim, dim, bias=False) if full else Diagonal(dim)
        self.maximum = nn.Linear(dim, dim, bias=False) if full else Diagonal(dim)
        self.pair = nn.Linear(2, 1)
        hidden = dim if full else bottleneck
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to the same shape."""
        pair_BD2 = torch.stack([self.average(x_BTD.mean(1)), self.maximum(x_BTD.amax(1))], dim=2)
        gate_BD: Tensor = self.mlp(self.pair(pair_BD2).squeeze(2)).relu()
        return x_BTD * (1 + gate_BD.unsqueeze(1))
