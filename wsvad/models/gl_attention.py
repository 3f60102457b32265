"""The encoder that UR-DMU and BN-WVAD begin with: attention to the whole video beside a fixed one to what is near.

Source: Zhou, Yu & Yang, *Dual Memory Units with Uncertainty Regulation for Weakly Supervised Video Anomaly Detection*,
AAAI 2023, "Global and Local Multi-Head Self-Attention"; read with the authors' code (``henrryzh1/UR-DMU``). Choices:

* A convolution over three clips and a ReLU make features of any width D those of width E. Layers follow, each
  attention and a feed-forward part, with the norm before and the input added after.
* A head joins two results of width d: of softmax attention over all clips, and of values of its own, averaged with
  weights ``exp(-|i - j| / e)``. As in the code, what is divided by the sum of its weights is the clip that is looked
  at and not the one that looks: away from the ends of a video the two are the same.
* Weights below one millionth are 0, so that what is near costs the same for each clip of a long video.

Axes: B bags, T clips, D features, E encoded features, h heads, d width of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wsvad.models.attention import DecayMatrix, row_chunks, temporal_decay
from wsvad.models.temporal_conv import TemporalConv

_NEAR_ROWS = 256
"""Clips whose neighbours are averaged at a time."""


class GlobalLocalAttention(nn.Module):
    """Multi-head attention to all clips and, in the same head, to the nearest."""

    def __init__(self, dim: int, *, heads: int, head_dim: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.scale = heads, head_dim**-0.5
        self.qkvn = nn.Linear(dim, 4 * heads * head_dim, bias=False)
        self.out = nn.Linear(2 * heads * head_dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTE: Tensor) -> Tensor:
        """Map ``[B, T, E]`` to the same shape; the input is not added."""
        clips = x_BTE.shape[1]
        q, k, v, near_BhTd = self.qkvn(x_BTE).unflatten(2, (4, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q_BhTd, k_BhdT = q * self.scale, k.mT
        parts = [
            (q_BhTd[:, :, rows] @ k_BhdT).softmax(3) @ v for rows in row_chunks(clips, len(x_BTE) * self.heads * clips)
        ]
        nearby_BhTd = nearby(near_BhTd, temporal_decay(clips, x_BTE, reach=math.e))
        joined_BhTd = torch.cat([torch.cat(parts, dim=2), nearby_BhTd], dim=3)
        out_BTE: Tensor = self.dropout(self.out(joined_BhTd.transpose(1, 2).flatten(2)))
        return out_BTE


def nearby(values_XTd: Tensor, decay: DecayMatrix) -> Tensor:
    """Return ``sum_j decay[i, j] / (sum_i decay[i, j]) values[j]`` for a symmetric decay.

    Args:
        values_XTd: ``[..., T, d]``.
        decay: over the T clips.
    """
    bands = []
    for start in range(0, decay.size, _NEAR_ROWS):
        rows = slice(start, min(start + _NEAR_ROWS, decay.size))
        reach = decay.size if decay.band is None else decay.band
        bands.append((rows, slice(max(0, rows.start - reach), min(decay.size, rows.stop + reach))))
    sums_T = torch.cat([decay.block(rows, columns).sum(1) for rows, columns in bands])
    shares_XTd = values_XTd / sums_T.unsqueeze(1)
    return torch.cat([decay.block(rows, columns) @ shares_XTd[..., columns, :] for rows, columns in bands], dim=-2)


class GlobalLocalEncoder(nn.Module):
    """A convolution and layers of attention and feed-forward.

    Args:
        input_dim: D.
        dim: E.
        layers: of attention, each with a feed-forward part.
        heads, head_dim: of the attention.
        feed_forward: hidden units.
        dropout: share of the outputs of both parts, and of hidden units, left out in training.
    """

    def __init__(
        self, input_dim: int, dim: int, *, layers: int, heads: int, head_dim: int, feed_forward: int, dropout: float
    ) -> None:
        super().__init__()
        self.embedding = TemporalConv(input_dim, dim, kernel_size=3)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "attention_norm": nn.LayerNorm(dim),
                    "attention": GlobalLocalAttention(dim, heads=heads, head_dim=head_dim, dropout=dropout),
                    "feed_forward_norm": nn.LayerNorm(dim),
                    "feed_forward": nn.Sequential(
                        nn.Linear(dim, feed_forward),
                        nn.GELU(),
                        nn.Dropout(dropout),
                        nn.Linear(feed_forward, dim),
                        nn.Dropout(dropout),
                    ),
                }
            )
            for _ in range(layers)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map clips ``[B, T, D]`` to ``[B, T, E]``; beyond a video's ends there are zeros."""
        x_BTE: Tensor = self.embedding(features).relu()
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleDict)
            x_BTE = x_BTE + layer["attention"](layer["attention_norm"](x_BTE))
            x_BTE = x_BTE + layer["feed_forward"](layer["feed_forward_norm"](x_BTE))
        return x_BTE
