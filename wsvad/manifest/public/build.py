"""Builds the manifest of a public data set: read annotations, check counts, locate videos, split, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from wsvad import __version__
from wsvad.errors import ManifestError, UsageError
from wsvad.manifest.names import DataSetName, Ped2Split
from wsvad.manifest.output import count_splits, save_manifest
from wsvad.manifest.public import shanghaitech, survfight, ucf_crime, ucfcrime2local, ucsd_ped2, xd_violence
from wsvad.manifest.public.folder import Folder
from wsvad.manifest.public.locate import Located, locate
from wsvad.manifest.records import VideoRecord, check_unique, log_cut_off
from wsvad.manifest.validation_split import split_validation
from wsvad.storage import StoreOptions


class Counts(NamedTuple):
    """Number of videos of a complete split."""

    normal: int
    anomalous: int


@dataclass(frozen=True)
class DataSet:
    """A public data set."""

    read: Callable[[Folder], list[VideoRecord]]
    counts: Mapping[str, Counts] | None = None
    """Published counts by split; ``all`` if only the total is known. None: they are taken from its own files."""


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
"""One entry for every name in :data:`wsvad.manifest.names.DESCRIPTIONS`."""


@dataclass(frozen=True)
class ManifestConfig:
    """Options of a manifest of a public data set."""

    name: DataSetName
    """One of :data:`DATASETS`."""
    root: str
    """Folder or prefix with the videos, and with the annotation files unless ``annotations`` is given."""
    annotations: str | None = None
    """Folder or prefix of the annotation files."""
    val_fraction: float = 0.0
    """Fraction of the training videos that becomes ``split="val"``, at least 0 and below 1."""
    seed: int = 0
    """Random seed of the validation split."""
    test_as_val: bool = False
    """Use the published test videos as validation videos: for data sets with a test list for model selection, such as
    SurvFight. Their ground truth is kept, so that validation metrics can be computed on them."""
    allow_missing: bool = False
    """Leave out videos that are not below the root instead of raising an error."""
    train_truth: bool = False
    """Keep spans and boxes of training and validation videos if known; training is weak and never reads them."""
    ped2_split: Ped2Split = "weak"
    """Split of UCSD Ped2 (see :mod:`wsvad.manifest.public.ucsd_ped2`)."""

    def __post_init__(self) -> None:
        if self.name not in DATASETS:
            raise UsageError(f"unknown data set {self.name!r:.80}; known: {', '.join(DATASETS)}")
        if not 0 <= self.val_fraction < 1:
            raise UsageError(f"the validation fraction must be at least 0 and below 1, got {self.val_fraction}")
        if self.test_as_val and self.val_fraction:
            raise UsageError("use either a validation fraction or the test videos for validation, not both")
        if self.ped2_split != "weak" and self.name != "ucsd-ped2":
            raise UsageError(f"--ped2-split is only valid for ucsd-ped2, not for {self.name}")


@dataclass(frozen=True)
class BuiltManifest:
    """Records of a manifest and their summary."""

    records: tuple[VideoRecord, ...]
    summary: dict[str, Any]
    """JSON values: name, videos by split and label, videos found and missing, digests of the annotation files."""


def build(config: ManifestConfig, out: str, options: StoreOptions | None = None) -> BuiltManifest:
    """Build the records of a data set, with URIs for a manifest at ``out``, which is not written yet.

    Raises:
        ManifestError: annotation files are missing or contradictory, counts are wrong, or videos are missing.
        UsageError: the validation split is impossible.
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
        chosen = split_validation(chosen, config.val_fraction, config.seed)
    if not config.train_truth:
        chosen = [_without_train_truth(record) for record in chosen]
    if config.test_as_val:
        chosen = [replace(record, split="val") if record.split == "test" else record for record in chosen]
    return BuiltManifest(tuple(chosen), _summary(config, chosen, located, annotations.digests))


def write(built: BuiltManifest, out: str, *, overwrite: bool = False, options: StoreOptions | None = None) -> None:
    """Write a manifest and its summary, ``<out>.json``; raises as ``save_manifest``."""
    save_manifest(built.records, built.summary, out, overwrite=overwrite, options=options)


def check_counts(records: Sequence[VideoRecord], counts: Mapping[str, Counts] | None, name: str) -> None:
    """Compare the number of videos with the published counts. Raises ``ManifestError`` with the split."""
    for split, expected in (counts or {}).items():
        labels = Counter(r.label for r in records if split in ("all", r.split))
        got = Counts(labels[0], labels[1])
        if got != expected:
            raise ManifestError(
                f"{name}: expected {expected.normal} normal and {expected.anomalous} anomalous"
                f" {'videos in total' if split == 'all' else f'{split} videos'} in the annotation files, got"
                f" {got.normal} and {got.anomalous}; the files are incomplete or of another version"
            )


def _without_train_truth(record: VideoRecord) -> VideoRecord:
    """Remove the spans and boxes of an anomalous training video, which weak supervision does not use."""
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
