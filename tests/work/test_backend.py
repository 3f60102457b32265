"""Where units run: what is said decides, and what means nothing in one process is refused."""

import pytest

from wsvad.errors import UsageError
from wsvad.work import backend
from wsvad.work.backend import inline_pool, refuse_unused_options, requested_backend
from wsvad.work.pool import GIB, PoolOptions


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    """No cluster is named, none is connected."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(backend, "_is_connected", lambda: False)


def test_without_a_word_the_work_decides():
    """Neither the cluster's own default options nor a name for the local Ray in the environment say anything."""
    assert requested_backend(None, PoolOptions(), None) is None


def test_environment_that_names_the_local_ray_names_no_cluster(monkeypatch):
    """``RAY_ADDRESS=local`` is what it would be without."""
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert requested_backend(None, PoolOptions(), None) is None


@pytest.mark.parametrize(
    ("use_ray", "pool", "address", "on_ray", "why"),
    [
        (True, {}, None, True, "--ray"),
        (False, {}, None, False, "--no-ray"),
        (None, {}, "head:6379", True, "address"),
        (None, {}, "local", True, "address"),
        (None, {"workers": 1}, None, True, "options of workers"),
        (None, {"gpus_per_worker": 0.0}, None, True, "options of workers"),
        (None, {"cpus_per_worker": 2.0}, None, True, "options of workers"),
        (None, {"memory_per_worker": GIB}, None, True, "options of workers"),
        (None, {"in_flight": 3}, None, True, "options of workers"),
    ],
)
def test_what_is_said_decides(use_ray, pool, address, on_ray, why):
    """The switch, the address of a cluster, and any option of its workers."""
    found = requested_backend(use_ray, PoolOptions(**pool), address)
    assert (found.on_ray, why in found.why) == (on_ray, True)


def test_cluster_of_the_environment_is_named(monkeypatch):
    """``ray job submit`` sets it; ``--no-ray`` wins over it."""
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert requested_backend(None, PoolOptions(), None).on_ray
    assert not requested_backend(False, PoolOptions(), None).on_ray


def test_connection_that_is_there_is_used(monkeypatch):
    """It costs nothing any more."""
    monkeypatch.setattr(backend, "_is_connected", lambda: True)
    assert requested_backend(None, PoolOptions(), None).on_ray
    assert not requested_backend(False, PoolOptions(), None).on_ray


@pytest.mark.parametrize(
    ("pool", "address", "option"),
    [
        ({"workers": 2}, None, "--workers"),
        ({"memory_per_worker": GIB}, None, "--memory-per-worker"),
        ({"in_flight": 1}, None, "--in-flight"),
        ({}, "auto", "--address"),
        ({"workers": 2}, "auto", "--address and --workers"),
    ],
)
def test_options_without_a_meaning_are_refused(pool, address, option):
    """Only where Ray is refused; the message names them."""
    with pytest.raises(UsageError, match=f"--no-ray extracts alone in this process: leave out {option}, or --no-ray"):
        refuse_unused_options(False, PoolOptions(**pool), address, "extracts")
    refuse_unused_options(None, PoolOptions(**pool), address, "extracts")
    refuse_unused_options(True, PoolOptions(**pool), address, "extracts")


def test_options_with_a_meaning_in_one_process():
    """One worker, its threads, and whether it has a GPU."""
    for pool in ({"workers": 1}, {"cpus_per_worker": 2.0}, {"gpus_per_worker": 0.0}):
        refuse_unused_options(False, PoolOptions(**pool), None, "extracts")


@pytest.mark.parametrize(
    ("pool", "gpus", "threads", "device"),
    [
        ({}, 0, 1, "cpu"),
        ({}, 2, 1, "cuda"),
        ({"cpus_per_worker": 3.0}, 0, 3, "cpu"),
        ({"gpus_per_worker": 0.0}, 2, 1, "cpu"),
        ({"gpus_per_worker": 0.5}, 1, 1, "cuda"),
    ],
)
def test_this_process_is_what_a_worker_would_be(pool, gpus, threads, device):
    """One thread unless more were asked for, whatever the cores: sums round as on Ray. A GPU where there is one."""
    found = inline_pool(PoolOptions(**pool), gpus)
    assert (found.workers, found.threads, found.device) == (1, threads, device)


def test_a_gpu_that_is_not_there_is_said():
    """Before any work, as a cluster without one is."""
    with pytest.raises(UsageError, match="PyTorch sees 0 GPUs"):
        inline_pool(PoolOptions(gpus_per_worker=1.0), 0)
