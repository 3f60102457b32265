"""``SegmentCache``: its values, and its key."""

import logging
import pickle
import tempfile

import numpy as np
import pytest

from tests.features.factories import random_videos, write_features
from tests.features.pooling import pool_segments
from wsvad.errors import StorageError, UsageError
from wsvad.features import cache_folder
from wsvad.features.cache import SegmentCache
from wsvad.features.reading import FeatureSet

SHAPE = (4, 6)
LENGTHS = {"one": 1, "short": 5, "long": 70, "none": 0}


@pytest.mark.parametrize("views", [1, 10])
@pytest.mark.parametrize("kind", ["pooled", "cuboids"])
@pytest.mark.parametrize("clips_per_unit", [1000, 9])
def test_crops_are_averaged_and_clips_pooled(tmp_path, views: int, kind, clips_per_unit: int) -> None:
    """As ``pool_segments`` over the mean of the crops, in the requested order; gaps do not count."""
    pooled, cuboids = random_videos(LENGTHS, views, cuboid_shape=SHAPE)
    gaps = {"long": [*range(30), *range(50, 90)]}
    uri = write_features(tmp_path / "f", pooled, cuboids, clips=gaps, clips_per_unit=clips_per_unit)
    ids = ["short", "one", "long"]
    cache = SegmentCache.build(FeatureSet.open(uri), ids, segments=32, kind=kind, folder=tmp_path / "c")
    values = pooled if kind == "pooled" else cuboids
    assert cache.video_ids == tuple(ids)
    assert isinstance(cache.features, np.memmap)
    assert cache.features.dtype == np.float16
    assert cache.features.shape == (3, 32, *values["one"].shape[2:])
    for row, video_id in zip(cache.features, ids, strict=True):
        expected = pool_segments(values[video_id].astype(np.float64).mean(axis=1), 32)
        np.testing.assert_allclose(row, expected, rtol=1e-3, atol=1e-6)


def test_a_cache_is_found_by_content(tmp_path, caplog) -> None:
    """The same request maps the same file; only changes that affect the values make another one."""
    folder = tmp_path / "c"
    first, cuboids = random_videos({"a": 3, "b": 3, "c": 3}, cuboid_shape=SHAPE)
    uri = write_features(tmp_path / "f", first, cuboids)
    features = FeatureSet.open(uri)

    def build(opened: FeatureSet, ids: list[str], segments: int = 4, kind="pooled") -> SegmentCache:
        return SegmentCache.build(opened, ids, segments=segments, kind=kind, folder=folder)

    with caplog.at_level(logging.INFO, "wsvad"):
        base = build(features, ["a", "b"])
        assert build(FeatureSet.open(uri), ["a", "b"]) == base
    assert len([r for r in caplog.records if "cached 2 videos" in r.getMessage()]) == 1
    others = [
        build(features, ["b", "a"]),
        build(features, ["a"]),
        build(features, ["a", "b"], segments=5),
        build(features, ["a", "b"], kind="cuboids"),
    ]
    changed, changed_cuboids = random_videos({"b": 3, "d": 1}, cuboid_shape=SHAPE, seed=5)
    write_features(tmp_path / "f", changed, changed_cuboids)
    renewed = FeatureSet.open(uri)
    others.append(build(renewed, ["a", "b"]))
    assert len({cache.path for cache in [base, *others]}) == 6
    np.testing.assert_array_equal(others[-1].features[1], pool_segments(changed["b"][:, 0], 4).astype(np.float16))
    assert build(features, ["a", "c"]) == build(renewed, ["a", "c"])


def test_a_cache_pickles_small_and_is_read_only(tmp_path) -> None:
    """Another process of the node maps the same file."""
    pooled, _ = random_videos({"a": 40, "b": 40}, dim=256)
    features = FeatureSet.open(write_features(tmp_path / "f", pooled))
    cache = SegmentCache.build(features, ["a", "b"], segments=32, kind="pooled", folder=tmp_path / "c")
    data = pickle.dumps(cache)
    assert len(data) < 1000
    np.testing.assert_array_equal(pickle.loads(data).features, cache.features)
    with pytest.raises(ValueError, match="read-only"):
        cache.features[0] = 0


def test_an_altered_cache_is_refused(tmp_path) -> None:
    """Truncated, or of another shape."""
    features = FeatureSet.open(write_features(tmp_path / "f", random_videos({"a": 3})[0]))

    def build() -> SegmentCache:
        return SegmentCache.build(features, ["a"], segments=4, kind="pooled", folder=tmp_path / "c")

    path = build().path
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:40], b"", whole.replace(b"(1, 4, 8)", b"(1, 8, 4)")):
        path.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"the cache .*segments-.* is damaged.*remove it"):
            build()


def test_damaged_features_leave_no_cache(tmp_path) -> None:
    """The error is that of reading, and names the video."""
    pooled, _ = random_videos({"a": 3, "b": 40})
    pooled["b"][7, 0, 2] = np.inf
    features = FeatureSet.open(write_features(tmp_path / "f", pooled))
    with pytest.raises(StorageError, match=r"features of 'b' .* first in clip 7"):
        SegmentCache.build(features, ["a", "b"], segments=4, kind="pooled", folder=tmp_path / "c")
    assert [p.suffix for p in (tmp_path / "c").iterdir()] == [".lock"]


def test_the_largest_values_stay_finite(tmp_path) -> None:
    """Means of float16's largest value, over crops and clips, are that value."""
    largest = np.finfo(np.float16).max
    features = FeatureSet.open(write_features(tmp_path / "f", {"a": np.full((50, 10, 3), largest, np.float16)}))
    cache = SegmentCache.build(features, ["a"], segments=4, kind="pooled", folder=tmp_path / "c")
    assert (cache.features == largest).all()


def test_invalid_requests_are_refused(tmp_path) -> None:
    """Before anything is read or written."""
    features = FeatureSet.open(write_features(tmp_path / "f", random_videos({"a": 3, "none": 0})[0]))
    cases = (
        ([], {}, "no videos to cache"),
        (["a", "a"], {}, "'a' and 0 others are repeated"),
        (["a", "x"], {}, "has no video 'x'"),
        (["none"], {}, "has no clip of 'none'"),
        (["a"], {"segments": 0}, "at least 1 segment, got 0"),
        (["a"], {"kind": "cuboids"}, "has no cuboids"),
        (["a"], {"kind": "both"}, "expected kind 'pooled' or 'cuboids', got 'both'"),
    )
    for ids, options, message in cases:
        with pytest.raises(UsageError, match=message):
            SegmentCache.build(features, ids, **{"segments": 4, "kind": "pooled", "folder": tmp_path / "c"} | options)
    assert not (tmp_path / "c").exists()


def test_the_default_folder_is_pruned(tmp_path, monkeypatch) -> None:
    """A cache that was not used for long is removed when another one is built."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    features = FeatureSet.open(write_features(tmp_path / "f", random_videos({"a": 3, "b": 3})[0]))
    old = SegmentCache.build(features, ["a"], segments=4, kind="pooled")
    assert old.path.parent == cache_folder.default_folder()
    cache_folder.os.utime(old.path, (0, 0))
    kept = SegmentCache.build(features, ["b"], segments=4, kind="pooled")
    assert not old.path.exists()
    assert kept.path.exists()
    assert SegmentCache.build(features, ["a"], segments=4, kind="pooled") == old
    assert kept.path.exists()


def test_a_cache_pruned_while_it_is_opened_is_built_again(tmp_path, monkeypatch) -> None:
    """Another process may remove it between two accesses."""
    features = FeatureSet.open(write_features(tmp_path / "f", random_videos({"a": 3})[0]))
    once = [True]

    def used(path) -> None:
        if once:
            once.clear()
            path.unlink()
        cache_folder.mark_used(path)

    monkeypatch.setattr("wsvad.features.cached_rows.mark_used", used)
    cache = SegmentCache.build(features, ["a"], segments=4, kind="pooled", folder=tmp_path / "c")
    assert cache.features.shape == (1, 4, 8)
