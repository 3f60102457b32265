"""Choice of the backend by options, environment and amount of work; refusal of options without effect."""

import pytest

from wsvad.errors import UsageError
from wsvad.work import backend
from wsvad.work.backend import inline_pool, refuse_unused_options, requested_backend
from wsvad.work.pool import GIB, PoolOptions


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    """No cluster is configured or connected."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(backend, "_is_connected", lambda: False)


def test_the_amount_of_work_decides_without_options():
    """Default worker options do not select a backend."""
    assert requested_backend(None, PoolOptions(), None) is None


def test_local_in_the_environment_is_not_a_cluster(monkeypatch):
    """``RAY_ADDRESS=local`` has the same effect as an unset variable."""
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
def test_options_decide(use_ray, pool, address, on_ray, why):
    """``--ray``/``--no-ray``, the address of a cluster, and any option of the workers select the backend."""
    found = requested_backend(use_ray, PoolOptions(**pool), address)
    assert (found.on_ray, why in found.why) == (on_ray, True)


def test_ray_address_selects_ray(monkeypatch):
    """``ray job submit`` sets ``RAY_ADDRESS``; ``--no-ray`` overrides it."""
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert requested_backend(None, PoolOptions(), None).on_ray
    assert not requested_backend(False, PoolOptions(), None).on_ray


def test_an_existing_connection_is_used(monkeypatch):
    """An open connection to Ray costs nothing more."""
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
def test_options_without_effect_are_refused(pool, address, option):
    """Only if Ray is refused; the message names the options."""
    with pytest.raises(UsageError, match=f"--no-ray extracts in this process only: leave out {option}, or --no-ray"):
        refuse_unused_options(False, PoolOptions(**pool), address, "extracts")
    refuse_unused_options(None, PoolOptions(**pool), address, "extracts")
    refuse_unused_options(True, PoolOptions(**pool), address, "extracts")


def test_options_with_effect_in_one_process():
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
def test_inline_pool_matches_a_local_worker(pool, gpus, threads, device):
    """One thread unless more are requested, as on Ray, so that sums round alike. A GPU if there is one."""
    found = inline_pool(PoolOptions(**pool), gpus)
    assert (found.workers, found.threads, found.device) == (1, threads, device)


def test_a_missing_gpu_is_a_usage_error():
    """Detected before any work, as on a cluster without GPUs."""
    with pytest.raises(UsageError, match="PyTorch finds 0 GPUs"):
        inline_pool(PoolOptions(gpus_per_worker=1.0), 0)
