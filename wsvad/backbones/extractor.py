"""Clips of pixels in, features out: the one object that a worker holds for each device."""

from __future__ import annotations

import warnings
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsvad.backbones.folded import FoldedI3d
from wsvad.backbones.i3d import CUBOID_DIM, GRID, POOLED_DIM, I3dFeatures, pool_maps
from wsvad.backbones.weights import Weights
from wsvad.errors import UsageError, WeightsError

Precision = Literal["fp32", "bf16"]

SIDE = 224
"""Height and width of the frames, pixels."""
CPU_BATCH = 1
"""Clips in one pass on a CPU: more only push each other out of the cache (5 % slower in twos, 8 % in fours)."""
CUDA_BATCH = 16
"""Clips in one pass on a GPU: about 0.9 TFLOP, well above what launching the kernels costs; 2 GB of activations."""


class Features(NamedTuple):
    """Features of some clips, ready to be stored."""

    pooled: NDArray[np.float16]
    """``[B, 1024]``, not negative, finite."""
    cuboids: NDArray[np.float16]
    """``[B, 49, 528]``, not negative, finite, row by row from the top left of the frame."""


def default_precision(device: str = "cpu") -> Precision:
    """Return ``bf16`` where the device multiplies bfloat16 in hardware, else ``fp32``.

    Raises:
        UsageError: no such device here.
    """
    return "bf16" if _has_bf16(_device(device)) else "fp32"


class FeatureExtractor:
    """I3D on one device, from uint8 clips to float16 features.

    The features of a clip are the same bytes whatever other clips are in the call and wherever it stands among them, in
    every process on the same kind of machine with the same PyTorch: the network always runs on ``batch_size`` clips,
    the last ones blank if need be, and nothing is tuned or compiled at run time. One instance serves one thread.

    Args:
        weights: what to run.
        precision: ``bf16`` (fast) or ``fp32`` (the reference); part of a data set's fingerprint.
        device: ``cpu``, ``cuda`` or ``cuda:<n>``.
        threads: PyTorch's threads in this process, at least 1; ``None`` leaves them as they are. Does not change
            features. Several workers of one thread each do more than one worker of several.

    Raises:
        UsageError: no such device here, one without hardware for the precision, or fewer than one thread.
    """

    pooled_dim = POOLED_DIM
    cuboid_shape = (GRID * GRID, CUBOID_DIM)

    def __init__(
        self, weights: Weights, *, precision: Precision, device: str = "cpu", threads: int | None = None
    ) -> None:
        self._device = _device(device)
        if precision not in get_args(Precision):
            raise UsageError(f"precision must be one of {', '.join(get_args(Precision))}, got {precision!r}")
        if precision == "bf16" and not _has_bf16(self._device):
            raise UsageError(f"device {device!r} does not multiply bfloat16 in hardware: use precision fp32")
        if threads is not None:
            if threads < 1:
                raise UsageError(f"threads must be at least 1, got {threads}")
            torch.set_num_threads(threads)
        self._weights_name = weights.name
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        with torch.inference_mode():
            self._network = FoldedI3d(weights.model(), dtype=dtype, device=self._device)

    @property
    def batch_size(self) -> int:
        """Clips in one pass of the network; calls with a multiple of it waste nothing."""
        return CUDA_BATCH if self._device.type == "cuda" else CPU_BATCH

    def __call__(self, clips_BTHWC: NDArray[np.uint8]) -> Features:
        """Extract features.

        Args:
            clips_BTHWC: RGB ``[B, T, 224, 224, 3]``, 0 to 255; any B, any T of at least 1 (I3D is trained with 16).

        Raises:
            ValueError: another dtype or shape.
            WeightsError: a feature that float16 cannot hold (above 65,504 or not finite), which no sound weights give.
        """
        if clips_BTHWC.dtype != np.uint8 or clips_BTHWC.ndim != 5 or clips_BTHWC.shape[2:] != (SIDE, SIDE, 3):
            raise ValueError(
                f"expected uint8 clips [B, T, {SIDE}, {SIDE}, 3], got {clips_BTHWC.dtype} {list(clips_BTHWC.shape)}"
            )
        num_clips = len(clips_BTHWC)
        pooled = np.empty((num_clips, self.pooled_dim), np.float16)
        cuboids = np.empty((num_clips, *self.cuboid_shape), np.float16)
        for start in range(0, num_clips, self.batch_size):
            part = clips_BTHWC[start : start + self.batch_size]
            features = self._run(part)
            pooled[start : start + len(part)] = self._stored(features.pooled_BD, len(part))
            cuboids[start : start + len(part)] = self._stored(features.cuboids_BKC, len(part))
        return Features(pooled, cuboids)

    def _run(self, clips_BTHWC: NDArray[np.uint8]) -> I3dFeatures:
        """Run one full batch, filled up with blank clips."""
        shape, pinned = (self.batch_size, *clips_BTHWC.shape[1:]), self._device.type == "cuda"
        batch_BTHWC = torch.zeros(shape, dtype=torch.uint8, pin_memory=pinned)
        batch_BTHWC.numpy()[: len(clips_BTHWC)] = clips_BTHWC
        # cuDNN would otherwise time its algorithms and choose anew in each process, which changes low bits.
        repeatable = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), repeatable:
            return pool_maps(self._network.maps(batch_BTHWC.to(self._device, non_blocking=True)))

    def _stored(self, features: Tensor, count: int) -> NDArray[np.float16]:
        values: NDArray[np.float16] = features[:count].half().cpu().numpy()
        if not np.isfinite(values).all():
            raise WeightsError(
                f"weights {self._weights_name}: expected features below 65504, got {features[:count].max().item():g}; "
                "float16 cannot hold them"
            )
        return values


def _device(name: str) -> torch.device:
    """Return the device of that name, if this machine has it."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device must be cpu, cuda or cuda:<n>, got {name!r}") from error
    if device.type == "cuda":
        with warnings.catch_warnings():
            # Without a driver PyTorch warns and answers 0; the error below says it better.
            warnings.simplefilter("ignore")
            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise UsageError(f"device {name!r}: PyTorch {torch.__version__} sees {count} CUDA devices on this machine")
    elif device.type != "cpu" or device.index:
        raise UsageError(f"device must be cpu, cuda or cuda:<n>, got {name!r}")
    return device


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
