"""SIGKILL of driver, workers and raylets, at random times, on a three-node cluster: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster

from tests.backbones.saving import save_weights
from tests.extraction.harness import QUICK, finish, published_rows, start, stored, until, visible
from tests.extraction.videos import write_video
from wsvad.backbones.weights import random_weights
from wsvad.manifest.listing import list_videos
from wsvad.storage import open_store
from wsvad.verification.data_set import verify

pytestmark = pytest.mark.slow
SEED = 20260
TRIALS = 10
# One frame of every four: a ninth of a second for a clip on a slow core; what is written and read is as ever.
UNITS = ("--unit-s", "1", "--workers", "2", *QUICK, "--clip-length", "1")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained network in a file, because making one takes longer than most of these runs."""
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_weights(random_weights(0, "inception-compact"), path)
    return str(path)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight videos of 20 to 90 frames: 20 units of a second at most, 111 clips."""
    folder = tmp_path_factory.mktemp("footage")
    for i in range(8):
        write_video(folder / f"v{i}.mp4", 20 + 10 * i)
    return folder


@pytest.fixture(scope="module")
def undisturbed(footage: Path, weights: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of every unit of a run that nothing disturbed, on a Ray of its own."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    code, _, log = finish(
        start("extract", "--videos", str(footage), "--out", str(out), *UNITS, "--weights", weights), timeout=600
    )
    assert code == 0, log
    return stored(str(out))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three nodes; the first only hosts the driver and the books, as the head of a real cluster should."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def _workers(cluster: Cluster) -> list[psutil.Process]:
    """Processes of this cluster's extraction actors: those below its own raylets, and no others on this machine."""
    found = []
    for node in cluster.list_all_nodes():
        for info in node.all_processes.get("raylet", []):
            raylet = psutil.Process(info.process.pid)
            found += [p for p in raylet.children(recursive=True) if p.name().startswith("ray::MapWorker")]
    return found


def _kill_worker(cluster: Cluster, driver: int, rng: random.Random) -> bool:
    try:
        victims = _workers(cluster)
        if victims:
            rng.choice(victims).kill()
        return bool(victims)
    except psutil.NoSuchProcess:
        return False


def _kill_raylet(cluster: Cluster, driver: int, rng: random.Random) -> bool:
    node = rng.choice([n for n in cluster.list_all_nodes() if not n.head])
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(num_cpus=1)
    return True


def _kill_driver(cluster: Cluster, driver: int, rng: random.Random) -> bool:
    os.killpg(driver, signal.SIGKILL)
    return True


KILLS = {"driver": _kill_driver, "worker": _kill_worker, "raylet": _kill_raylet}


@pytest.mark.parametrize("trial", range(TRIALS))
def test_killed_at_random_and_run_again(trial, footage, weights, undisturbed, cluster, tmp_path):
    """After the re-run: 0 rows lost, 0 doubled, 0 partial objects visible, every byte as in the undisturbed run."""
    rng = random.Random(SEED + trial)
    what = list(KILLS)[trial % len(KILLS)]
    out = tmp_path / "out"
    words = ("extract", "--videos", str(footage), "--out", str(out), "--address", cluster.address)
    words = (*words, *UNITS, "--weights", weights)
    run = start(*words)
    begun = rng.choice([0, 1, 3, 6, 9])  # units that are done when the killing starts
    until(lambda: run.poll() is not None or len(list(out.glob("units/*/*.parquet"))) >= begun, timeout=300)
    time.sleep(rng.uniform(0, 1))
    struck = 0
    for _ in range(3 if what == "worker" else 1):
        struck += run.poll() is None and KILLS[what](cluster, run.pid, rng)
        time.sleep(rng.uniform(0.5, 2))
    code, _, log = finish(run, timeout=600)
    print(f"trial {trial}: {what} killed {struck} times with at least {begun} units done; exit code {code}")
    assert struck, "the run was over before it could be disturbed"
    assert code == (-signal.SIGKILL if what == "driver" and struck else 0), log
    for path in visible(out):
        assert path == "dataset.json" or path.split("/")[0] in {
            "index",
            "units",
            "pictures",
            "snapshots",
            "videos",
            "runs",
        }
    assert stored(str(out)).items() <= undisturbed.items(), "a unit differs from the undisturbed run"

    code, summary, log = finish(start(*words), timeout=600)
    assert code == 0, log
    assert stored(str(out)) == undisturbed
    rows = published_rows(out)
    assert len(rows) == len(set(rows)) == summary["rows"] == summary["expected_clips"]
    report = verify(open_store(str(out)), listing=list_videos(str(footage)))
    assert (report.exit_code, report.faults) == (0, [])
