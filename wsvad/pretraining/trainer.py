"""Training loop: forward, backward (with gradient averaging), weight update, and periodic validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from wsvad.backbones.compact import MEASURES, RawReadout
from wsvad.errors import TrainingError
from wsvad.loop.curve import STEP, Curve
from wsvad.loop.group import Group
from wsvad.loop.state import TrainState, optimizer_tensors, restore_optimizer
from wsvad.pretraining.clip_order import Clips
from wsvad.pretraining.config import PretrainConfig
from wsvad.pretraining.network import PretrainNetwork, losses

TERMS = ("motion", "labels", "clip", "total")
_VAL_TERMS = tuple(f"val_{name}" for name in TERMS)
_VAL_BATCH = 16
_HIDDEN_FRAMES = 4
_CONTRAST_DEVIATION = 0.3
"""Standard deviation of the logarithm of the random contrast of clips."""


class PretrainTrainer:
    """One worker's part of the training.

    Args:
        config: The recipe.
        group: The group of workers.
        device: Device of the network.
        source: Returns batches from a given step on.
        validation: Validation clips; ``None`` for all workers except the first.
    """

    def __init__(
        self,
        config: PretrainConfig,
        group: Group,
        device: torch.device,
        source: Callable[[int], Iterator[Clips]],
        validation: Clips | None,
    ) -> None:
        self.config, self.group, self.device = config, group, device
        self._source, self._validation = source, validation
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = PretrainNetwork()
        for weight in self.network.parameters():
            if weight.ndim == 5:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)
        self.network.to(device).train()
        self._shared = group.parallel(self.network)
        self._parameters = list(self.network.parameters())
        self._optimizer = torch.optim.AdamW(self._parameters, lr=config.lr, weight_decay=config.weight_decay)
        self._mirror = torch.tensor([-1.0 if name == "right" else 1.0 for name in MEASURES], device=device)
        self._weights = {name: getattr(config, f"{name}_weight") for name in TERMS[:3]}
        self.curve = Curve()

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return len(self.curve.rows)

    @property
    def finished(self) -> bool:
        """True if all steps of the recipe are done."""
        return self.step >= self.config.steps

    def train(self) -> Iterator[dict[str, float]]:
        """Train to the end, yielding each step's row of the curve.

        Raises:
            TrainingError: A loss is not finite.
        """
        if self.finished:
            return
        for clips in self._source(self.step):
            row = {STEP: float(self.step + 1), **self._train_step(clips)}
            validates = (self.step + 1) % self.config.eval_every == 0 or self.step + 1 == self.config.steps
            row |= self._validate() if validates else dict.fromkeys(_VAL_TERMS, math.nan)
            self.curve.add(row)
            if self.step >= self.config.steps:
                self._calibrate_readout()
            yield row
            if self.step >= self.config.steps:
                return

    def _train_step(self, clips: Clips) -> dict[str, float]:
        rng = np.random.default_rng([self.config.seed, self.step, self.group.rank])
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate()
        frames, motion, labels, clip = self._tensors(clips)
        if rng.random() < 0.5:
            frames, motion, labels = frames.flip(3), motion.flip(3) * self._mirror, labels.flip(2)
        contrast = float(np.exp(rng.normal(0, _CONTRAST_DEVIATION)))
        frames = frames.float() * contrast
        hide_last_frames(frames, np.flatnonzero(rng.random(len(frames)) < self.config.hidden).tolist())
        terms = losses(self._shared(frames), motion, labels, clip, self._weights)
        self._optimizer.zero_grad(set_to_none=True)
        shared = self.group.begin_mean(torch.stack([terms[name].detach() for name in TERMS]))
        terms["total"].backward()
        values = shared().tolist()
        if not all(math.isfinite(value) for value in values):
            raise TrainingError(f"the loss is not finite at step {self.step + 1}: {values}; lower --lr")
        torch.nn.utils.clip_grad_norm_(self._parameters, self.config.gradient_norm)
        self._optimizer.step()
        return dict(zip(TERMS, values, strict=True))

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / max(1, self.config.warmup))
        return self.config.lr * warm * (0.5 + 0.5 * math.cos(math.pi * self.step / self.config.steps)) + 1e-5

    def _tensors(self, clips: Clips) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        frames = torch.from_numpy(clips["frames"]).to(self.device)
        motion, labels, clip = (torch.from_numpy(clips[name]).float().to(self.device) for name in TERMS[:3])
        return frames, motion, labels, clip

    def _validate(self) -> dict[str, float]:
        """Return the mean losses over the validation clips, with batch norm statistics averaged over the workers.

        Only the first worker evaluates; the others write no curve and return NaN.
        """
        self._share_statistics()
        if self._validation is None:
            return dict.fromkeys(_VAL_TERMS, math.nan)
        sums, count = np.zeros(len(TERMS)), len(self._validation["frames"])
        self.network.eval()
        with torch.inference_mode():
            for start in range(0, count, _VAL_BATCH):
                part = {name: values[start : start + _VAL_BATCH] for name, values in self._validation.items()}
                frames, *truth = self._tensors(part)
                found = losses(self.network(frames), truth[0], truth[1], truth[2], self._weights)
                sums += [found[name].item() * len(frames) for name in TERMS]
        self.network.train()
        return dict(zip(_VAL_TERMS, (sums / count).tolist(), strict=True))

    def _calibrate_readout(self) -> None:
        """Calibrate the readout of the backbone with the validation clips."""
        if self._validation is None:
            return
        backbone, frames = self.network.backbone.eval(), torch.from_numpy(self._validation["frames"])
        with torch.inference_mode():
            read = [
                backbone.readout.raw(*backbone.maps(clips.to(self.device).unsqueeze(4)))
                for clips in frames.split(_VAL_BATCH)
            ]
            backbone.readout.calibrate(RawReadout(*(torch.cat(part) for part in zip(*read, strict=True))))
        self.network.train()

    def _share_statistics(self) -> None:
        """Replace each batch norm's running statistics by their mean over the workers."""
        if self.group.world_size == 1:
            return
        for name, buffer in self.network.named_buffers():
            if "running" in name:
                self.group.sum(buffer)
                buffer /= self.group.world_size

    def state(self) -> TrainState:
        """Return the state from which a run can be resumed."""
        tensors = {f"model.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= optimizer_tensors(self._optimizer)
        tensors["curve"] = self.curve.to_tensor()
        return TrainState(self.step, tensors, self.curve.columns, "steps" if self.finished else "")

    def restore(self, state: TrainState) -> None:
        """Resume from a state of the same recipe."""
        self.network.load_state_dict(state.part("model"))
        restore_optimizer(self._optimizer, state)
        self.curve = Curve(state.columns, state.tensors["curve"].tolist())


def hide_last_frames(frames_BTHW: Tensor, hidden: Sequence[int]) -> None:
    """Replace the last four frames of the clips ``hidden`` by the mean of the other frames."""
    for clip in hidden:
        frames_BTHW[clip, -_HIDDEN_FRAMES:] = frames_BTHW[clip, :-_HIDDEN_FRAMES].mean(0)
