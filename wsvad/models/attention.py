"""LTGS-Net's two modules: local temporal attention and the global spatial module (Sensors 25(16) 4884, section 3).

Readings of what the paper leaves open (all of them, with the tests: docs/papers.md):

* ``H[i, j] = sin((T + i - j) π / 2T) = cos(π (i - j) / 2T)`` with T the number of clips at hand. It multiplies the
  attention's logits element by element (``elementwise``); ``matmul`` takes ``QK^T · H`` as a matrix product,
  ``additive`` adds ``log H``, so that nothing is seen where H is 0; ``none`` leaves it out.
* One head "cuts the parameters" only where the head's width stays: it is a setting of its own, 128.
* "An encoder structure" (section 4.2) is attention alone, with its output projection; the input is added where it is
  used (``ltgs``). ``EncoderLayer`` is the whole block of a Transformer (Vaswani et al. 2017), with the norm after.
* W1, W2 of the global module are diagonal and its MLP has a bottleneck, which fits the small share of the parameters
  that the paper gives the module; ``full`` takes square matrices.
* The pair (average, maximum) over a video's clips goes through a convolution from 2 channels to 1, the MLP and a ReLU
  (section 3.2): ``GlobalSummary``, one vector a video. ``GlobalModule`` is ours: the vector as a gate on the features,
  ``x (1 + g)``, so that one at 0 changes nothing.

Axes: N sequences, T clips (or whatever is attended over), D features, h heads, d width of a head, B bags.
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
"""Elements of the attention matrix that are held at a time where there is no gradient: 128 MiB of float32."""

_NOUGHT = 1e-6
"""A decay along time that would be smaller than this is 0."""
_BAND_ROWS = 64
"""Queries taken at a time where each sees a band of keys, besides two bands: with fewer, calls cost more than work."""


@dataclass(frozen=True)
class DecayMatrix:
    """A symmetric decay matrix ``[T, T]`` in [0, 1], of which parts are made when they are needed."""

    block: Callable[[slice, slice], Tensor]
    """Its part of these rows and columns."""
    size: int
    """T."""
    band: int | None = None
    """Steps from the diagonal beyond which all is 0; None: there may be values everywhere."""


def temporal_decay(clips: int, like: Tensor, *, reach: float = 0.0) -> DecayMatrix:
    """Return a decay along time over that many clips, with the dtype and device of ``like``.

    Args:
        clips: T.
        like: any tensor.
        reach: clips over which the decay falls to 1/e, the same in a long video as in a short one, and 0 from one
            millionth on; added to logits, as its logarithm, it is the linear bias of ALiBi (Press et al. 2022). 0 is
            LTGS-Net's ``H``.
    """
    time_T = torch.arange(clips, device=like.device, dtype=torch.float64)
    if not reach:
        angle_T = time_T * (math.pi / (2 * clips))
        return DecayMatrix(lambda i, j: torch.cos(angle_T[i, None] - angle_T[j]).to(like.dtype), clips)
    band = math.floor(-math.log(_NOUGHT) * reach)

    def block(rows: slice, columns: slice) -> Tensor:
        apart = (time_T[rows, None] - time_T[columns]).abs()
        return (torch.exp(-apart / reach) * (apart <= band)).to(like.dtype)

    return DecayMatrix(block, clips, band)


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

    def forward(self, x_NTD: Tensor, decay: DecayMatrix) -> Tensor:
        """Map ``[N, T, D]`` to the same shape; the input is not added."""
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
        """Cut queries, each with the keys that they see, so that a day of video fits into memory and time."""
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
    """Cut rows into parts that fit; where there is a gradient everything is kept anyway."""
    rows = size
    if not torch.is_grad_enabled():
        rows = max(1, min(CHUNK_ELEMENTS // row_elements, longest or size))
    return [slice(start, min(start + rows, size)) for start in range(0, size, rows)]


class Diagonal(nn.Module):
    """A linear map with a diagonal matrix, which starts as the identity."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[…, D]`` to the same shape."""
        return x * self.weight


class EncoderLayer(nn.Module):
    """A block of a Transformer's encoder whose attention decays with distance.

    Attention, sum with the input, layer norm; feed-forward of two layers, sum, layer norm.

    Args:
        dim: D of the input and the output.
        heads, head_dim, decay: of the attention.
        feed_forward: hidden units of the feed-forward part.
        dropout: share of attention weights, and of the outputs of both parts, left out in training.
    """

    def __init__(self, dim: int, *, heads: int, head_dim: int, decay: Decay, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.attention = DecayedAttention(dim, heads=heads, head_dim=head_dim, decay=decay, dropout=dropout)
        self.attention_norm = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, feed_forward), nn.ReLU(), nn.Linear(feed_forward, dim))
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_NTD: Tensor, decay: DecayMatrix) -> Tensor:
        """Map ``[N, T, D]`` to the same shape; the input is in the sum."""
        x_NTD = self.attention_norm(x_NTD + self.dropout(self.attention(x_NTD, decay)))
        out_NTD: Tensor = self.feed_forward_norm(x_NTD + self.dropout(self.feed_forward(x_NTD)))
        return out_NTD


class GlobalSummary(nn.Module):
    """Say of a whole video what it holds: ``ReLU(MLP(conv([W1 average; W2 maximum])))``, section 3.2.

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
        """Map ``[B, T, D]`` to ``[B, D]``, nowhere below 0."""
        pair_BD2 = torch.stack([self.average(x_BTD.mean(1)), self.maximum(x_BTD.amax(1))], dim=2)
        summary_BD: Tensor = self.mlp(self.pair(pair_BD2).squeeze(2)).relu()
        return summary_BD


class GlobalModule(GlobalSummary):
    """Scale features by what the whole video holds: the summary as a gate."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to the same shape."""
        gate_BD = super().forward(x_BTD)
        return x_BTD * (1 + gate_BD.unsqueeze(1))


class AverageSummary(nn.Module):
    """Temporal average pooling in the place of ``GlobalSummary``, without a parameter (the paper's ablation)."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to ``[B, D]``."""
        return x_BTD.mean(1)
