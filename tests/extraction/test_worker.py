"""The worker stage without Ray."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.extraction.factories import CONFIG, make_index, make_video
from tests.extraction.harness import visible
from tests.extraction.videos import write_video
from tests.video import escaping
from wsvad.backbones import extractor
from wsvad.backbones.weights import Weights, untrained_name
from wsvad.clips import ClipSpec
from wsvad.dataset import layout
from wsvad.dataset.snapshots import claim_dataset
from wsvad.extraction.units import plan_units
from wsvad.extraction.worker import UnitExtractor, WorkerConfig
from wsvad.features.encoding import decode_unit
from wsvad.manifest.listing import list_videos
from wsvad.manifest.source import StoredVideo
from wsvad.storage import open_store
from wsvad.video import Limits, VideoReader, process
from wsvad.weights.resolve import LoadedWeights

pytestmark = pytest.mark.usefixtures("in_process")
UNTRAINED = LoadedWeights(Weights(untrained_name(0, "inception-compact"), "", {}, "inception-compact"))


def test_a_node_without_the_shared_target_fails_and_writes_nothing(tmp_path):
    """Features on another machine's disk would only be in the snapshot: the unit fails instead."""
    unit = next(iter(plan_units(make_video(root=f"file://{tmp_path}/nowhere"), make_index(), CONFIG)))
    stage = UnitExtractor(WorkerConfig(CONFIG, f"file://{tmp_path}/out"), UNTRAINED)
    receipt = stage.extract(unit)
    assert (receipt.status, receipt.kind) == ("failed", "StorageError")
    assert "with several nodes use a shared folder" in receipt.message
    assert not list(visible(tmp_path))

    claim_dataset(open_store(f"file://{tmp_path}/out"), CONFIG)
    assert "several nodes" not in stage.extract(unit).message  # now it is the video that this node does not have
    stage.close()


@pytest.mark.parametrize("geometry", ["squash", "ten-crop"])
def test_batches_of_a_gpu_give_each_clip_its_own_features(tmp_path, monkeypatch, geometry):
    """Batches of several clips, the last one incomplete: the same rows as clip by clip, frames released in time."""
    write_video(tmp_path / "v.mp4", 27 if geometry == "squash" else 9)
    config = replace(CONFIG, geometry=geometry, clips=ClipSpec(4, 4), weights="random:0")
    video = list_videos(str(tmp_path / "v.mp4")).videos[0]
    with VideoReader() as reader:
        index = reader.index(StoredVideo(video, open_store(str(tmp_path)).options))
    unit = plan_units(video, index, config)[0]
    tables = []
    for batch in (1, 3 if geometry == "squash" else 20):
        monkeypatch.setattr(extractor, "CPU_BATCH", batch)
        out = tmp_path / f"out{batch}"
        claim_dataset(open_store(str(out)), config)
        stage = UnitExtractor(WorkerConfig(config, str(out), queue_clips=1), UNTRAINED)
        receipt = stage.extract(unit)
        stage.close()
        assert receipt.status == "done", receipt.message
        path = out / layout.unit_key(unit.unit_id)
        decode_unit(path.read_bytes())
        tables.append(pq.read_table(path))
    one, many = tables
    for name in one.column_names:
        if name in ("pooled", "cuboids"):
            assert np.array_equal(*(t[name].combine_chunks().to_numpy_ndarray() for t in tables)), name
        else:
            assert one[name].equals(many[name])


def test_a_node_without_a_required_sandbox_fails_the_unit(tmp_path, monkeypatch):
    """It is no evidence against the video, so nothing is quarantined; another node may do the unit."""
    write_video(tmp_path / "v.mp4", 27)
    config = replace(CONFIG, weights="random:0")
    video = list_videos(str(tmp_path / "v.mp4")).videos[0]
    with VideoReader() as reader:
        unit = plan_units(video, reader.index(StoredVideo(video, open_store(str(tmp_path)).options)), config)[0]
    claim_dataset(open_store(str(tmp_path / "out")), config)
    monkeypatch.setattr(process, "child_command", lambda: escaping.command("seccomp"))
    stage = UnitExtractor(WorkerConfig(config, str(tmp_path / "out"), limits=Limits(require_sandbox=True)), UNTRAINED)
    receipt = stage.extract(unit)
    stage.close()
    assert (receipt.status, receipt.kind) == ("failed", "UsageError")
    assert "cannot be confined on this machine: seccomp" in receipt.message
