"""LTGS-Net's two modules: local temporal attention and the global spatial module (Sensors 25(16) 4884, section 3).

Interpretations of points that the paper leaves open (all of them, with tests: docs/papers.md):

* ``H[i, j] = sin((T + i - j) π / 2T) = cos(π (i - j) / 2T)`` with T the number of clips in the input. ``elementwise``
  multiplies it with the attention logits element by element; ``matmul`` computes the matrix product ``QK^T · H``;
  ``additive`` adds ``log H``, so that positions with H = 0 are masked; ``none`` omits it.
* One head "cuts the parameters" only if the width of a head stays the same, so ``head_dim`` is a separate setting, 128.
* "An encoder structure" (section 4.2) is attention with an output projection; the residual sum is in ``ltgs``.
  ``EncoderLayer`` is a full post-norm Transformer encoder layer (Vaswani et al. 2017).
* W1, W2 of the global module are diagonal and its MLP has a bottleneck, which matches the small fraction of parameters
  that the paper reports for the module; ``full`` uses square matrices.
* The pair (average, maximum) over a video's clips passes through a convolution from 2 channels to 1, the MLP and a ReLU
  (section 3.2): ``GlobalSummary``, one vector per video. ``GlobalModule`` is our variant: the vector gates the
  features, ``x (1 + g)``, so that a gate of 0 changes nothing.

Axes: N sequences, T clips (or any attended axis), D features, h heads, d width of a head, B bags.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Decay = Literal["elementwise", "matmul", "additive", "none"]

CHUNK_ELEMENTS = 2**25
"""Maximum number of elements of the attention matrix held at a time without gradients: 128 MiB of float32."""

_MIN_DECAY = 1e-6
"""Smaller values of a decay along time are set to 0."""
_BAND_ROWS = 64
"""Minimum rows of a chunk of banded attention, in addition to two bands. With fewer, call overhead dominates."""


@dataclass(frozen=True)
class DecayMatrix:
    """A symmetric decay matrix ``[T, T]`` in [0, 1], computed block by block on demand."""

    block: Callable[[slice, slice], Tensor]
    """Returns the block of the given rows and columns."""
    size: int
    """T."""
    band: int | None = None
    """Distance from the diagonal beyond which all values are 0; None if there is no such limit."""


def temporal_decay(clips: int, like: Tensor, *, reach: float = 0.0) -> DecayMatrix:
    """Return a decay along time, with the dtype and device of ``like``.

    Args:
        clips: T.
        like: any tensor.
        reach: number of clips over which the decay falls to 1/e, independent of the video's length; values below 1e-6
            are 0. Its logarithm, added to logits, is the linear bias of ALiBi (Press et al. 2022). 0 selects
            LTGS-Net's ``H``.
    """
    time_T = torch.arange(clips, device=like.device, dtype=torch.float64)
    if not reach:
        angle_T = time_T * (math.pi / (2 * clips))
        return DecayMatrix(lambda i, j: torch.cos(angle_T[i, None] - angle_T[j]).to(like.dtype), clips)
    band = math.floor(-math.log(_MIN_DECAY) * reach)

    def block(rows: slice, columns: slice) -> Tensor:
        distance = (time_T[rows, None] - time_T[columns]).abs()
        return (torch.exp(-distance / reach) * (distance <= band)).to(like.dtype)

    return DecayMatrix(block, clips, band)


class DecayedAttention(nn.Module):
    """Multi-head self-attention whose weights decay with distance.

    Args:
        dim: D of input and output.
        heads: h.
        head_dim: d of queries, keys and values; h x d need not equal D.
        decay: how the decay matrix is combined with the logits.
        dropout: dropout probability of attention weights.
    """

    def __init__(self, dim: int, *, heads: int, head_dim: int, decay: Decay, dropout: float) -> None:
        super().__init__()
        self.heads, self.decay = heads, decay
        self.scale = head_dim**-0.5
        self.qkv = nn.Linear(dim, 3 * heads * head_dim)
        self.out = nn.Linear(heads * head_dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_NTD: Tensor, decay: DecayMatrix) -> Tensor:
        """Map ``[N, T, D]`` to the same shape, without a residual sum."""
        q, k, v = self.qkv(x_NTD).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q_NhTd, k_NhdT = q * self.scale, k.mT
        if self.decay == "matmul":
            every = slice(0, decay.size)
            columns = [(decay.block(rows, every) @ k).mT for rows in row_chunks(decay.size, decay.size)]
            k_NhdT = torch.cat(columns, dim=3)
        parts = [
            self._attend(q_NhTd[:, :, rows], k_NhdT[:, :, :, keys], v[:, :, keys], decay.block(rows, keys))
            for rows, keys in self._chunks(len(x_NTD), decay)
        ]
        attended_NhTd = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
        out_NTD: Tensor = self.out(attended_NhTd.transpose(1, 2).flatten(2))
        return out_NTD

    def _attend(self, q_NhQd: Tensor, k_NhdK: Tensor, v_NhKd: Tensor, decay_QK: Tensor) -> Tensor:
        logits_NhQK = q_NhQd @ k_NhdK
        if self.decay == "elementwise":
            logits_NhQK = logits_NhQK * decay_QK
        elif self.decay == "additive":
            logits_NhQK = logits_NhQK + decay_QK.log()
        attended: Tensor = self.dropout(logits_NhQK.softmax(3)) @ v_NhKd
        return attended

    def _chunks(self, sequences: int, decay: DecayMatrix) -> list[tuple[slice, slice]]:
        """Divide queries into chunks, each with its range of keys, to bound memory and time for a day of video."""
        size, rows_of = decay.size, sequences * self.heads
        if self.decay != "additive" or decay.band is None:
            return [(rows, slice(0, size)) for rows in row_chunks(size, rows_of * size)]
        band = decay.band
        longest = _BAND_ROWS + 2 * band
        return [
            (rows, slice(max(0, rows.start - band), min(size, rows.stop + band)))
            for rows in row_chunks(size, rows_of * min(size, longest + 2 * band), longest=longest)
        ]


def row_chunks(size: int, row_elements: int, *, longest: int | None = None) -> list[slice]:
    """Divide rows into chunks that fit into memory; with gradients all rows are one chunk, since all is kept anyway."""
    rows = size
    if not torch.is_grad_enabled():
        rows = max(1, min(CHUNK_ELEMENTS // row_elements, longest or size))
    return [slice(start, min(start + rows, size)) for start in range(0, size, rows)]


class Diagonal(nn.Module):
    """A linear map with a diagonal matrix, initialised as the identity."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[…, D]`` to the same shape."""
        return x * self.weight


