"""Alert rules, dashboard and monitors: valid, about figures that exist, and the rules do what they say."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
from typing import Any

import promql_parser
import pytest
import yaml
from ray.dashboard.modules.reporter import reporter_agent

from tests.cluster.manifests import CLUSTER, KUBERAY, built, mistakes
from wsvad.nightly.exposition import PREFIX, registry_of
from wsvad.nightly.metrics import metrics_of
from wsvad.nightly.summary import RescoreSummary

MONITORING = CLUSTER / "monitoring"
INSTALL = "promtool is missing: apt-get install -y --no-install-recommends prometheus"
CAMERA = {
    "camera": "yard", "psi": 0.1, "wasserstein": 0.1, "drifted": 0, "judged": 1, "events": 1, "events_low": 0,
    "events_high": 3, "unusual": 0, "moved": 0, "covered": 0,
}  # fmt: skip


def _summary(**changes: Any) -> RescoreSummary:
    numbers = dict.fromkeys(
        ("models", "cameras", "listed", "scored", "short", "failed", "waiting", "gone", "purged"), 0
    )
    texts = {"archive": "a", "root": "r", "champion": "c"}
    return RescoreSummary(**texts, **numbers, footage_s=0.0, missing_s=0.0, drift=[CAMERA], **changes)


def _exposed() -> dict[str, set[str]]:
    """Every metric that a night tells, with its labels, as Prometheus gets it."""
    families = registry_of(metrics_of(_summary(), 0.0)).collect()
    return {f.name: {label for sample in f.samples for label in sample.labels} for f in families}


def _groups() -> list[dict[str, Any]]:
    return list(yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"])


def _rules() -> list[dict[str, Any]]:
    return [rule for group in _groups() for rule in group["rules"]]


def _queries() -> list[str]:
    """Of alerts and of the dashboard."""
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return [str(rule["expr"]) for rule in _rules()] + [t["expr"] for panel in panels for t in panel["targets"]]


def _promtool(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    assert program is not None, INSTALL
    return subprocess.run([program, *words], cwd=MONITORING, capture_output=True, text=True, check=False, timeout=120)


def test_rules_are_valid_and_do_what_they_say():
    """Each fires when it should, and none in a good night; by Prometheus' own tool."""
    checked = _promtool("check", "rules", "alerts.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(_rules())} rules found" in checked.stdout + checked.stderr
    tested = _promtool("test", "rules", "alerts_test.yaml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_rule_is_tested_both_ways():
    """There is a time at which it fires, and one at which it does not."""
    tests = yaml.safe_load((MONITORING / "alerts_test.yaml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    fires = {case["alertname"] for case in cases if case.get("exp_alerts")}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    names = {rule["alert"] for rule in _rules()}
    assert fires == silent == names
    assert len(names) == len(_rules())


def test_the_operators_rules_are_the_same_rules():
    """One is made of the other."""
    manifest = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
    assert mistakes(manifest) == []
    assert manifest["spec"]["groups"] == _groups()


@pytest.mark.parametrize("query", _queries())
def test_queries_are_about_figures_that_nights_tell(query):
    """They parse; every metric and label of ours exists; every other metric is one that Ray tells of its nodes."""
    promql_parser.parse(query)
    names = set(re.findall(r"\b(?:wsvad|ray)_\w+", query)) - {"ray_io_cluster", "ray_io_node_type"}
    exposed = _exposed()
    ours = {name for name in names if name.startswith(PREFIX)}
    assert names
    assert ours <= set(exposed)
    told_by_ray = inspect.getsource(reporter_agent)
    for name in names - ours:
        assert f'"{name.removeprefix("ray_")}"' in told_by_ray, name
    for name, matchers in re.findall(r"\b(wsvad_\w+)\{([^}]*)\}", query):
        assert set(re.findall(r"(\w+)[=!]", matchers)) <= exposed[name]


def test_a_misspelled_metric_would_be_found():
    """The check above is none that passes everything."""
    assert PREFIX + "last_sucess_timestamp_seconds" not in _exposed()
    assert PREFIX + "last_success_timestamp_seconds" in _exposed()
    with pytest.raises(ValueError, match="unexpected character"):
        promql_parser.parse("sum(wsvad_rescore_videos{)")


def test_what_has_to_be_alerted_is():
    """Failed, stale, absent, lag, drift, quarantine, retention held back, cameras that were moved or covered."""
    used = {name for rule in _rules() for name in re.findall(r"wsvad_rescore_\w+", str(rule["expr"]))}
    short = {name.removeprefix(PREFIX) for name in used}
    assert short >= {
        "exit_code", "last_success_timestamp_seconds", "lag_seconds", "camera_drifted", "videos", "retention_held",
        "camera_moved", "camera_covered",
    }  # fmt: skip
    assert any("absent(" in str(rule["expr"]) for rule in _rules())
    assert all(rule["labels"]["severity"] in ("critical", "warning", "info") for rule in _rules())


@pytest.mark.parametrize(("retention", "held"), [("", 0), ("applied", 0), ("asked", 0), ("12 of 20 videos, say", 1)])
def test_a_retention_that_was_held_back_is_told(retention, held):
    """With and without tolerance of bad footage."""
    figures = {f.name: f.samples[0][1] for f in metrics_of(_summary(retention=retention), 0.0)}
    assert figures["retention_held"] == held


def test_the_dashboard_is_one_for_grafana():
    """Panels with numbers of their own that do not overlap, a data source to choose, nothing of anybody's server."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    panels = dashboard["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    tables = [target for panel in panels if panel["type"] == "table" for target in panel["targets"]]
    assert tables
    assert all(target["instant"] and target["format"] == "table" for target in tables)  # else a row for each minute
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert [v["type"] for v in dashboard["templating"]["list"]] == ["datasource"]
    assert "http" not in json.dumps(dashboard)


def test_monitors_select_pods_and_ports_that_exist():
    """The labels of our pods, the name of the port that Ray's figures are at, and the namespace that is let in."""
    monitors = list(yaml.safe_load_all((MONITORING / "podmonitor.yaml").read_text()))
    assert [mistakes(monitor) for monitor in monitors] == [[], []]
    ray = monitors[0]["spec"]
    cluster = next(o for o in built("cpu") if o["kind"] == "RayCluster")["spec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert ray["selector"]["matchLabels"].items() <= group["template"]["metadata"]["labels"].items()
        ports = {p["name"]: p["containerPort"] for p in group["template"]["spec"]["containers"][0]["ports"]}
        assert ports[ray["podMetricsEndpoints"][0]["port"]] == 8080
    assert ray["namespaceSelector"]["matchNames"] == [cluster_namespace()]
    policies = (KUBERAY / "base" / "network.yaml").read_text()
    assert {m["metadata"]["namespace"] for m in monitors} == {"monitoring"}
    assert "kubernetes.io/metadata.name: monitoring" in policies
    nights = monitors[1]["spec"]["podMetricsEndpoints"][0]
    assert nights["honorLabels"] is True  # else the labels of the gateway's pod would win over the night's


def cluster_namespace() -> str:
    """Where everything of ours runs."""
    return str(next(o for o in built("cpu") if o["kind"] == "Namespace")["metadata"]["name"])
