"""The stage, without Ray around it."""

from tests.extract.factories import CONFIG, make_index, make_video
from tests.extract.harness import visible
from wsvad.backbones.weights import random_weights
from wsvad.dataset.snapshots import claim_dataset
from wsvad.extract.units import plan_units
from wsvad.extract.worker import UnitExtractor, WorkerConfig
from wsvad.storage import open_store


def test_a_node_that_does_not_share_the_target_says_so_and_writes_nothing(tmp_path):
    """Features on another machine's disk would be in the snapshot and nowhere else: failed, never done."""
    unit = next(iter(plan_units(make_video(root=f"file://{tmp_path}/nowhere"), make_index(), CONFIG)))
    stage = UnitExtractor(WorkerConfig(CONFIG, f"file://{tmp_path}/out"), random_weights(0))
    receipt = stage.extract(unit)
    assert (receipt.status, receipt.kind) == ("failed", "StorageError")
    assert "several nodes need a folder that they share" in receipt.message
    assert not list(visible(tmp_path))

    claim_dataset(open_store(f"file://{tmp_path}/out"), CONFIG)
    assert "several nodes" not in stage.extract(unit).message  # now it is the video that this node does not have
    stage.close()
