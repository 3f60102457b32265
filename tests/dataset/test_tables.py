"""A published data set as files, Arrow, pandas, a Ray Dataset and a PyTorch dataset: the same values everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader

from tests.events.data import site
from tests.features.factories import random_videos, write_features
from tests.scoring.factories import write_scores
from wsvad.errors import DamagedError, UsageError
from wsvad.events.config import EventSettings
from wsvad.events.job import EventsOptions, find_all_events
from wsvad.events.reading import EventSet
from wsvad.features.reading import FeatureSet
from wsvad.scores.reading import ScoreSet

SHAPE = (4, 6)


@pytest.fixture
def features(tmp_path):
    """Two videos, one of them in several objects, and one without clips."""
    pooled, cuboids = random_videos({"b b/1.mp4": 30, "a": 5, "none": 0}, cuboid_shape=SHAPE)
    uri = write_features(tmp_path / "with space", pooled, cuboids, clips_per_unit=8)
    return FeatureSet.open(uri), pooled, cuboids


def test_arrow_has_every_row_in_order(features):
    """All columns, ordered by video and clip, or only the selected columns and videos."""
    opened, pooled, cuboids = features
    table = opened.to_arrow()
    assert table["video_id"].to_pylist() == ["a"] * 5 + ["b b/1.mp4"] * 30
    assert table["clip"].to_pylist() == [*range(5), *range(30)]
    values = table["cuboids"].combine_chunks().to_numpy_ndarray()
    np.testing.assert_array_equal(values, np.concatenate([cuboids["a"], cuboids["b b/1.mp4"]])[:, 0])
    some = opened.to_arrow(["clip", "pooled"], ["a"])
    assert some.column_names == ["clip", "pooled"]
    np.testing.assert_array_equal(some["pooled"].combine_chunks().to_numpy_ndarray(), pooled["a"][:, 0])
    with pytest.raises(UsageError, match="no column 'scores'"):
        opened.to_arrow(["scores"])
    with pytest.raises(UsageError, match="has no video 'c'"):
        opened.to_arrow(video_ids=["c"])
    with pytest.raises(UsageError, match="holds no features"):
        opened.to_arrow(video_ids=["none"])


def test_pandas_has_arrays_in_its_cells(features):
    """The columns keep their order."""
    opened, pooled, _ = features
    frame = opened.to_pandas()
    assert list(frame.columns) == opened.to_arrow().column_names
    np.testing.assert_array_equal(frame[frame.video_id == "a"].pooled.iloc[3], pooled["a"][3, 0])
    assert frame.cuboids.iloc[0].shape == SHAPE
    assert list(opened.to_pandas(["end_s"]).columns) == ["end_s"]


def test_files_are_usable_paths(features):
    """Existing paths, also with spaces."""
    opened, _, _ = features
    files = opened.files()
    assert len(files) == 5
    assert pa.concat_tables([pq.read_table(f).replace_schema_metadata() for f in files]) == opened.to_arrow()
    assert opened.files(["a"]) == files[:1]


def test_damage_raises(features):
    """For one flipped bit in one object."""
    opened, _, _ = features
    path = opened.files(["a"])[0]
    with open(path, "r+b") as file:
        file.seek(40)
        byte = file.read(1)[0]
        file.seek(40)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(DamagedError, match="does not match its digest"):
        opened.to_arrow()
    assert len(opened.to_arrow(video_ids=["b b/1.mp4"])) == 30


def test_pytorch_reads_one_video_per_item(features):
    """Also in worker processes; ordered by id."""
    opened, pooled, cuboids = features
    dataset = opened.to_torch(["b b/1.mp4", "a"])
    assert len(dataset) == 2
    item = dataset[1]
    assert item["video_id"] == "a"
    assert item["pooled"].dtype == torch.float32
    np.testing.assert_array_equal(item["cuboids"], cuboids["a"].astype(np.float32))
    loaded = list(DataLoader(dataset, batch_size=None, num_workers=1))
    assert [one["video_id"] for one in loaded] == ["b b/1.mp4", "a"]
    np.testing.assert_array_equal(loaded[0]["pooled"], pooled["b b/1.mp4"].astype(np.float32))
    assert "cuboids" not in opened.to_torch(cuboids=False)[0]
    with pytest.raises(UsageError, match="no clip of 'none'"):
        opened.to_torch(["none"])
    with pytest.raises(IndexError):
        dataset[2]


def test_scores_and_events(tmp_path):
    """The same for the other data sets."""
    scores = write_scores(tmp_path / "scores", {"x.mp4": (np.linspace(0, 1, 20, dtype=np.float32), None)})
    np.testing.assert_allclose(ScoreSet.open(scores).to_pandas().score, np.linspace(0, 1, 20), atol=1e-6)
    where, cameras = site(tmp_path / "site")
    out = str(tmp_path / "events")
    find_all_events(EventsOptions(scores=where, out=out, cameras=cameras, settings=EventSettings()))
    events = EventSet.open(out)
    table = events.to_arrow(["camera", "kind", "score"])
    assert table.num_rows == len(list(events.rows()))
    assert {row["camera"] for row in events.events()} == {"gate", "yard", "loose"}
    assert events.to_arrow(["camera"], ["2026-06-01/gate"])["camera"].unique().to_pylist() == ["gate"]
    with pytest.raises(UsageError, match="has no unit 'x'"):
        list(events.rows("x"))
    first, second, *_ = sorted(events.units)
    path, other = events.files([first])[0], events.files([second])[0]
    Path(path).write_bytes(Path(other).read_bytes())  # an intact object with correct checksums, but of another day
    with pytest.raises(DamagedError, match="digest"):
        list(events.rows(first))
