"""The embedded backbone: Inception-v1's graph at a quarter of its width, over what moves in a grey picture.

A detector that learns from weak labels will tell recordings apart by their scenery if it can. So this network never
sees any: from every pixel its own mean over the clip is taken away, and what stands still is nought.

``docs/i3d-compact.md`` is its model card: how it was trained, what came of it, what it is not good for.

Against public I3D (``i3d.py``): one channel in; every width divided by 4; the first convolution steps by 4 pixels
instead of 2, so that it sees fine motion of the full 224x224 pixels at a quarter of the cost, and every map behind it
has half the size. ``Mixed_4e`` is 7x7 then: one cell a cuboid. Pooled features are the mean of ``Mixed_5c``, and of the
49 cuboids the mean and, since an event fills a small part of the frame, the maximum.

Axes: B clips, T time, H height, W width, C channels, D pooled features, K cuboids (49, row by row).
"""

from __future__ import annotations

import torch
from torch import Tensor

from wsvad.backbones.folded import FoldedI3d
from wsvad.backbones.i3d import CUBOID_DIM, POOLED_DIM, ConvUnit, I3dFeatures, I3dMaps, InceptionI3d, pool_maps

WIDTH_DIVISOR = 4
COMPACT_CUBOID_DIM = CUBOID_DIM // WIDTH_DIVISOR
COMPACT_POOLED_DIM = POOLED_DIM // WIDTH_DIVISOR + 2 * COMPACT_CUBOID_DIM
STEM_STRIDE = (2, 4, 4)
CONTRAST = 0.15
"""Change of luma, of 1, that becomes 1 at the network's input."""
_LUMA = (0.299, 0.587, 0.114)


def changes(clips_BTHWC: Tensor) -> Tensor:
    """Turn pictures into what differs from the clip's own mean picture.

    Args:
        clips_BTHWC: RGB ``[B, T, H, W, 3]`` or grey ``[B, T, H, W, 1]`` bytes.

    Returns:
        ``[B, 1, T, H, W]`` fp32, mean 0 over T at every pixel.
    """
    first, *others = clips_BTHWC.unbind(4)
    if others:  # one colour onto another: a third of the time of a product with the weights
        grey_BTHW = first.float().mul_(_LUMA[0])
        for colour, share in zip(others, _LUMA[1:], strict=True):
            grey_BTHW.add_(colour, alpha=share)
    else:
        grey_BTHW = first.float()
    return grey_BTHW.sub(grey_BTHW.mean(1, keepdim=True)).div_(255 * CONTRAST).unsqueeze(1)


def pool_compact(maps: I3dMaps) -> I3dFeatures:
    """Average the maps into cuboids ``[B, 49, 132]`` and pooled features ``[B, 520]``, in fp32."""
    pooled_BD, cuboids_BKC = pool_maps(maps)
    return I3dFeatures(torch.cat([pooled_BD, cuboids_BKC.mean(1), cuboids_BKC.amax(1)], 1), cuboids_BKC)


class CompactNetwork(InceptionI3d):
    """The plain fp32 network; its maps are of what :func:`changes` returns."""

    def __init__(self) -> None:
        super().__init__(None, width_divisor=WIDTH_DIVISOR, in_channels=1)
        self.Conv3d_1a_7x7 = ConvUnit(1, 64 // WIDTH_DIVISOR, (7, 7, 7), STEM_STRIDE)

    def forward(self, clips_BTHWC: Tensor) -> I3dFeatures:
        """Turn bytes ``[B, T, 224, 224, 3]`` into pooled features ``[B, 520]`` and cuboids ``[B, 49, 132]``."""
        return pool_compact(self.maps(changes(clips_BTHWC)))


class FoldedCompactNetwork:
    """The same, rearranged for speed (``folded.py``).

    Args:
        model: with its weights, in evaluation mode.
        dtype: ``torch.float32`` or ``torch.bfloat16``.
        device: where it runs.
    """

    def __init__(self, model: CompactNetwork, *, dtype: torch.dtype, device: torch.device) -> None:
        self._network = FoldedI3d(model, dtype=dtype, device=device)

    def features(self, clips_BTHWC: Tensor) -> I3dFeatures:
        """Turn bytes ``[B, T, 224, 224, 3]`` on that device into fp32 features."""
        video_BTHWC = changes(clips_BTHWC).permute(0, 2, 3, 4, 1)
        return pool_compact(self._network.maps(video_BTHWC))
