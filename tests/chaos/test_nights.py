"""Nights on a three-node cluster and a bucket: killed driver, worker and node; the end state is that of one process."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.chaos.kills import kill_driver, kill_node, kill_worker
from tests.extraction.harness import finish, start
from tests.nightly.footage import CAMERAS, bright_is_anomalous, write_scene
from tests.nightly.reader import Watcher, shown
from tests.scoring.factories import write_checkpoint
from wsvad.backbones.weights import untrained_name
from wsvad.storage import StoreOptions

pytestmark = pytest.mark.slow
SEED = 20262


@pytest.mark.parametrize("kill", [kill_driver, kill_worker, kill_node])
def test_nights_on_a_cluster(kill, cluster, s3_bucket, moto_server, tmp_path):
    """Two nights of four cameras, each disturbed once it has begun, then run to the end; and readers all the while."""
    rng = random.Random(SEED)
    archive = tmp_path / "archive"
    (tmp_path / "cameras.toml").write_text(CAMERAS)
    model = write_checkpoint(tmp_path / "model", bright_is_anomalous())
    assert untrained_name(0, "inception-compact")  # the real network, untrained
    fixed = ("rescore", "--archive", str(archive), "--cameras", str(tmp_path / "cameras.toml"), "--checkpoint", model)
    fixed = (*fixed, "--high", "0.3", "--smooth", "0", "--json")
    calm, far = str(tmp_path / "calm"), f"s3://{s3_bucket}/{kill.__name__}"
    options = StoreOptions(endpoint_url=moto_server.url)
    there = (*fixed, "--root", far, "--s3-endpoint-url", moto_server.url, "--address", cluster.address)
    with Watcher(far, options) as watcher:
        for night in range(2):
            for camera in range(4):
                for hour in range(3):
                    write_scene(archive / f"cam{camera}" / f"2026030{night + 1}_{10 + hour}0000.mp4", 20, (2, 6))
            assert finish(start(*fixed, "--root", calm, "--no-ray"), timeout=600)[0] == 0
            run = start(*there, stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(8, 20))
            until, struck = time.monotonic() + 60, False
            while run.poll() is None and not struck and time.monotonic() < until:
                struck = kill(cluster, run.pid)
                time.sleep(0.2)
            finish(run, timeout=600)
            code, _, log = finish(start(*there), timeout=600)
            assert code == 0, log
            assert shown(far, options) == shown(calm)
    assert watcher.numbers[-1] == 2
    assert Path(calm).exists()
