"""The pool fits the cluster; otherwise the message states required and available resources."""

import json
import logging
from contextlib import nullcontext

import pytest
import ray

from wsvad.errors import ClusterError, UsageError
from wsvad.work import ray_connection
from wsvad.work.cluster import connected
from wsvad.work.pool import GIB, Node, PoolOptions, fit_pool, in_job_working_dir

SMALL = [Node(2, 0, 20 * GIB)]
GPUS = [Node(96, 8, 1000 * GIB)]


@pytest.mark.parametrize(
    ("options", "nodes", "workers", "cpus", "gpus", "device"),
    [
        ({}, SMALL, 2, 1, 0, "cpu"),
        ({}, [Node(64, 0, 16 * GIB)], 10, 1, 0, "cpu"),
        ({}, [Node(2, 0, 1 * GIB)], 1, 1, 0, "cpu"),
        ({"cpus_per_worker": 2}, SMALL, 1, 2, 0, "cpu"),
        ({}, GPUS, 48, 2, 1 / 6, "cuda"),
        ({}, [Node(224, 8, 2000 * GIB)], 64, 2, 1 / 8, "cuda"),
        ({"gpus_per_worker": 1}, GPUS, 8, 2, 1, "cuda"),
        ({"gpus_per_worker": 0, "workers": 3}, GPUS, 3, 1, 0, "cpu"),
        ({}, [*SMALL, *SMALL, Node(0, 0, GIB)], 4, 1, 0, "cpu"),
    ],
)
def test_the_default_pool_fits(options, nodes, workers, cpus, gpus, device):
    """Defaults for two cores, many cores with little memory, and eight GPUs."""
    pool = fit_pool(PoolOptions(**options), nodes)
    assert (pool.workers, pool.cpus_per_worker, pool.device) == (workers, cpus, device)
    assert pool.gpus_per_worker == pytest.approx(gpus)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 3}, "3 workers of 1 CPU were requested, but the cluster can hold 2; it has 2 CPU"),
        ({"cpus_per_worker": 4}, "a worker needs 4 CPU, and no node can hold one; the cluster has 2 CPU, 0 GPU"),
        ({"gpus_per_worker": 1}, "a worker needs 2 CPU, 1 GPU"),
        ({"memory_per_worker": 64 * GIB}, "64.0 GiB memory, and no node"),
    ],
)
def test_a_too_small_cluster_is_refused_before_any_work(options, message):
    """The message states what is needed and available; a job never waits forever."""
    with pytest.raises(UsageError, match=message):
        fit_pool(PoolOptions(**options), SMALL)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"cpus_per_worker": -1.0}, {"in_flight": 0}])
def test_invalid_options_are_refused(wrong):
    """The message states the bounds."""
    with pytest.raises(UsageError, match="must"):
        PoolOptions(**wrong)


@pytest.mark.parametrize(
    ("config", "uri", "inside"),
    [
        ({"runtime_env": {"working_dir": "gcs://_ray_pkg_0.zip"}}, "features", True),
        ({"runtime_env": {"working_dir": "gcs://_ray_pkg_0.zip"}}, "{here}", True),
        ({"runtime_env": {"working_dir": "gcs://_ray_pkg_0.zip"}}, "file://{here}/a%20b", True),
        ({"runtime_env": {"working_dir": "gcs://_ray_pkg_0.zip"}}, "../features", False),
        ({"runtime_env": {"working_dir": "gcs://_ray_pkg_0.zip"}}, "{here}-2/features", False),
        ({"runtime_env": {"working_dir": "gcs://_ray_pkg_0.zip"}}, "s3://bucket/features", False),
        ({"runtime_env": {}}, "features", False),
        ({"metadata": {}}, "features", False),
        (None, "features", False),
    ],
)
def test_paths_in_the_working_directory_of_a_job(config, uri, inside, tmp_path, monkeypatch):
    """Only in a job that was submitted with a working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    if config is not None:
        monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(config))
    assert in_job_working_dir(uri.replace("{here}", str(tmp_path))) is inside


@pytest.fixture
def no_ray(monkeypatch):
    """Pretend that this process is not connected to Ray; a connection of other tests is kept."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_connection, "_reset_token_cache", lambda: None)


@pytest.mark.usefixtures("no_ray")
def test_messages_of_ray_are_kept_out_of_standard_output(monkeypatch, capsys, caplog):
    """They are logged, because standard output is for a JSON summary."""
    for name in ("RAY_COLOR_PREFIX", "RAY_BACKEND_LOG_LEVEL"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setattr(ray, "init", lambda **options: None)
    monkeypatch.setattr(ray, "shutdown", lambda: print("(raylet) going"))
    monkeypatch.setattr(ray_connection, "require_reachable", lambda address: None)
    monkeypatch.setattr(logging.getLogger("wsvad"), "propagate", True)
    with caplog.at_level(logging.DEBUG, "wsvad"), connected("elsewhere:1", same_software=False):
        print("(raylet) Task f failed.\n(raylet) 2 Workers killed due to memory pressure (OOM)")
    print("{}")
    assert capsys.readouterr().out == "{}\n"
    assert [(r.levelname, r.message) for r in caplog.records] == [
        ("INFO", "connecting to the Ray cluster at elsewhere:1"),
        ("DEBUG", "Ray: (raylet) Task f failed."),
        ("WARNING", "Ray: (raylet) 2 Workers killed due to memory pressure (OOM)"),
        ("DEBUG", "Ray: (raylet) going"),
    ]


def test_gpu_fraction_above_one_is_a_usage_error():
    """Ray supports fractions of one GPU, or whole GPUs."""
    with pytest.raises(UsageError):
        fit_pool(PoolOptions(gpus_per_worker=1.5), [Node(16, 4, 1 << 36)])


def test_empty_address_is_a_usage_error():
    """An unset shell variable must not silently start a local Ray."""
    with pytest.raises(UsageError, match="empty"), connected(""):
        pass


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize(
    ("failures", "code"), [(["timed out during startup"], 0), (["x"], 1), (["timed out during startup"] * 2, 1)]
)
def test_a_start_timeout_is_retried_once(monkeypatch, failures, code):
    """Only Ray's start timeout of 30 s is retried, once; other failures are errors of this package."""
    monkeypatch.setenv("RAY_COLOR_PREFIX", "0")
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    left = list(failures)

    def init(**options):
        if left:
            raise Exception(f"The current node {left.pop()}")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(ClusterError, match="cannot connect to a local Ray") if code else nullcontext(), connected(None):
        pass
    assert left == []
