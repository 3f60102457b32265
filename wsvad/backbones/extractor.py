"""``FeatureExtractor``: features of clips, the object that a worker holds for each device."""

from __future__ import annotations

import warnings
from typing import NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsvad.backbones.i3d import I3dFeatures
from wsvad.backbones.names import Precision, Stream
from wsvad.backbones.registry import BACKBONES, CHANNELS, BackboneSpec, Network, architecture_spec
from wsvad.backbones.weights import Weights
from wsvad.cores import limit_threads
from wsvad.devices import has_bf16
from wsvad.errors import UsageError, WeightsError

CPU_BATCH = 1
"""Clips per pass on a CPU: larger batches exceed the cache (5 % slower with 2 clips, 8 % with 4)."""
CUDA_BATCH = 16
"""Clips per pass on a GPU: about 0.9 TFLOP, well above the cost of kernel launches; 2 GB of activations."""


class Features(NamedTuple):
    """Features of clips, ready to be stored."""

    pooled: NDArray[np.float16]
    """``[B, D]``, non-negative, finite."""
    cuboids: NDArray[np.float16]
    """``[B, 49, C]``, non-negative, finite, row by row from the top left of the frame."""


def default_precision(device: str = "cpu") -> Precision:
    """Return ``bf16`` if the device multiplies bfloat16 in hardware, else ``fp32``.

    Raises:
        UsageError: The device does not exist.
    """
    return "bf16" if has_bf16(_device(device)) else "fp32"


