"""Soft labels that follow the model's own predictions (LTGS-Net, Sensors 25(16) 4884, section 3.3 and Algorithm 1).

Interpretations of points that the paper leaves open:

* The initial labels are the video's: 1 for all columns of an anomalous video. Labels of a normal video are always 0.
* They are updated when ``step > 0 and step % period == 0``: the paper's beta is both the warm-up and the period.
* ``new = alpha * old + (1 - alpha) * prediction``: alpha weights the *old* label, so alpha = 0 is a hard update.
* ``rank``: column j refers to the clip that ranks j-th at the time, and column 0 stays 1 (Algorithm 1).
  ``segment``: column t refers to segment t; the criterion then keeps the target of a video's best-ranked clip at 1.

Axes: N training videos, X = k or T columns, B bags.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wsvad.errors import UsageError
from wsvad.models.contract import LabelIndex


class DynamicLabels:
    """Soft labels of all training videos, on the CPU, saved with checkpoints.

    Args:
        labels_N: 0 or 1 for each training video; ``video_B`` indexes this order.
        columns: k (``rank``, at most the number of segments) or the number of segments (``segment``).
        index: what a column refers to.
        alpha: weight of the old label in the new one, [0, 1].
        period: steps between updates, at least 1.

    Example:
        >>> labels = DynamicLabels(torch.tensor([1, 0]), columns=2, index="rank", alpha=0.9, period=10)
        >>> labels.update(10, torch.tensor([[0.5, 0.5], [0.5, 0.5]]))
        >>> labels.targets(torch.tensor([0, 1]))
        tensor([[1.0000, 0.9500],
                [0.0000, 0.0000]])
    """

    def __init__(self, labels_N: Tensor, *, columns: int, index: LabelIndex, alpha: float, period: int) -> None:
        self.index, self.alpha, self.period = index, alpha, period
        self._anomalous_N1 = (labels_N.detach().cpu() == 1).unsqueeze(1)
        self._values_NX = self._anomalous_N1.float().expand(-1, columns).clone()
        self._last_step = 0

    def due(self, step: int) -> bool:
        """Return whether the labels must be updated before this step; false after the update of that step."""
        return step > self._last_step and step % self.period == 0

    def update(self, step: int, predictions_NX: Tensor) -> None:
        """Move the labels towards ``Criterion.label_predictions`` of every training video.

        Raises:
            ValueError: no update is due at this step, the shape is wrong, or predictions are not in [0, 1].
        """
        if not self.due(step):
            raise ValueError(f"labels are updated every {self.period} steps, not at {step} after {self._last_step}")
        predictions_NX = predictions_NX.detach().cpu().float()
        if predictions_NX.shape != self._values_NX.shape:
            raise ValueError(f"expected predictions {list(self._values_NX.shape)}, got {list(predictions_NX.shape)}")
        if not ((predictions_NX >= 0) & (predictions_NX <= 1)).all():
            raise ValueError(f"step {step}: predictions must be in [0, 1] and finite")
        moved_NX = self._values_NX * self.alpha + predictions_NX * (1 - self.alpha)
        if self.index == "rank":
            moved_NX[:, 0] = 1
        self._values_NX = torch.where(self._anomalous_N1, moved_NX, 0)
        self._last_step = step

    def targets(self, video_B: Tensor) -> Tensor:
        """Return the labels ``[B, X]`` of the given training videos, float32 on the CPU."""
        return self._values_NX[video_B.cpu()]

    def state_dict(self) -> dict[str, Any]:
        """Return the state for ``load_state_dict``, tensors and an int."""
        return {"values": self._values_NX.clone(), "last_step": self._last_step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of another object for the same videos.

        Raises:
            UsageError: the state belongs to other videos, or to another k or number of segments.
        """
        if set(state) != {"values", "last_step"}:
            raise UsageError(f"state of dynamic labels: expected values and last_step, got {', '.join(sorted(state))}")
        values_NX = state["values"].detach().cpu().float()
        if values_NX.shape != self._values_NX.shape:
            raise UsageError(
                f"state of dynamic labels: expected {list(self._values_NX.shape)} (videos, columns), "
                f"got {list(values_NX.shape)}; resume with the videos and settings of the first run"
            )
        if (values_NX[~self._anomalous_N1.squeeze(1)] != 0).any():
            raise UsageError("state of dynamic labels: a normal video has labels above 0, so the videos have changed")
        self._values_NX = values_NX.clone()
        self._last_step = int(state["last_step"])