class EncoderLayer(nn.Module):
    """A Transformer encoder layer whose attention decays with distance.

    Attention, residual sum, layer norm; two-layer feed-forward network, residual sum, layer norm.

    Args:
        dim: D of input and output.
        heads, head_dim, decay: as for :class:`DecayedAttention`.
        feed_forward: hidden units of the feed-forward network.
        dropout: dropout probability of attention weights and of the outputs of both sublayers.
    """

    def __init__(self, dim: int, *, heads: int, head_dim: int, decay: Decay, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.attention = DecayedAttention(dim, heads=heads, head_dim=head_dim, decay=decay, dropout=dropout)
        self.attention_norm = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, feed_forward), nn.ReLU(), nn.Linear(feed_forward, dim))
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_NTD: Tensor, decay: DecayMatrix) -> Tensor:
        """Map ``[N, T, D]`` to the same shape, with residual sums."""
        x_NTD = self.attention_norm(x_NTD + self.dropout(self.attention(x_NTD, decay)))
        out_NTD: Tensor = self.feed_forward_norm(x_NTD + self.dropout(self.feed_forward(x_NTD)))
        return out_NTD


class GlobalSummary(nn.Module):
    """Summary of a whole video: ``ReLU(MLP(conv([W1 average; W2 maximum])))``, section 3.2.

    Args:
        dim: D.
        bottleneck: width of the MLP.
        full: use square matrices W1, W2 and MLP instead of diagonal ones and a bottleneck.
    """

    def __init__(self, dim: int, *, bottleneck: int, full: bool = False) -> None:
        super().__init__()
        self.average = nn.Linear(dim, dim, bias=False) if full else Diagonal(dim)
        self.maximum = nn.Linear(dim, dim, bias=False) if full else Diagonal(dim)
        self.pair = nn.Linear(2, 1)
        hidden = dim if full else bottleneck
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to ``[B, D]``, at least 0."""
        pair_BD2 = torch.stack([self.average(x_BTD.mean(1)), self.maximum(x_BTD.amax(1))], dim=2)
        summary_BD: Tensor = self.mlp(self.pair(pair_BD2).squeeze(2)).relu()
        return summary_BD


class GlobalModule(GlobalSummary):
    """Gate features with the summary of the whole video."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to the same shape."""
        gate_BD = super().forward(x_BTD)
        return x_BTD * (1 + gate_BD.unsqueeze(1))


class AverageSummary(nn.Module):
    """Temporal average pooling instead of ``GlobalSummary``, without parameters (the paper's ablation)."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to ``[B, D]``."""
        return x_BTD.mean(1)