class FeatureExtractor:
    """A backbone on one device, from uint8 clips to float16 features.

    The features of a clip are bitwise identical whatever other clips are in the call, in any order, and in every
    process on the same type of machine with the same PyTorch: the network always runs on ``batch_size`` clips, padded
    with blank ones, and nothing is tuned or compiled at run time. One instance serves one thread.

    Args:
        weights: Weights to run; their architectures determine the backbone.
        flow_weights: Weights of the second of two streams.
        precision: ``bf16`` (fast) or ``fp32`` (the reference); part of a data set's fingerprint.
        device: ``cpu``, ``cuda`` or ``cuda:<n>``.
        threads: PyTorch threads of this process, at least 1; ``None`` leaves them unchanged. Does not change features.
            Several workers with one thread each are faster than one worker with several threads.

    Raises:
        UsageError: The device does not exist or lacks hardware for the precision, fewer than one thread, or no
            backbone has these architectures.
    """

    def __init__(
        self,
        weights: Weights,
        flow_weights: Weights | None = None,
        *,
        precision: Precision,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self._weights = (weights,) if flow_weights is None else (weights, flow_weights)
        self.spec = _backbone_of(self._weights)
        self._device = _device(device)
        if precision not in get_args(Precision):
            raise UsageError(f"precision must be one of {', '.join(get_args(Precision))}, got {precision!r}")
        if precision == "bf16" and not has_bf16(self._device):
            raise UsageError(f"device {device!r} does not multiply bfloat16 in hardware: use precision fp32")
        if threads is not None:
            if threads < 1:
                raise UsageError(f"threads must be at least 1, got {threads}")
            torch.set_num_threads(limit_threads(threads))
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        with torch.inference_mode():
            self._networks: list[Network] = [
                architecture_spec(w.architecture).network(w.model(), dtype, self._device) for w in self._weights
            ]

    @property
    def pooled_dim(self) -> int:
        """D, summed over streams."""
        return self.spec.pooled_dim

    @property
    def cuboid_shape(self) -> tuple[int, int]:
        """``(49, C)``, C summed over streams."""
        return self.spec.cuboid_shape

    @property
    def batch_size(self) -> int:
        """Clips per pass of the network; a multiple of it per call avoids padding."""
        return CUDA_BATCH if self._device.type == "cuda" else CPU_BATCH

    def __call__(self, clips_BTHWC: NDArray[np.uint8] | None, flow_BTHWC: NDArray[np.uint8] | None = None) -> Features:
        """Extract features; those of two streams are concatenated, RGB first.

        Args:
            clips_BTHWC: RGB ``[B, T, S, S, 3]``, uint8, S = ``spec.size``; any B, any T of at least 1 (I3D is trained
                with 16). ``None`` if the backbone has no RGB stream.
            flow_BTHWC: Optical flow ``[B, T', S, S, 2]``, uint8, same B; ``None`` if the backbone has no flow stream.

        Raises:
            ValueError: Wrong dtype or shape, or a missing or superfluous stream.
            WeightsError: A feature exceeds float16 (above 65,504 or not finite), which valid weights do not produce.
        """
        streams = self._streams({"rgb": clips_BTHWC, "flow": flow_BTHWC})
        num_clips = len(streams[0])
        pooled = np.empty((num_clips, self.pooled_dim), np.float16)
        cuboids = np.empty((num_clips, *self.cuboid_shape), np.float16)
        from_d = from_c = 0
        for network, weights, stream in zip(self._networks, self._weights, streams, strict=True):
            width_d = width_c = 0
            for start in range(0, num_clips, self.batch_size):
                part = stream[start : start + self.batch_size]
                features, rows = self._run(network, part), slice(start, start + len(part))
                width_d, width_c = features.pooled_BD.shape[1], features.cuboids_BKC.shape[2]
                pooled[rows, from_d : from_d + width_d] = _to_float16(features.pooled_BD, len(part), weights)
                cuboids[rows, :, from_c : from_c + width_c] = _to_float16(features.cuboids_BKC, len(part), weights)
            from_d, from_c = from_d + width_d, from_c + width_c
        assert num_clips == 0 or (from_d, from_c) == (self.pooled_dim, self.cuboid_shape[1])
        return Features(pooled, cuboids)

    def _streams(self, given: dict[Stream, NDArray[np.uint8] | None]) -> list[NDArray[np.uint8]]:
        """Return the clips of each stream, in the order of ``spec.streams``."""
        size, found = self.spec.size, []
        for name, clips in given.items():
            if name not in self.spec.streams:
                if clips is not None:
                    raise ValueError(f"backbone {self.spec.name} has no {name} stream, got {list(clips.shape)}")
                continue
            if clips is None:
                raise ValueError(f"backbone {self.spec.name} needs clips of its {name} stream, got none")
            if clips.dtype != np.uint8 or clips.ndim != 5 or clips.shape[2:] != (size, size, CHANNELS[name]):
                raise ValueError(
                    f"expected uint8 clips [B, T, {size}, {size}, {CHANNELS[name]}], got {clips.dtype} "
                    f"{list(clips.shape)}"
                )
            found.append(clips)
        if len({len(clips) for clips in found}) > 1:
            raise ValueError(f"expected the same number of clips in each stream, got {[len(clips) for clips in found]}")
        return found

    def _run(self, network: Network, clips_BTHWC: NDArray[np.uint8]) -> I3dFeatures:
        """Run one batch, padded with blank clips."""
        shape, pinned = (self.batch_size, *clips_BTHWC.shape[1:]), self._device.type == "cuda"
        batch_BTHWC = torch.zeros(shape, dtype=torch.uint8, pin_memory=pinned)
        batch_BTHWC.numpy()[: len(clips_BTHWC)] = clips_BTHWC
        # Otherwise cuDNN would time its algorithms and choose anew in each process, which changes low bits.
        repeatable = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), repeatable:
            return network.features(batch_BTHWC.to(self._device, non_blocking=True))


def _backbone_of(weights: tuple[Weights, ...]) -> BackboneSpec:
    architectures = tuple(w.architecture for w in weights)
    for spec in BACKBONES.values():
        if spec.architectures == architectures:
            return spec
    raise UsageError(f"no backbone is made of the networks {' and '.join(architectures)}")


def _to_float16(features: Tensor, count: int, weights: Weights) -> NDArray[np.float16]:
    values: NDArray[np.float16] = features[:count].half().cpu().numpy()
    if not np.isfinite(values).all():
        raise WeightsError(
            f"weights {weights.name}: expected features below 65504, got {features[:count].max().item():g}; "
            "float16 cannot hold them"
        )
    return values


def cuda_devices() -> int:
    """Return the number of CUDA devices that PyTorch finds; 0 without a driver."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without a driver PyTorch warns and returns 0
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _device(name: str) -> torch.device:
    """Return the device of that name. Raises UsageError if this machine does not have it."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device must be cpu, cuda or cuda:<n>, got {name!r}") from error
    if device.type == "cuda":
        count = cuda_devices()
        if (device.index or 0) >= count:
            raise UsageError(f"device {name!r}: PyTorch {torch.__version__} finds {count} CUDA devices on this machine")
    elif device.type != "cpu" or device.index:
        raise UsageError(f"device must be cpu, cuda or cuda:<n>, got {name!r}")
    return device
