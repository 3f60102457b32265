"""Selection of videos from manifest and features: every mismatch has its message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.training.factories import planted_records
from wsvad.errors import ManifestError, UsageError
from wsvad.features.reading import FeatureSet
from wsvad.manifest.truth import Box
from wsvad.training.data import training_data

RECORDS = planted_records()


@pytest.fixture(scope="module")
def features(planted) -> FeatureSet:
    """Features of every record."""
    return FeatureSet.open(planted.features)


def resolve(records, features, **options):
    """``training_data`` with the defaults of a run."""
    return training_data(records, features, **{"val_fraction": 0.2, "seed": 0, **options})


def test_validation_is_split_off_from_training_without_a_val_split(features):
    """Of both classes, by the seed, never from the test; an existing split ``val`` is used."""
    data = resolve(RECORDS, features)
    assert data.val_is_cut
    assert data.can_select
    assert len(data.train_ids) + len(data.val_ids) == len(data.seen_ids) == 18
    assert not set(data.seen_ids) & {r.video_id for r in RECORDS if r.split == "test"}
    assert resolve(RECORDS, features, seed=1).val_ids != data.val_ids
    given = [replace(r, split="val") if r.video_id == "v03.mp4" else r for r in RECORDS]
    assert (resolve(given, features).val_ids, resolve(given, features).can_select) == (("v03.mp4",), False)
    assert resolve(RECORDS, features, val_fraction=0.0).val_ids == ()


def test_test_videos_are_used_only_for_reports(features):
    """Those with known anomalous frames."""
    assert resolve(RECORDS, features).test == ()
    assert [r.video_id for r in resolve(RECORDS, features, report_test=True).test] == [
        f"v{n}.mp4" for n in range(18, 24)
    ]


def test_annotations_may_be_boxes_only(features, caplog):
    """Their frames are the anomalous ones, as in evaluation; missing annotations are logged."""
    boxes = (Box(20, 40, 0, 0, 9, 9), Box(30, 50, 0, 0, 9, 9))
    boxed = [replace(r, spans=None, boxes=boxes) for r in RECORDS if r.label]
    test = resolve([r for r in RECORDS if not r.label] + boxed, features, report_test=True).test
    assert {r.spans for r in test if r.label} == {((20, 50),)}
    assert {r.spans for r in test if not r.label} == {()}
    assert "report" not in caplog.text
    untested = [r for r in RECORDS if r.split != "test"]
    assert resolve(untested, features, report_test=True).test == ()
    assert "no test video with known anomalous frames, so there is nothing to report" in caplog.text


def test_videos_without_features_are_named(features, caplog):
    """They are skipped only with ``--allow-missing``."""
    more = [*RECORDS, *(replace(RECORDS[0], video_id=f"gone{n}.mp4", uri=f"g{n}") for n in range(7))]
    with pytest.raises(UsageError, match=r"7 of 25 videos .* gone0.mp4, .*gone2.mp4 and 4 more.*--allow-missing"):
        resolve(more, features)
    data = resolve(more, features, allow_missing=True)
    assert (len(data.missing), data.seen_ids) == (7, resolve(RECORDS, features).seen_ids)
    assert "skipped" in caplog.text


def test_other_ids_of_the_same_videos_are_shown_side_by_side(features):
    """The error names ids of the features, first those that are likely the same videos."""
    other = [replace(r, video_id=f"videos/{r.video_id}") for r in RECORDS[6:]]
    with pytest.raises(UsageError) as raised:
        resolve(other, features)
    first = next(r.video_id for r in other if r.split in ("train", "val"))
    assert f"no features at {features.uri}: {first}, " in str(raised.value)
    assert f"The features are of {first.removeprefix('videos/')}, " in str(raised.value)
    assert "give them the same video_id" in str(raised.value)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda r: replace(r, split=None), ManifestError, "expected videos with split 'train'"),
        (lambda r: replace(r, label=None), ManifestError, "24 have none|18 have none: v00.mp4"),
        (lambda r: replace(r, label=1, spans=None), UsageError, "both classes, got 18 anomalous and 0 normal"),
        (lambda r: replace(r, label=0, spans=None), UsageError, "both classes, got 0 anomalous and 18 normal"),
        (lambda r: replace(r, uri="file:///same.mp4"), ManifestError, "in training and in test under two ids"),
    ],
)
def test_unusable_manifests_are_refused(features, change, error, message):
    """No training videos, no labels, one class, a file in both training and test."""
    with pytest.raises(error, match=message):
        resolve([change(r) for r in RECORDS], features)


def test_a_class_with_one_video_keeps_it_for_training(features, caplog):
    """Then none is held out, which is logged."""
    few = [r for r in RECORDS if r.split == "train" and (not r.label or r.video_id == "v01.mp4")]
    data = resolve(few, features)
    assert (data.val_ids, sum(data.train_labels)) == ((), 1)
    assert "none is held out" in caplog.text
