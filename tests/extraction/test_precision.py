"""``--precision auto``: that of the data set, or that of all worker nodes."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace

import pytest

from tests.extraction.factories import CONFIG
from wsvad.dataset.snapshots import claim_dataset
from wsvad.extraction import precision
from wsvad.extraction.precision import resolve_precision
from wsvad.storage import StoreOptions, open_store
from wsvad.work import cluster as cluster_module
from wsvad.work.cluster import run_on_worker_nodes
from wsvad.work.pool import GIB, Node, Pool, PoolOptions


def _resolve(out, requested="auto", address=None, **pool):
    return resolve_precision(requested, str(out), StoreOptions(), PoolOptions(**pool), address)


@pytest.fixture
def cluster(monkeypatch):
    """A cluster whose nodes respond as the test says; the driver's machine differs."""

    def of(*answers, gpus=0):
        asked = []

        def ask(question, pool):
            asked.append(pool.device)
            return dict(enumerate(answers))

        monkeypatch.setattr(cluster_module, "connected", lambda address, verbose: contextlib.nullcontext())
        monkeypatch.setattr(cluster_module, "nodes", lambda: [Node(8, gpus, 64 * GIB)] * len(answers))
        monkeypatch.setattr(cluster_module, "run_on_worker_nodes", ask)
        return asked

    monkeypatch.setattr(precision, "default_precision", lambda device="cpu": "nobody asked the driver")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return of


@pytest.mark.parametrize(
    ("answers", "expected"), [(["bf16", "bf16"], "bf16"), (["fp32"], "fp32"), (["bf16", "fp32", "bf16"], "fp32")]
)
def test_all_nodes_of_a_cluster_must_support_bf16(tmp_path, cluster, caplog, answers, expected):
    """One node without bf16 makes it fp32, with a warning."""
    cluster(*answers)
    assert _resolve(tmp_path, address="head:6379") == expected
    assert ("2 of 3 nodes have bf16" in caplog.text) == (len(set(answers)) > 1)


def test_a_submitted_job_queries_its_cluster_and_gpus(tmp_path, cluster, monkeypatch):
    """``RAY_ADDRESS`` is set by ``ray job submit``; with GPUs, the GPUs decide."""
    asked = cluster("bf16", gpus=1)
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert _resolve(tmp_path) == _resolve(tmp_path, gpus_per_worker=0) == "bf16"
    assert asked == ["cuda", "cpu"]


def test_no_node_is_queried_if_the_precision_is_known(tmp_path, cluster):
    """An option, or an existing data set, decides."""
    asked = cluster("bf16")
    claim_dataset(open_store(str(tmp_path)), replace(CONFIG, precision="fp32"))
    assert _resolve(tmp_path, address="head:6379") == "fp32"
    assert _resolve(tmp_path / "new", requested="bf16", address="head:6379") == "bf16"
    assert asked == []


def test_without_a_cluster_this_machine_decides(tmp_path, monkeypatch):
    """A local Ray has this machine's processors."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(precision, "default_precision", lambda device="cpu": device)
    assert _resolve(tmp_path) == "cuda"
    assert _resolve(tmp_path, gpus_per_worker=0, address="local") == "cpu"


@pytest.mark.usefixtures("ray_session")
def test_the_query_runs_on_nodes_that_can_hold_a_worker():
    """On a real Ray: another process responds; a node that is too small is not queried."""
    (answer,) = run_on_worker_nodes(os.getpid, Pool(1, 1.0, 0.0, 0, 2)).values()
    assert answer != os.getpid()
    assert run_on_worker_nodes(os.getpid, Pool(1, 64.0, 0.0, 0, 2)) == {}
