"""``FeatureSet``: published features are read back exactly, and damaged ones are refused."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from tests.dataset.legacy import one_level, store_videos
from tests.features.factories import (
    CONFIG,
    HEIGHT,
    WIDTH,
    random_videos,
    store_object,
    unit_bytes,
    video_row,
    write_features,
    zero_rows,
)
from wsvad.dataset import layout
from wsvad.dataset.publish import publish
from wsvad.dataset.snapshots import claim_dataset, describe, latest_snapshot
from wsvad.errors import ConflictError, DamagedError, StorageError, UsageError
from wsvad.features import reading
from wsvad.features.decoding import decode_features
from wsvad.features.reading import FeatureSet
from wsvad.storage import open_store

SHAPE = (4, 6)


def publish_objects(store, objects, rows) -> None:
    """Publish on top of the existing snapshot."""
    ids = frozenset(row["video_id"] for row in rows)
    more = {"replaced_videos": ids, "run_id": "r", "created_utc": "2026-01-01T00:00:00+00:00"}
    publish(store, CONFIG.fingerprint, CONFIG.to_dict(), objects, rows, **more)


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("clips_per_unit", [1000, 7])
def test_a_video_round_trips(tmp_path, views: int, clips_per_unit: int) -> None:
    """Every value and span, from one object or several; also after pickling to another process."""
    pooled, cuboids = random_videos({"b/1.mp4": 30, "a": 5, "none": 0}, views, cuboid_shape=SHAPE)
    uri = write_features(tmp_path, pooled, cuboids, num_frames={"b/1.mp4": 475}, clips_per_unit=clips_per_unit)
    features = pickle.loads(pickle.dumps(FeatureSet.open(uri)))
    assert features.video_ids == ("a", "b/1.mp4")
    assert (features.pooled_dim, features.cuboid_shape, features.views) == (8, SHAPE, views)
    assert (features.fingerprint, features.config) == (CONFIG.fingerprint, json.loads(json.dumps(CONFIG.to_dict())))
    video = features.load("b/1.mp4")
    assert features.num_clips("b/1.mp4") == 30
    np.testing.assert_array_equal(video.pooled_TVD, pooled["b/1.mp4"])
    np.testing.assert_array_equal(video.cuboids_TVKC, cuboids["b/1.mp4"])
    assert video.clip.tolist() == list(range(30))
    assert video.start_frame.tolist() == list(range(0, 480, 16))
    assert video.end_frame.tolist() == [*range(16, 480, 16), 475]
    np.testing.assert_allclose(video.start_s, np.arange(30) * 0.64)
    np.testing.assert_allclose(video.end_s, video.end_frame / 25)
    assert (video.num_frames, video.width, video.height) == (475, WIDTH, HEIGHT)
    kinds = [a.dtype.name for a in (video.clip, video.start_frame, video.end_frame, video.start_s, video.pooled_TVD)]
    assert kinds == ["int32", "int64", "int64", "float64", "float16"]


def test_gaps_are_preserved(tmp_path) -> None:
    """Clips that could not be decoded are missing, within an object and between objects."""
    pooled, _ = random_videos({"a": 6})
    uri = write_features(tmp_path, pooled, clips={"a": [0, 1, 4, 20, 21, 30]}, clips_per_unit=8)
    video = FeatureSet.open(uri).load("a")
    assert video.clip.tolist() == [0, 1, 4, 20, 21, 30]
    assert video.start_frame.tolist() == [0, 16, 64, 320, 336, 480]
    assert len(latest_snapshot(open_store(uri)).objects) == 3


def test_cuboids_are_read_only_on_request(tmp_path) -> None:
    """Their pages are not decoded otherwise; a data set without cuboids has none."""
    pooled, cuboids = random_videos({"a": 4}, cuboid_shape=SHAPE)
    assert (
        FeatureSet.open(write_features(tmp_path / "1", pooled, cuboids)).load("a", cuboids=False).cuboids_TVKC is None
    )
    bare = FeatureSet.open(write_features(tmp_path / "2", pooled))
    assert bare.cuboid_shape is None
    assert bare.load("a").cuboids_TVKC is None


def test_a_long_video_is_streamed_in_units(tmp_path, monkeypatch) -> None:
    """``stream`` reads a limited number of bytes ahead of its caller."""
    pooled, _ = random_videos({"a": 40, "b": 3})
    features = FeatureSet.open(write_features(tmp_path, pooled, clips_per_unit=2))
    size = features.units["a"][0].bytes
    monkeypatch.setattr(reading, "READ_AHEAD_BYTES", 2.5 * size)
    begun, ahead, parts = [], [], []

    def counted(data: bytes, described, **options):
        begun.append(described)
        return decode_features(data, described, **options)

    monkeypatch.setattr(reading, "decode_features", counted)
    for part in features.stream(["a", "b"]):
        parts.append(part)
        ahead.append(len(begun) - len(parts))
    assert max(ahead) <= 3
    np.testing.assert_array_equal(np.concatenate([p.pooled_TVD for p in parts[:20]]), pooled["a"])
    assert [p.video_id for p in parts] == ["a"] * 20 + ["b"] * 2


def test_only_the_newest_snapshot_counts(tmp_path) -> None:
    """A video that is extracted again replaces its rows; the digest depends only on content."""
    first, _ = random_videos({"a": 3, "b": 3}, seed=1)
    second, _ = random_videos({"a": 4}, seed=2)
    uri = write_features(tmp_path / "1", first)
    before = FeatureSet.open(uri)
    write_features(tmp_path / "1", second)
    after = FeatureSet.open(uri)
    np.testing.assert_array_equal(after.load("a").pooled_TVD, second["a"])
    np.testing.assert_array_equal(after.load("b").pooled_TVD, first["b"])
    assert before.snapshot_digest != after.snapshot_digest
    assert before.digest(["b"]) == after.digest(["b"])
    elsewhere = FeatureSet.open(write_features(tmp_path / "2", second | {"b": first["b"]}))
    assert elsewhere.snapshot_digest == after.snapshot_digest


def test_other_data_sets_are_refused(tmp_path) -> None:
    """The error states what was found, and what was expected."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="is no data set"):
        FeatureSet.open(str(tmp_path / "empty"))
    store = open_store(str(tmp_path / "claimed"))
    claim_dataset(store, CONFIG)
    with pytest.raises(UsageError, match="no published snapshot yet"):
        FeatureSet.open(store.uri)
    pooled, _ = random_videos({"a": 0})
    with pytest.raises(UsageError, match="holds no clip of any video"):
        FeatureSet.open(write_features(tmp_path / "clipless", pooled))
    open_store(str(tmp_path / "scores")).create(layout.DATASET, describe("scores", "f", {}))
    with pytest.raises(UsageError, match="holds 'scores', expected 'features'"):
        FeatureSet.open(str(tmp_path / "scores"))


