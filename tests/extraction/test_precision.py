"""Which precision ``auto`` is: the data set's, or that of all nodes that will work."""

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


def _resolve(out, asked="auto", address=None, **pool):
    return resolve_precision(asked, str(out), StoreOptions(), PoolOptions(**pool), address)


@pytest.fixture
def cluster(monkeypatch):
    """A cluster whose nodes answer what the test says; the driver's machine is of another opinion."""

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
def test_all_nodes_of_a_cluster_must_have_it(tmp_path, cluster, caplog, answers, expected):
    """One node without bf16 makes it fp32, and that is said."""
    cluster(*answers)
    assert _resolve(tmp_path, address="head:6379") == expected
    assert ("2 of 3 nodes have bf16" in caplog.text) == (len(set(answers)) > 1)


def test_submitted_job_asks_its_cluster_and_the_gpus_where_they_work(tmp_path, cluster, monkeypatch):
    """``RAY_ADDRESS`` is what ``ray job submit`` sets; with GPUs it is they who compute."""
    asked = cluster("bf16", gpus=1)
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert _resolve(tmp_path) == _resolve(tmp_path, gpus_per_worker=0) == "bf16"
    assert asked == ["cuda", "cpu"]


def test_nobody_is_asked_where_it_is_known(tmp_path, cluster):
    """An option, or a data set that is there, decides."""
    asked = cluster("bf16")
    claim_dataset(open_store(str(tmp_path)), replace(CONFIG, precision="fp32"))
    assert _resolve(tmp_path, address="head:6379") == "fp32"
    assert _resolve(tmp_path / "new", asked="bf16", address="head:6379") == "bf16"
    assert asked == []


def test_without_a_cluster_it_is_this_machine(tmp_path, monkeypatch):
    """A local Ray has this machine's processors."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(precision, "default_precision", lambda device="cpu": device)
    assert _resolve(tmp_path) == "cuda"
    assert _resolve(tmp_path, gpus_per_worker=0, address="local") == "cpu"


@pytest.mark.usefixtures("ray_session")
def test_question_runs_on_the_nodes_that_can_hold_a_worker():
    """On a real Ray: another process answers; a node that is too small is not asked."""
    (answer,) = run_on_worker_nodes(os.getpid, Pool(1, 1.0, 0.0, 0, 2)).values()
    assert answer != os.getpid()
    assert run_on_worker_nodes(os.getpid, Pool(1, 64.0, 0.0, 0, 2)) == {}
