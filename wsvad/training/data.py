"""Select the videos for training, validation and test reports from the manifest and the features."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from wsvad.errors import ManifestError, UsageError
from wsvad.features.reading import FeatureSet
from wsvad.manifest.records import VideoRecord
from wsvad.manifest.truth import known_spans
from wsvad.manifest.validation_split import split_validation

log = logging.getLogger(__name__)
_SHOWN = 5
_COMPARED = 3  # ids of either side, if manifest and features name different videos


@dataclass(frozen=True)
class TrainingData:
    """The videos of a training run."""

    train_ids: tuple[str, ...]
    train_labels: tuple[int, ...]
    """0 normal, 1 anomalous, in the order of the ids."""
    val_ids: tuple[str, ...]
    val_labels: tuple[int, ...]
    val_is_cut: bool
    """Whether the validation videos were split off from the training videos, as the manifest has no split ``val``."""
    missing: tuple[str, ...]
    """Videos of the manifest without features, which were skipped as allowed."""
    test: tuple[VideoRecord, ...] = ()
    """Test videos with features and known anomalous frames (as ``spans``); used for reports only."""

    @property
    def seen_ids(self) -> tuple[str, ...]:
        """Ids of all videos used for training or selection, sorted."""
        return tuple(sorted({*self.train_ids, *self.val_ids}))

    @property
    def can_select(self) -> bool:
        """Whether the validation videos have both classes, so that their AUC is defined."""
        return len(set(self.val_labels)) == 2

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of ids, labels and roles."""
        parts = (self.train_ids, self.train_labels, self.val_ids, self.val_labels)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def training_data(
    records: Sequence[VideoRecord],
    features: FeatureSet,
    *,
    val_fraction: float,
    seed: int,
    allow_missing: bool = False,
    report_test: bool = False,
) -> TrainingData:
    """Select the videos of a training run.

    Args:
        records: the manifest; videos without a split are ignored.
        features: features data set.
        val_fraction: fraction of the training videos to hold out if no video has split ``val``; 0 for none.
        seed: seed of the choice of held-out videos.
        allow_missing: skip videos without features with a warning, instead of raising.
        report_test: include test videos with known anomalous frames.

    Raises:
        ManifestError: there are no training videos, a training or validation video has no label, or a video file is in
            both training and test.
        UsageError: there is only one class, or videos have no features.
    """
    if not any(r.split == "train" for r in records):
        raise ManifestError("expected videos with split 'train' in the manifest, got none")
    _refuse_unlabelled(records)
    _refuse_shared_files(records)
    there = frozenset(features.video_ids)
    wanted = [r for r in records if r.split in ("train", "val")]
    tested = _test_records(records) if report_test else []
    missing = tuple(r.video_id for r in (*wanted, *tested) if r.video_id not in there)
    if missing:
        _refuse_missing(missing, len(wanted) + len(tested), features, allow_missing)
        wanted = [r for r in wanted if r.video_id in there]
    cut = val_fraction > 0 and not any(r.split == "val" for r in records)
    _refuse_one_class([r for r in wanted if r.split == "train"], "training")
    if cut:
        wanted = _hold_out(wanted, val_fraction, seed)
    train = [r for r in wanted if r.split == "train"]
    val = [r for r in wanted if r.split == "val"]
    return TrainingData(
        *(tuple(r.video_id for r in train), tuple(int(r.label or 0) for r in train)),
        *(tuple(r.video_id for r in val), tuple(int(r.label or 0) for r in val)),
        val_is_cut=cut,
        missing=missing,
        test=tuple(r for r in tested if r.video_id in there),
    )


def _hold_out(records: list[VideoRecord], fraction: float, seed: int) -> list[VideoRecord]:
    smaller = min(sum(r.label == label for r in records) for label in (0, 1))
    if smaller < 2:
        log.warning("a class has only one training video, so none is held out and the last step is kept")
        return records
    return split_validation(records, fraction, seed)


def _test_records(records: Iterable[VideoRecord]) -> list[VideoRecord]:
    """Return the test videos whose anomalous frames are known, as spans."""
    spans = [(r, known_spans(r.spans, r.boxes)) for r in records if r.split == "test"]
    found = [replace(r, spans=known) for r, known in spans if known is not None]
    if not any(r.spans for r in found):
        log.warning("the manifest has no test video with known anomalous frames, so there is nothing to report")
    return found


def _refuse_unlabelled(records: Iterable[VideoRecord]) -> None:
    unlabelled = [r.video_id for r in records if r.split in ("train", "val") and r.label is None]
    if unlabelled:
        raise ManifestError(
            f"expected a label (0 or 1) for every training and validation video; {len(unlabelled)} have none: "
            f"{_shorten(unlabelled)}"
        )


def _refuse_shared_files(records: Iterable[VideoRecord]) -> None:
    records = list(records)
    tested = {r.uri: r.video_id for r in records if r.split == "test"}
    both = [f"{r.video_id} and {tested[r.uri]}" for r in records if r.split in ("train", "val") and r.uri in tested]
    if both:
        raise ManifestError(
            f"{len(both)} video files are both in training and in test under two ids: {_shorten(both)}; remove one each"
        )


def _refuse_one_class(train: Sequence[VideoRecord], what: str) -> None:
    anomalous = sum(r.label == 1 for r in train)
    if not 0 < anomalous < len(train):
        raise UsageError(
            f"expected {what} videos of both classes, got {anomalous} anomalous and {len(train) - anomalous} normal"
        )


def _refuse_missing(missing: Sequence[str], total: int, features: FeatureSet, allowed: bool) -> None:
    few = _shorten(missing, _COMPARED)
    text = f"{len(missing)} of {total} videos of the manifest have no features at {features.uri}: {few}"
    if not allowed:
        there = _shorten(_most_alike(missing, features.video_ids), _COMPARED)
        raise UsageError(
            f"{text}. The features are of {there}. If these are the same videos, give them the same video_id in the "
            "manifest; otherwise extract them, or skip them with --allow-missing"
        )
    log.warning("%s; skipped", text)


def _most_alike(missing: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the known ids, first those that contain the file name of a missing one without its extension.

    Ids of the same videos mostly differ in a folder or an extension; side by side, the difference is seen.
    """
    stems = [PurePosixPath(video_id).stem for video_id in missing[:_COMPARED]]
    alike = [next((video_id for video_id in known if stem in video_id), None) for stem in stems]
    return list(dict.fromkeys([*filter(None, alike), *known]))


def _shorten(ids: Sequence[str], most: int = _SHOWN) -> str:
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")