def test_unknown_and_clipless_videos_are_named(tmp_path) -> None:
    """With the reason that extraction recorded."""
    pooled, _ = random_videos({"a": 2, "none": 0})
    store = open_store(write_features(tmp_path, pooled))
    row = video_row("broken", 16, 0) | {"kind": "no_video_stream", "message": "audio only"}
    publish_objects(store, [], [row])
    features = FeatureSet.open(store.uri)
    with pytest.raises(UsageError, match="has no video 'other'; it has 1, such as 'a'"):
        features.load("other")
    with pytest.raises(UsageError, match="no clip of 'none', which is quarantined; omit it"):
        features.num_clips("none")
    with pytest.raises(UsageError, match=r"no clip of 'broken', .*no_video_stream: audio only"):
        features.stream(["a", "broken"])


def test_another_configuration_is_a_conflict(tmp_path) -> None:
    """In one object, or in the snapshot."""
    store = open_store(write_features(tmp_path / "1", random_videos({"good": 3})[0]))
    data = unit_bytes("bad", zero_rows(range(99)), fingerprint="0123456789abcdef")
    publish_objects(store, [store_object(store, "bad", data, 0, 99, 99)], [video_row("bad", 1584, 99)])
    features = FeatureSet.open(store.uri)
    with pytest.raises(ConflictError, match=r"\(bad\) has another configuration: .* 0123456789ab"):
        features.load("bad")
    assert features.load("good").clip.tolist() == [0, 1, 2]
    uri = write_features(tmp_path / "2", random_videos({"a": 1})[0])
    store = open_store(uri)
    snapshot = replace(latest_snapshot(store), number=2, fingerprint="other")
    store.create(layout.snapshot_key(2), snapshot.to_json())
    with pytest.raises(ConflictError, match=r"snapshot 2 .* its fingerprint is other"):
        FeatureSet.open(uri)


def test_altered_and_missing_objects_are_detected(tmp_path) -> None:
    """One flipped bit, a truncated object, a missing one: an error that names video and object, never other values."""
    pooled, _ = random_videos({"a": 50, "b": 2})
    features = FeatureSet.open(write_features(tmp_path, pooled))
    (described,) = features.units["a"]
    path = tmp_path / described.key
    whole = path.read_bytes()
    for damage in (whole[:-500], whole[:300] + bytes([whole[300] ^ 1]) + whole[301:], b""):
        path.write_bytes(damage)
        with pytest.raises(StorageError, match=r"features of 'a' in file://.*parquet are damaged: .*verify --repair"):
            features.load("a")
    path.unlink()
    with pytest.raises(DamagedError, match="features of 'a' are missing: snapshot 1 references"):
        features.load("a")
    assert len(features.load("b").clip) == 2


def test_nan_in_cuboids_is_detected(tmp_path) -> None:
    """Only if they are read."""
    pooled, cuboids = random_videos({"a": 3}, cuboid_shape=SHAPE)
    cuboids["a"][2, 0, 3, 5] = np.nan
    pooled["b"], cuboids["b"] = random_videos({"b": 1}, cuboid_shape=SHAPE, seed=1)[0]["b"], cuboids["a"][:1]
    features = FeatureSet.open(write_features(tmp_path, pooled, cuboids))
    features.load("a", cuboids=False)
    with pytest.raises(StorageError, match=r"'a' .* infinite cuboids, first in clip 2"):
        features.load("a")


@pytest.mark.parametrize(("dim", "shape"), [(9, SHAPE), (8, (4, 7)), (8, None)])
def test_other_dimensions_are_detected(tmp_path, dim: int, shape: tuple[int, int] | None) -> None:
    """An object with the right fingerprint but other dimensions than the rest."""
    pooled, cuboids = random_videos({"good": 1}, cuboid_shape=SHAPE)
    store = open_store(write_features(tmp_path, pooled, cuboids))
    data = unit_bytes("bad", zero_rows(range(30), dim=dim, shape=shape))
    publish_objects(store, [store_object(store, "bad", data, 0, 30, 30)], [video_row("bad", 480, 30)])
    features = FeatureSet.open(store.uri)
    with pytest.raises(StorageError, match=r"have 1 crops, .* values and cuboids .*; expected 1, .* as in the rest"):
        list(features.stream(["good", "bad"]))


def test_a_damaged_snapshot_is_detected(tmp_path) -> None:
    """Objects that overlap, or whose video is not in the table."""
    uri = write_features(tmp_path, random_videos({"a": 4})[0], clips_per_unit=2)
    store = open_store(uri)
    snapshot = latest_snapshot(store)
    first, second = snapshot.objects
    clash = replace(snapshot, number=2)
    table = store_videos(store, snapshot.videos)
    store.create(layout.snapshot_key(2), one_level(clash, [first, replace(second, first_clip=1)], table))
    with pytest.raises(StorageError, match=r"is damaged: .* of 'a' both hold clip 1"):
        FeatureSet.open(uri)
    stray = one_level(replace(snapshot, number=3), [replace(first, video_id="z")], table)
    store.create(layout.snapshot_key(3), stray)
    with pytest.raises(StorageError, match=r"has no row of \['z'\], but the snapshot has"):
        FeatureSet.open(uri)


def test_without_a_frame_count_the_last_clip_determines_it(tmp_path) -> None:
    """Features that others made do not know their video."""
    store = open_store(write_features(tmp_path, random_videos({"a": 1})[0]))
    data = unit_bytes("b", zero_rows([0, 1]))
    row = video_row("b", 32, 2) | {"num_frames": None, "width": None, "height": None}
    publish_objects(store, [store_object(store, "b", data, 0, 2, 2)], [row])
    video = FeatureSet.open(store.uri).load("b")
    assert (video.num_frames, video.width, video.height) == (32, None, None)
