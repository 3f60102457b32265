"""Nodes with other package versions than the driver are refused by name before any work."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

import pytest
import ray
from ray.cluster_utils import Cluster

from tests.extraction.harness import QUICK
from tests.extraction.videos import write_video
from wsvad.cli import main
from wsvad.errors import EXIT_STORAGE, EXIT_USAGE, UsageError
from wsvad.work import cluster, ray_runner, software
from wsvad.work.software import PACKAGES, installed_versions, version_differences

HERE = {"python": "3.11", "torch": "2.13.0", "av": "18.1.0"}


def test_versions_have_no_build_labels():
    """Every package with the version known to pip, without ``+cpu``."""
    found = installed_versions()
    assert set(found) == {"python", "wsvad", *PACKAGES}
    assert metadata.version("torch").startswith(found["torch"])
    assert "+" not in found["torch"]


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ({}, []),
        ({"a": HERE, "b": dict(HERE)}, []),
        ({"a": HERE, "b": HERE | {"torch": "2.12.0"}}, ["torch is 2.13.0 here, 2.12.0 on b"]),
        ({"a": HERE | {"av": ""}}, ["av is 18.1.0 here, missing on a"]),
        ({"a": {"python": "3.11", "torch": "2.13.0"}}, ["av is 18.1.0 here, missing on a"]),
        (
            {name: HERE | {"python": "3.12", "av": "17.0.0"} for name in "abcde"},
            ["python is 3.11 here, 3.12 on a, b, c and 2 more", "av is 18.1.0 here, 17.0.0 on a, b, c and 2 more"],
        ),
    ],
)
def test_differences_are_named_with_their_nodes(nodes, said):
    """One line per package, for any number of nodes."""
    assert version_differences(HERE, nodes) == said


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Cluster]:
    """A head node without CPUs, and a worker node."""
    if ray.is_initialized():  # connected by other tests, whose later shutdown would end this cluster's head
        ray.shutdown()
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def test_a_mixed_cluster_is_refused_when_it_is_joined(two_nodes, monkeypatch):
    """Both nodes are checked, also the head without CPUs; equal versions are accepted, others refused by name."""
    if ray.is_initialized():
        ray.shutdown()
    with cluster.connected(two_nodes.address):
        answers = cluster.run_on_every_node(installed_versions, 60)
    assert list(answers.values()) == [installed_versions()] * 2
    assert set(answers) <= cluster._same_software
    monkeypatch.setattr(cluster, "installed_versions", missing_package)
    with cluster.connected(two_nodes.address):  # checked once per node, however often a verb connects
        pass
    monkeypatch.setattr(cluster, "_same_software", set())
    monkeypatch.setattr(cluster, "installed_versions", _other_torch)
    with pytest.raises(UsageError, match=r"torch is 0\.1 here, .* on .*No work was started"):
        cluster.connected(two_nodes.address).__enter__()
    assert not ray.is_initialized()
    with cluster.connected(two_nodes.address, same_software=False):
        pass


def test_a_job_on_a_mixed_cluster_ends_before_any_work(two_nodes, monkeypatch, tmp_path, capsys):
    """The exit code is that of an unfit cluster; the message names package and nodes; no unit is stored."""
    monkeypatch.setattr(cluster, "_same_software", set())
    monkeypatch.setattr(cluster, "installed_versions", _other_torch)
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "camera.mp4", 20)
    words = ("--videos", str(tmp_path / "videos"), "--out", str(tmp_path / "out"), "--address", two_nodes.address)
    assert main(["extract", *words, *QUICK]) == EXIT_USAGE
    assert "torch is 0.1 here" in capsys.readouterr().err
    assert list((tmp_path / "out").glob("units/*/*")) == []


def _other_torch():
    """Versions of this process that differ from the nodes'; nodes call the original function."""
    return software.installed_versions() | ({} if ray.get_runtime_context().get_task_id() else {"torch": "0.1"})


def test_workers_on_nodes_that_joined_later_check_versions(two_nodes, monkeypatch, tmp_path, capsys):
    """They process nothing; the next run of the command is refused before any work."""
    monkeypatch.setattr(cluster, "_refuse_other_software", lambda: None)
    monkeypatch.setattr(ray_runner, "installed_versions", _other_torch)
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "camera.mp4", 20)
    words = ("--videos", str(tmp_path / "videos"), "--out", str(tmp_path / "out"), "--address", two_nodes.address)
    assert main(["extract", *words, *QUICK]) == EXIT_STORAGE
    told = capsys.readouterr().err
    assert "the node has other software than the driver: torch is 0.1 here" in told
    assert "Traceback" not in told
    assert list((tmp_path / "out").glob("units/*/*")) == []


def test_a_node_without_the_package_is_reported(two_nodes, monkeypatch):
    """With the last line of its error, and a remedy."""
    monkeypatch.setattr(cluster, "_same_software", set())
    monkeypatch.setattr(cluster, "installed_versions", missing_package)
    with pytest.raises(UsageError, match="No module named 'wsvad'"):
        cluster.connected(two_nodes.address).__enter__()
    assert not ray.is_initialized()


def missing_package():
    """The error of a node without the package."""
    raise ModuleNotFoundError("No module named 'wsvad'")
