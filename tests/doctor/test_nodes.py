"""Checks of a cluster's nodes, by name; also on a real cluster."""

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
    fit = {
        "versions": installed_versions(),
        "bf16": True,
        "cpu": "A",
        "memory": 16 * GIB,
        "sandbox": ["ok", "confined"],
    }
    return fit | changes


def _check(name: str, answers: dict[str, Any], silent: tuple[str, ...] = ()) -> Any:
    return next(c for c in node_checks({"answers": answers, "silent": list(silent)}) if c.name == name)


def test_fit_nodes():
    """Checks of the nodes themselves, and none of stores that were not given."""
    checks = node_checks({"answers": {"a": _node(), "b": _node()}, "silent": []})
    assert [(c.name, c.status) for c in checks] == [
        ("node versions", "ok"), ("node bf16", "ok"), ("node memory", "ok"), ("node sandbox", "ok"),
    ]  # fmt: skip
    assert node_checks({}) == []


@pytest.mark.parametrize(
    ("name", "changes", "status", "code", "words"),
    [
        ("node versions", {"versions": installed_versions() | {"torch": "2.6.0"}}, "fail", EXIT_USAGE, "2.6.0 on b"),
        ("node versions", {"versions": installed_versions() | {"av": ""}}, "fail", EXIT_USAGE, "missing on b"),
        ("node bf16", {"bf16": False, "cpu": "Old One"}, "warn", EXIT_USAGE, "no bf16 instructions on b (Old One)"),
        ("node memory", {"memory": GIB}, "warn", EXIT_USAGE, "less than 2 GiB on b"),
        ("node sandbox", {"sandbox": ["warn", "no sandbox"]}, "warn", EXIT_USAGE, "no sandbox on b"),
        ("node store", {"out": ["fail", "AccessDenied"]}, "fail", EXIT_STORAGE, "from b: AccessDenied"),
        ("node videos", {"videos": ["fail", "no route"]}, "fail", EXIT_STORAGE, "from b: no route"),
        ("node store", {"out": ["warn", "create-only NOT supported"]}, "warn", EXIT_USAGE, "NOT supported"),
    ],
)
def test_unfit_nodes_are_named(name, changes, status, code, words):
    """Differences in versions and stores are failures; less precision, memory or confinement is a warning."""
    seen = {"out": ["ok", "fine"], "videos": ["ok", "fine"]}
    check = _check(name, {"a": _node(**seen), "b": _node(**(seen | changes)), "c": _node(**seen)})
    assert (check.status, check.exit_code) == (status, code)
    assert words in check.summary
    assert check.remedy


def test_nodes_that_do_not_answer_or_cannot_run_wsvad():
    """A missing answer is a failure."""
    silent = _check("node versions", {"a": _node()}, ("b",))
    assert (silent.status, silent.exit_code) == ("fail", EXIT_STORAGE)
    assert "no answer from b" in silent.summary
    (broken,) = node_checks({"nodes_error": "ModuleNotFoundError: No module named 'wsvad'"})
    assert broken.status == "fail"
    assert "No module named 'wsvad'" in broken.summary


def test_a_cluster_without_bf16_is_consistent():
    """All workers use fp32."""
    check = _check("node bf16", {"a": _node(bf16=False), "b": _node(bf16=False)})
    assert (check.status, check.remedy) == ("ok", "")


def test_probe_node_checks_the_stores(tmp_path):
    """With the same results as the checks of this machine."""
    found = probe_node(str(tmp_path), str(tmp_path / "out"), StoreOptions())
    assert found["out"][0] == "ok"
    assert found["videos"][0] == "warn"  # it is empty
    assert found["versions"] == installed_versions()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head node without CPUs, and a worker node."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def test_a_real_cluster_is_probed_node_by_node(cluster, tmp_path, monkeypatch):
    """The store as seen from each node, in the report of ``wsvad doctor --address``."""
    monkeypatch.setattr(services, "_RAY_S", 200.0)  # other tests may keep every core busy
    report = doctor.run(str(tmp_path / "out"), address=cluster.address)
    versions = report["node versions"]
    assert versions.status == "ok", versions
    assert len(versions.data) == 2
    assert report["node store"].status == "ok"
    assert report["node store"].summary == "usable from 2 node(s)"
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == []
