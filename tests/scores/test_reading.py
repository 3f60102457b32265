"""Published scores are read exactly as written, or raise."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.features.factories import random_videos, write_features
from tests.scoring.factories import CONFIG, make_scores, write_scores
from wsvad.dataset.snapshots import describe
from wsvad.errors import ConflictError, DamagedError, UsageError
from wsvad.scores.reading import ScoreSet
from wsvad.scores.table import decode_scores, encode_scores
from wsvad.storage import open_store
from wsvad.work.stored import DamagedUnit


def test_scores_round_trip(tmp_path):
    """Scores, cuboids, spans, number of frames, size, training ids and configuration."""
    cuboids = np.random.default_rng(0).random((3, 49)).astype(np.float32)
    uri = write_scores(
        tmp_path,
        {"b": ([0.1, 0.9, 0.3], cuboids), "a": ([0.5], np.zeros((1, 49)))},
        num_frames={"b": 40},
        training_ids=["x", "y"],
        sizes={"b": (640, 480)},
    )
    scores = ScoreSet.open(uri)
    assert (scores.video_ids, scores.training_ids, scores.config) == (("a", "b"), ("x", "y"), CONFIG.to_dict())
    video = scores.load("b")
    np.testing.assert_array_equal(video.score_T, np.array([0.1, 0.9, 0.3], np.float32))
    assert video.cuboid_scores_TK is not None
    np.testing.assert_array_equal(video.cuboid_scores_TK, cuboids)
    assert video.end_frame.tolist() == [16, 32, 40]
    assert (video.num_frames, video.width, video.height) == (40, 640, 480)
    assert video.frame_scores().shape == (40,)
    assert video.frame_scores(48)[-1] == np.float32(0.3)


def test_equal_scores_give_equal_bytes():
    """Without cuboids the column is missing."""
    scores = make_scores("a", [0.25, 0.5])
    words = {"fingerprint": "f", "config": {"b": 1, "a": 2}, "unit": {"clips": 2}}
    data = encode_scores(scores, **words)
    assert data == encode_scores(scores, **words)
    assert decode_scores(data).values["cuboid_scores_TK"] is None


def _flipped(data):
    """Flip one bit in the scores themselves."""
    column = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(6)
    at = column.data_page_offset + column.total_compressed_size - 5
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("damage", [lambda d: d[:-9], _flipped, lambda d: b""])
def test_damaged_bytes_are_detected(damage):
    """Truncated, with a flipped byte, empty."""
    scores = make_scores("a", np.random.default_rng(0).random(50))
    data = encode_scores(scores, fingerprint="f", config={}, unit={"clips": 50})
    with pytest.raises(DamagedUnit):
        decode_scores(damage(data))


def test_other_data_sets_are_refused(tmp_path):
    """Nothing, features instead of scores, an unknown video."""
    with pytest.raises(UsageError, match="is no data set"):
        ScoreSet.open(str(tmp_path / "nothing"))
    pooled, _ = random_videos({"a": 2})
    with pytest.raises(UsageError, match="holds 'features', expected 'scores'"):
        ScoreSet.open(write_features(tmp_path / "features", pooled))
    with pytest.raises(UsageError, match="has no video 'z'"):
        ScoreSet.open(write_scores(tmp_path / "scores", {"a": ([0.5], None)})).load("z")


def test_modified_objects_are_refused(tmp_path):
    """Another video's object under the name, a missing object, a missing list of training ids."""
    uri = write_scores(tmp_path, {"a": ([0.5], None), "b": ([0.6], None)})
    scores, store = ScoreSet.open(uri), open_store(uri)
    store.replace(scores.units["a"].key, store.read(scores.units["b"].key))
    with pytest.raises(DamagedError, match="'a' are damaged"):
        scores.load("a")
    store.delete(scores.units["b"].key)
    with pytest.raises(DamagedError, match="'b' are missing"):
        scores.load("b")
    store.delete("training_ids.json")
    with pytest.raises(DamagedError, match=r"training_ids\.json is missing"):
        ScoreSet.open(uri)


def test_a_snapshot_of_another_configuration_is_refused(tmp_path):
    """``dataset.json`` and snapshot must match."""
    uri = write_scores(tmp_path, {"a": ([0.5], None)})
    store = open_store(uri)
    store.replace("dataset.json", describe("scores", "0" * 64, CONFIG.to_dict()))
    with pytest.raises(ConflictError, match="another configuration"):
        ScoreSet.open(uri)
