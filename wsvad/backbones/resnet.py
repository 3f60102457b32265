"""I3D on ResNet-50, the network behind the 2048-D features of RTFM: the plain fp32 reference model.

Papers: Carreira & Zisserman, CVPR 2017 (inflation); Wang et al., *Non-local Neural Networks*, CVPR 2018, whose baseline
"I3D, ResNet-50" this is. Choices that the papers leave open:

* The layout is that of ``i3d_baseline_32x2_IN_pretrain_400k`` of ``facebookresearch/video-nonlocal-net``, with names
  of ``Tushar-N/pytorch-resnet3d``, which converts it (``i3d_r50_kinetics.pth``). RTFM's features come from there (its
  README). The first convolution has 5x7x7 taps and halves time, both pools halve time again, and every other block of a
  stage covers three frames. Pools are not padded; if a size is odd, the last element is dropped. The ``8x8`` files of
  the same authors have the same names and shapes but were trained without the two temporal poolings; no property of a
  file distinguishes them.
* Input is RGB, normalized per colour as ``(x - 114.75) / 57.375`` for x from 0 to 255. The network's authors train with
  it (``lib/core/config.py``: ``MEAN``, ``STD``; ``USE_BGR`` is off and their decoder returns RGB24);
  ``pytorch-resnet3d`` and RTFM's author evaluate with it (issue 21 of ``tianyu0207/RTFM``: shorter side 256, ten crops
  of 224, this mean and deviation). Public re-extractions such as ``GowthamGottimukkala/I3D_Feature_Extraction_resnet``
  scale to [-1, 1] and squeeze frames to 340x256 instead; their features differ from RTFM's, and from these.
* RTFM uses 16 consecutive frames; the network was trained on 32 frames with step 2. Any length of at least 7 works.
* Batch norm's epsilon is 1e-5.
* Cuboids are read from ``res4`` (``layer3``: 1024 channels, 14x14 cells at 224 pixels), the deepest map finer than the
  7x7 grid; pooled features from ``res5`` (``layer4``), before the classifier, like RTFM's.

Axes: B clips, C channels, T time, H height, W width, D pooled features (2048), K cuboids (49, row by row).
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from wsvad.backbones.i3d import I3dFeatures, I3dMaps, Triple, pool_maps
from wsvad.errors import UsageError

NUM_CLASSES = 400
POOLED_DIM = 2048
CUBOID_DIM = 1024
MEAN = 114.75
"""Mean of every colour, on a scale from 0 to 255: 0.45 of white."""
DEVIATION = 57.375
"""Standard deviation of every colour, on a scale from 0 to 255: 0.225 of white."""
MIN_FRAMES = 7
"""Minimum frames per clip; fewer leave no output after time is halved three times."""
EXPANSION = 4
"""Output channels of a block divided by its inner channels."""
POOL1: Triple = (2, 3, 3)
"""Window of the pool after the first convolution; its stride is 2 along each axis."""
POOL2: Triple = (2, 1, 1)
"""Window and stride of the pool between ``layer1`` and ``layer2``."""


class StageShape(NamedTuple):
    """Parameters of one of the four stages."""

    width: int
    """Inner channels of its blocks."""
    stride: int
    """Stride of its first block along height and width."""
    inflated: tuple[bool, ...]
    """For each block, whether its first convolution has three taps in time instead of one."""


STAGES = {
    "layer1": StageShape(64, 1, (True, True, True)),
    "layer2": StageShape(128, 2, (True, False, True, False)),
    "layer3": StageShape(256, 2, (True, False, True, False, True, False)),
    "layer4": StageShape(512, 2, (False, True, False)),
}
"""Wang et al., table 1; inflated blocks as in ``obtain_arc`` of their ``resnet_video_org.py``."""


class ResNetMaps(NamedTuple):
    """The two activations from which features are computed."""

    res4_BCTHW: Tensor
    """``[B, 1024, T', H', W']``, non-negative; 2x14x14 for 16 frames of 224x224."""
    res5_BCTHW: Tensor
    """``[B, 2048, T', H', W']``, non-negative; 2x7x7 for 16 frames of 224x224."""


def check_frames(frames: int) -> None:
    """Check the length of a clip.

    Raises:
        UsageError: Fewer than ``MIN_FRAMES`` frames.
    """
    if frames < MIN_FRAMES:
        raise UsageError(f"the ResNet-50 I3D needs clips of at least {MIN_FRAMES} frames, got {frames}")


class Bottleneck(nn.Module):
    """Temporal convolution, spatial convolution, expansion to full width, and a shortcut.

    Args:
        in_channels: Channels of the input.
        width: Inner channels; the output has ``EXPANSION`` times as many.
        stride: Stride along height and width, in the middle convolution and the shortcut.
        inflated: Three taps in time in the first convolution instead of one.
    """

    def __init__(self, in_channels: int, width: int, stride: int, *, inflated: bool) -> None:
        super().__init__()
        out_channels, reach = width * EXPANSION, int(inflated)
        self.conv1 = nn.Conv3d(in_channels, width, (1 + 2 * reach, 1, 1), padding=(reach, 0, 0), bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out_channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            shortcut = nn.Conv3d(in_channels, out_channels, 1, (1, stride, stride), bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm3d(out_channels))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        """Map ``[B, in, T, H, W]`` to ``[B, 4 width, T, ceil(H/stride), ceil(W/stride)]``, non-negative."""
        out_BCTHW = functional.relu(self.bn1(self.conv1(x_BCTHW)))
        out_BCTHW = functional.relu(self.bn2(self.conv2(out_BCTHW)))
        out_BCTHW = self.bn3(self.conv3(out_BCTHW))
        shortcut_BCTHW = x_BCTHW if self.downsample is None else self.downsample(x_BCTHW)
        return functional.relu(out_BCTHW + shortcut_BCTHW)


def stage(in_channels: int, shape: StageShape) -> nn.Sequential:
    """Return the blocks of one stage."""
    blocks: list[nn.Module] = []
    for index, inflated in enumerate(shape.inflated):
        stride = 1 if index else shape.stride
        blocks.append(Bottleneck(in_channels, shape.width, stride, inflated=inflated))
        in_channels = shape.width * EXPANSION
    return nn.Sequential(*blocks)


class ResNet50I3d(nn.Module):
    """RGB I3D on ResNet-50, 27.2 million parameters without the classifier.

    Args:
        num_classes: Width of the classifier ``fc`` (public Kinetics weights: 400); ``None`` for no classifier.
    """

    def __init__(self, num_classes: int | None = NUM_CLASSES) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, (5, 7, 7), (2, 2, 2), padding=(2, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.layer1 = stage(64, STAGES["layer1"])
        self.layer2 = stage(256, STAGES["layer2"])
        self.layer3 = stage(512, STAGES["layer3"])
        self.layer4 = stage(1024, STAGES["layer4"])
        if num_classes is not None:
            self.fc = nn.Linear(POOLED_DIM, num_classes)

    def maps(self, video_BCTHW: Tensor) -> ResNetMaps:
        """Run the network up to ``res5``.

        Args:
            video_BCTHW: Normalized video ``[B, 3, T, H, W]``, at least 7 frames of 5x5 pixels.

        Returns:
            ``res4`` and ``res5``, in the dtype of the input.

        Raises:
            UsageError: Too few frames.
        """
        check_frames(video_BCTHW.shape[2])
        x_BCTHW = functional.relu(self.bn1(self.conv1(video_BCTHW)))
        x_BCTHW = self.layer1(functional.max_pool3d(x_BCTHW, POOL1, 2))
        res4_BCTHW = self.layer3(self.layer2(functional.max_pool3d(x_BCTHW, POOL2)))
        return ResNetMaps(res4_BCTHW, self.layer4(res4_BCTHW))

    def forward(self, video_BCTHW: Tensor) -> I3dFeatures:
        """Compute pooled features ``[B, 2048]`` and cuboids ``[B, 49, 1024]`` of ``[B, 3, T, 224, 224]``.

        Raises:
            UsageError: Too few frames, or frames of a size that ``pool_maps`` refuses.
        """
        return pool_maps(I3dMaps(*self.maps(video_BCTHW)))
