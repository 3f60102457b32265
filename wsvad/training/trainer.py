"""The training loop of one worker, alone or in a group.

Everything that a step depends on is in the state or a function of (seed, step, rank): batches come from a stateless
sampler, and dropout is reseeded at every step. Therefore a killed run that resumes with the same number of workers
continues the same curve, bit for bit. Workers divide every batch, and ``DistributedDataParallel`` averages their
gradients, so that without dropout several workers compute the same as one, except for rounding.

Axes: B bags of a batch, T segments, N training videos, X columns of soft labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wsvad.errors import TrainingError, UsageError
from wsvad.loop.curve import STEP, VAL_AUC, Curve
from wsvad.loop.group import Group
from wsvad.loop.state import TrainState, optimizer_tensors, restore_optimizer
from wsvad.models.contract import Criterion, MilModel
from wsvad.models.dynamic_labels import DynamicLabels
from wsvad.models.precision import mixed_precision, to_fp32
from wsvad.training.batches import Batch
from wsvad.training.config import TrainConfig
from wsvad.training.selection import is_selected, out_of_patience

TOTAL, GRAD_NORM = "total", "grad_norm"
_PREDICT_VIDEOS = 64  # the batch size of the papers, so that it needs no more memory than a training step


@dataclass(frozen=True)
class Bags:
    """Source of the training data."""

    batch: Callable[[int], Batch]
    """Returns this worker's part of the batch of a step, steps from 0."""
    rows: Callable[[np.ndarray], Tensor]
    """Returns the features, float32 [B, T, ...], of training videos by their indices."""
    num_videos: int


