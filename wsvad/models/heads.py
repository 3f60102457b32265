"""Classifier heads shared by the models, and weight initialisation.

Axes: D features, H hidden features, ``…`` any leading axes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.models.precision import LogitLayer


def unit_length(features: Tensor) -> Tensor:
    """Scale vectors ``[…, D]`` to length 1; vectors of length 0 are unchanged."""
    return functional.normalize(features, dim=-1)


class SharedDropout(nn.Module):
    """Dropout with one mask for all instances of a bag.

    With independent masks, the maximum over 1,568 instances is the score of the luckiest mask, in anomalous and normal
    bags alike. Both maxima rise together, and their difference carries no training signal.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        """Map ``[B, …, H]`` to the same shape, with one mask ``[H]`` for each of the B bags."""
        if not self.training or not self.p:
            return values
        mask = values.new_ones(values.shape[0], *(1,) * (values.ndim - 2), values.shape[-1])
        return values * functional.dropout(mask, self.p)


class SultaniHead(nn.Module):
    """FC 512 ReLU, dropout, FC 32 (linear), dropout, FC 1 (Sultani et al., CVPR 2018, section 4.1)."""

    hidden_dim = 512

    def __init__(self, input_dim: int, dropout: float, *, shared_dropout: bool = False) -> None:
        super().__init__()
        self.fc1 = nn.Linear(input_dim, self.hidden_dim)
        self.fc2 = nn.Linear(self.hidden_dim, 32)
        self.fc3 = LogitLayer(32, 1)
        self.dropout = SharedDropout(dropout) if shared_dropout else nn.Dropout(dropout)

    def hidden(self, features: Tensor) -> Tensor:
        """Map ``[…, D]`` to ``[…, H = 512]``."""
        hidden: Tensor = self.dropout(self.fc1(features).relu())
        return hidden

    def classify(self, hidden: Tensor) -> Tensor:
        """Map ``[…, H]`` to logits ``[…]``."""
        logits: Tensor = self.fc3(self.dropout(self.fc2(hidden)))
        return logits.squeeze(-1)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[…, D]`` to logits ``[…]``."""
        return self.classify(self.hidden(features))


class SnippetHead(nn.Module):
    """FC 512 ReLU, dropout, FC 128 ReLU, dropout, FC 1 (RTFM; LTGS-Net, section 4.2)."""

    def __init__(self, input_dim: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(input_dim, 512)
        self.fc2 = nn.Linear(512, 128)
        self.fc3 = LogitLayer(128, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[…, D]`` to logits ``[…]``."""
        hidden = self.dropout(self.fc1(features).relu())
        logits: Tensor = self.fc3(self.dropout(self.fc2(hidden).relu()))
        return logits.squeeze(-1)


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Initialise linear and convolution weights uniformly by Glorot & Bengio (2010), and biases with 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
