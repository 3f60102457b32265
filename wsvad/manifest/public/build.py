"""From the name of a data set to its manifest: read, check the counts, find the videos, cut validation, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from wsvad import __version__
from wsvad.errors import ManifestError, UsageError
from wsvad.manifest.cut import cut_val
from wsvad.manifest.keeping import count_splits, keep_records
from wsvad.manifest.names import DataSetName, Ped2Split
from wsvad.manifest.public import shanghaitech, survfight, ucf_crime, ucfcrime2local, ucsd_ped2, xd_violence
from wsvad.manifest.public.folder import Folder
from wsvad.manifest.public.locate import Located, locate
from wsvad.manifest.records import VideoRecord, check_unique, log_cut_off
from wsvad.storage import StoreOptions


class Counts(NamedTuple):
    """Videos that a split has when it is whole."""

    normal: int
    anomalous: int


@dataclass(frozen=True)
class DataSet:
    """A public data set that is known by name."""

    read: Callable[[Folder], list[VideoRecord]]
    counts: Mapping[str, Counts] | None = None
    """What its publication says, by split; ``all`` where only the sum is certain. None: its own files say it."""


_UCF = {"train": Counts(800, 810), "test": Counts(150, 140)}

DATASETS: Mapping[DataSetName, DataSet] = {
    "ucf-crime": DataSet(ucf_crime.read, _UCF),
    "ucf-crime-boxes": DataSet(ucf_crime.read_with_boxes, _UCF),
    "ucfcrime2local": DataSet(ucfcrime2local.read, {"all": Counts(100, 200)}),
    "shanghaitech": DataSet(shanghaitech.read, {"train": Counts(175, 63), "test": Counts(155, 44)}),
    "xd-violence": DataSet(xd_violence.read, {"train": Counts(2049, 1905), "test": Counts(300, 500)}),
    "ucsd-ped2": DataSet(ucsd_ped2.read, {"all": Counts(16, 12)}),
    "survfight-temporal": DataSet(survfight.read),
    "survfight-spatial": DataSet(survfight.read),
}
"""Every name of :data:`wsvad.manifest.names.ABOUT`."""


@dataclass(frozen=True)
class ManifestConfig:
    """How a manifest of a public data set is made."""

    name: DataSetName
    """One of :data:`DATASETS`."""
    root: str
    """Folder or prefix that the videos, and unless ``annotations`` is given the annotation files, lie below."""
    annotations: str | None = None
    """Folder or prefix of the annotation files."""
    val_fraction: float = 0.0
    """Share of the training videos that becomes ``split="val"``, below 1; 0: none."""
    seed: int = 0
    """Which videos those are."""
    test_as_val: bool = False
    """Make the published test videos the validation videos: for data sets whose test list is there to select on, as
    SurvFight's. Their truth is kept, so that figures can be reported on them, as validation figures."""
    allow_missing: bool = False
    """Leave out videos that are not below the root, instead of an error."""
    train_truth: bool = False
    """Keep spans and boxes of training and validation videos where known; training is weak and never reads them."""
    ped2_split: Ped2Split = "weak"
    """Which split of UCSD Ped2 (see :mod:`wsvad.manifest.public.ucsd_ped2`)."""

    def __post_init__(self) -> None:
        if self.name not in DATASETS:
            raise UsageError(f"unknown data set {self.name!r:.80}; known: {', '.join(DATASETS)}")
        if not 0 <= self.val_fraction < 1:
            raise UsageError(f"the validation fraction must be at least 0 and below 1, got {self.val_fraction}")
        if self.test_as_val and self.val_fraction:
            raise UsageError("validation videos are either cut from the training videos or the test videos, not both")
        if self.ped2_split != "weak" and self.name != "ucsd-ped2":
            raise UsageError(f"--ped2-split is for ucsd-ped2, not for {self.name}")


@dataclass(frozen=True)
class Built:
    """A manifest that was made, and what is in it."""

    records: tuple[VideoRecord, ...]
    summary: dict[str, Any]
    """For JSON: name, videos by split and label, videos found and missing, digests of the annotation files."""


def build(config: ManifestConfig, out: str, options: StoreOptions | None = None) -> Built:
    """Make the records of a data set, for a manifest at ``out``, which is not written.

    Raises:
        ManifestError: annotation files missing or contradictory, wrong counts, videos missing below the root.
        UsageError: a validation cut that cannot be made.
    """
    videos = Folder(config.root, options)
    annotations = videos if config.annotations is None else Folder(config.annotations, options)
    known = DATASETS[config.name]
    read = partial(ucsd_ped2.read, split=config.ped2_split) if config.name == "ucsd-ped2" else known.read
    records = read(annotations)
    check_unique(records, config.name)
    log_cut_off(records, config.name)
    check_counts(records, known.counts, config.name)
    located = locate(records, videos, out, allow_missing=config.allow_missing)
    chosen = list(located.records)
    if config.val_fraction:
        chosen = cut_val(chosen, config.val_fraction, config.seed)
    if not config.train_truth:
        chosen = [_weak(record) for record in chosen]
    if config.test_as_val:
        chosen = [replace(record, split="val") if record.split == "test" else record for record in chosen]
    return Built(tuple(chosen), _summary(config, chosen, located, annotations.digests))


def write(built: Built, out: str, *, overwrite: bool = False, options: StoreOptions | None = None) -> None:
    """Write a manifest, and beside it ``<out>.json`` with what made it; raises as ``keep_records``."""
    keep_records(built.records, built.summary, out, overwrite=overwrite, options=options)


def check_counts(records: Sequence[VideoRecord], counts: Mapping[str, Counts] | None, name: str) -> None:
    """Compare the videos with what the data set's publication says. Raises ``ManifestError`` naming the split."""
    for split, expected in (counts or {}).items():
        labels = Counter(r.label for r in records if split in ("all", r.split))
        got = Counts(labels[0], labels[1])
        if got != expected:
            raise ManifestError(
                f"{name}: the annotation files should name {expected.normal} normal and {expected.anomalous} anomalous"
                f" {'videos in all' if split == 'all' else f'{split} videos'}, but name {got.normal} and"
                f" {got.anomalous}; they are incomplete or of another version"
            )


def _weak(record: VideoRecord) -> VideoRecord:
    """A training video without the truth that weak supervision does not have."""
    return replace(record, spans=None, boxes=None) if record.split != "test" and record.label == 1 else record


def _summary(
    config: ManifestConfig, records: Sequence[VideoRecord], located: Located, digests: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "data_set": config.name,
        "videos": len(records),
        "splits": count_splits(records),
        "found": located.found,
        "missing": len(located.missing),
        "missing_ids": list(located.missing[:100]),
        "truth_cut_off": [r.video_id for r in records if r.cut_off],
        "config": asdict(config),
        "annotation_sha256": dict(sorted(digests.items())),
        "wsvad": __version__,
    }
