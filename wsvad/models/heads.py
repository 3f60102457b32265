"""The two small classifiers that the models share, and how weights start.

Axes: D features, H hidden features, ``…`` any leading axes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def unit_length(features: Tensor) -> Tensor:
    """Scale vectors ``[…, D]`` to length 1; one of length 0 stays."""
    return functional.normalize(features, dim=-1)


class AlikeDropout(nn.Module):
    """Dropout that leaves out the same units of every instance of a bag.

    With units left out by chance for each instance, the highest of 1,568 scores is that of the luckiest instance, in an
    anomalous bag as in a normal one: both rise together, and there is nothing to learn from their difference.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        """Map ``[B, …, H]`` to the same shape, one mask ``[H]`` for each of the B bags."""
        if not self.training or not self.share:
            return values
        mask = values.new_ones(values.shape[0], *(1,) * (values.ndim - 2), values.shape[-1])
        return values * functional.dropout(mask, self.share)


class SultaniHead(nn.Module):
    """FC 512 ReLU, dropout, FC 32 (linear), dropout, FC 1 (Sultani et al., CVPR 2018, section 4.1)."""

    hidden_dim = 512

    def __init__(self, input_dim: int, dropout: float, *, alike: bool = False) -> None:
        super().__init__()
        self.fc1 = nn.Linear(input_dim, self.hidden_dim)
        self.fc2 = nn.Linear(self.hidden_dim, 32)
        self.fc3 = nn.Linear(32, 1)
        self.dropout = AlikeDropout(dropout) if alike else nn.Dropout(dropout)

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
        self.fc3 = nn.Linear(128, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[…, D]`` to logits ``[…]``."""
        hidden = self.dropout(self.fc1(features).relu())
        logits: Tensor = self.fc3(self.dropout(self.fc2(hidden).relu()))
        return logits.squeeze(-1)


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Start linear and convolution weights as Glorot & Bengio (2010) do, uniformly, and biases at 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