class Trainer:
    """Trains ``model`` in place. ``curve`` has a row for every finished step.

    Args:
        model: in training mode, on ``device``.
        criterion: loss.
        bags: source of the training data.
        config: steps, optimiser and evaluation interval.
        group: workers that train the model together; all get the same arguments except for ``bags``.
        device: device of the model.
        labels: soft labels of the training videos, if the model uses them.
        measures: evaluation functions by column of the curve, with the same result on every worker; ``val_auc``
            selects the step to keep.

    Raises:
        UsageError: the loss cannot be distributed, see :func:`refuse_distributed`.
    """

    def __init__(
        self,
        model: MilModel,
        criterion: Criterion,
        bags: Bags,
        config: TrainConfig,
        group: Group,
        device: torch.device,
        labels: DynamicLabels | None = None,
        measures: Mapping[str, Callable[[MilModel], float]] | None = None,
    ) -> None:
        refuse_distributed(criterion, group.world_size)
        self.model, self.criterion, self.bags, self.config = model, criterion, bags, config
        self.group, self.device, self.labels = group, device, labels
        self._network = group.parallel(model)
        self.measures = dict(measures or {})
        self.curve = Curve()
        self.finished = ""
        """Why training is finished (``steps``, ``patience``); empty if it is not."""
        self._parameters = list(model.parameters())
        self._optimizer = torch.optim.Adam(
            self._parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True
        )  # fused: one pass over the weights, ten times as fast on CPUs as the loop over operations
        self._best: dict[str, Tensor] = {}

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return len(self.curve.rows)

    def train(self) -> Iterator[dict[str, float]]:
        """Train to the end and yield each step's row of the curve. Training stops when the caller stops iterating.

        Raises:
            TrainingError: a loss or gradient is not finite; the message states the step. The weights are those before
                that step.
        """
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            while not self.finished:
                row = self.train_step(self.step)
                row |= self._measure(self.step + 1)
                self.curve.add(row)
                self.finished = self._why_finished()
                yield row

    def train_step(self, step: int) -> dict[str, float]:
        """Run step ``step``, counted from 0; return its number from 1, the loss terms and the gradient norm."""
        if self.labels and self.labels.due(step):
            self.labels.update(step, self._predict())
        torch.manual_seed(_seed(self.config.seed, step, self.group.rank))
        batch = self.bags.batch(step)
        soft = self.labels.targets(batch.video_B).to(self.device) if self.labels else None
        self._optimizer.zero_grad(set_to_none=True)
        with self._mixed_precision():
            output = self._network(batch.features.to(self.device))
        output = to_fp32(output)
        terms = self.criterion(output, batch.labels_B.to(self.device), soft)
        weight = self._weight(batch)
        shared = self.group.begin_mean(weight * torch.stack([term.detach().float() for term in terms.values()]))
        (weight * terms[TOTAL]).backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        values = dict(zip((*terms, GRAD_NORM), [*shared().tolist(), norm.item()], strict=True))
        if not all(math.isfinite(v) for v in values.values()):
            shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
            raise TrainingError(
                f"the loss is not finite at step {step + 1} ({shown}); the step was discarded. Lower --lr, or look for "
                "extreme feature values with `wsvad verify`"
            )
        self._optimizer.step()
        return {STEP: float(step + 1), **values}

    def state(self) -> TrainState:
        """Return everything needed to resume; tensors are not copied."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self._best.items()}
        tensors |= optimizer_tensors(self._optimizer)
        if self.labels:
            labels = self.labels.state_dict()
            tensors |= {f"labels.{name}": torch.as_tensor(value) for name, value in labels.items()}
        tensors["curve"] = self.curve.to_tensor()
        return TrainState(self.step, tensors, self.curve.columns, self.finished)

    def restore(self, state: TrainState) -> None:
        """Restore a state of the same model, data and configuration."""
        self.model.load_state_dict(state.part("model"))
        self._best = state.part("best")
        restore_optimizer(self._optimizer, state)
        if self.labels:
            self.labels.load_state_dict({name: _plain(tensor) for name, tensor in state.part("labels").items()})
        self.curve = Curve(state.columns, state.tensors["curve"].tolist())
        self.finished = state.finished

    def _mixed_precision(self) -> AbstractContextManager[object]:
        return mixed_precision(self.device, enabled=self.config.precision == "bf16")

    def _weight(self, batch: Batch) -> float:
        """Return the weight of this worker's loss, with which the mean over workers is the mean over the whole batch.

        It is 1 if all parts are equal. ``DistributedDataParallel`` gives every worker the same weight, whatever the
        size of its part.
        """
        if self.group.world_size == 1:
            return 1.0
        return self.group.world_size * len(batch.labels_B) / (2 * self.config.pairs)

    def _measure(self, step: int) -> dict[str, float]:
        """Evaluate if due, and keep the weights if the step is selected."""
        if step % self.config.eval_every and step != self.config.steps:
            return dict.fromkeys(self.measures, math.nan)
        found = {name: measure(self.model) for name, measure in self.measures.items()}
        auc = found.get(VAL_AUC, math.nan)
        if is_selected(auc, [value for _, value in self.curve.column(VAL_AUC)]):
            self._best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
        return found

    def _why_finished(self) -> str:
        if self.step >= self.config.steps:
            return "steps"
        if self.step % self.config.eval_every or not self.config.patience:
            return ""
        aucs = [auc for _, auc in self.curve.column(VAL_AUC)]
        return "patience" if out_of_patience(aucs, self.config.patience) else ""

    def _predict(self) -> Tensor:
        """Return predictions [N, X] of all training videos with the current weights; workers divide the videos."""
        self.model.eval()
        total = self.bags.num_videos
        own = np.arange(self.group.rank, total, self.group.world_size)
        parts = []
        with torch.no_grad():
            for start in range(0, len(own), _PREDICT_VIDEOS):
                with self._mixed_precision():
                    output = self.model(self.bags.rows(own[start : start + _PREDICT_VIDEOS]).to(self.device))
                parts.append(self.criterion.label_predictions(to_fp32(output)))
        self.model.train()
        assert parts, "fewer training videos than workers"
        found = torch.zeros(total, parts[0].shape[1], device=self.device)
        found[torch.from_numpy(own).to(self.device)] = torch.cat(parts)
        self.group.sum(found)
        return found


def refuse_distributed(criterion: Criterion, workers: int) -> None:
    """Raise ``UsageError`` if the loss needs the whole batch and there are several workers."""
    if criterion.needs_whole_batch and workers > 1:
        raise UsageError(
            f"{criterion.needs_whole_batch}, which is not possible if {workers} workers each have a part of the batch; "
            "use --workers 1"
        )


def selected_weights(state: TrainState) -> dict[str, Tensor]:
    """Return the weights to keep of a finished run: those of the selected step, else of the last."""
    for part in ("best", "model"):
        if found := state.part(part):
            return found
    raise AssertionError("a state without weights")


def _seed(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1)


def _plain(tensor: Tensor) -> Any:
    return tensor if tensor.ndim else tensor.item()
