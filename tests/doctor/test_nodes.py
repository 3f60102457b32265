"""The nodes of a cluster: who lacks what, by name; asked of a real cluster as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from wsvad import doctor
from wsvad.doctor import services
from wsvad.doctor.machine import GIB
from wsvad.doctor.nodes import node_checks, probe_node
from wsvad.errors import EXIT_STORAGE, EXIT_USAGE
from wsvad.storage import StoreOptions
from wsvad.work.software import installed_versions


def _node(**changes: Any) -> dict[str, Any]:
    return {"versions": installed_versions(), "bf16": True, "cpu": "A", "memory": 16 * GIB} | changes


def _check(name: str, answers: dict[str, Any], silent: tuple[str, ...] = ()) -> Any:
    return next(c for c in node_checks({"answers": answers, "silent": list(silent)}) if c.name == name)


def test_nodes_that_lack_nothing():
    """Four checks and no word of stores that nobody asked for."""
    checks = node_checks({"answers": {"a": _node(), "b": _node()}, "silent": []})
    assert [(c.name, c.status) for c in checks] == [
        ("node versions", "ok"), ("node bf16", "ok"), ("node memory", "ok"),
    ]  # fmt: skip
    assert node_checks({}) == []


@pytest.mark.parametrize(
    ("name", "changes", "status", "code", "words"),
    [
        ("node versions", {"versions": installed_versions() | {"torch": "2.6.0"}}, "fail", EXIT_USAGE, "2.6.0 on b"),
        ("node versions", {"versions": installed_versions() | {"av": ""}}, "fail", EXIT_USAGE, "missing on b"),
        ("node bf16", {"bf16": False, "cpu": "Old One"}, "warn", EXIT_USAGE, "processor of b (Old One)"),
        ("node memory", {"memory": GIB}, "warn", EXIT_USAGE, "less than 2 GiB on b"),
        ("node store", {"out": ["fail", "AccessDenied"]}, "fail", EXIT_STORAGE, "from b: AccessDenied"),
        ("node videos", {"videos": ["fail", "no route"]}, "fail", EXIT_STORAGE, "from b: no route"),
        ("node store", {"out": ["warn", "create-only NOT supported"]}, "warn", EXIT_USAGE, "NOT supported"),
    ],
)
def test_the_node_that_lacks_something_is_named(name, changes, status, code, words):
    """Versions and stores are failures; less precision or memory is something to look at."""
    seen = {"out": ["ok", "fine"], "videos": ["ok", "fine"]}
    check = _check(name, {"a": _node(**seen), "b": _node(**(seen | changes)), "c": _node(**seen)})
    assert (check.status, check.exit_code) == (status, code)
    assert words in check.summary
    assert check.remedy


def test_silent_nodes_and_nodes_that_cannot_run_it():
    """No answer is no agreement."""
    silent = _check("node versions", {"a": _node()}, ("b",))
    assert (silent.status, silent.exit_code) == ("fail", EXIT_STORAGE)
    assert "no answer from b" in silent.summary
    (broken,) = node_checks({"nodes_error": "ModuleNotFoundError: No module named 'wsvad'"})
    assert broken.status == "fail"
    assert "No module named 'wsvad'" in broken.summary


def test_a_cluster_without_bf16_at_all_agrees():
    """Then all workers take fp32, and none is left behind."""
    check = _check("node bf16", {"a": _node(bf16=False), "b": _node(bf16=False)})
    assert (check.status, check.remedy) == ("ok", "")


def test_a_node_looks_at_stores_itself(tmp_path):
    """What it says is what the checks of a machine say."""
    found = probe_node(str(tmp_path), str(tmp_path / "out"), StoreOptions())
    assert found["out"][0] == "ok"
    assert found["videos"][0] == "warn"  # it holds nothing
    assert found["versions"] == installed_versions()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head without cores, and a worker node."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def test_a_real_cluster_is_asked_node_by_node(cluster, tmp_path, monkeypatch):
    """The store as each node sees it, in the report of ``wsvad doctor --address``."""
    monkeypatch.setattr(services, "_RAY_S", 200.0)  # other tests may keep every core busy
    report = doctor.run(str(tmp_path / "out"), address=cluster.address)
    versions = report["node versions"]
    assert versions.status == "ok", versions
    assert len(versions.data) == 2
    assert report["node store"].status == "ok"
    assert report["node store"].summary == "usable from 2 node(s)"
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == []
