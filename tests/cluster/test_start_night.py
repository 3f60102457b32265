"""What the CronJob runs, against an API server that takes what Kubernetes would take."""

from __future__ import annotations

import importlib.util
import re
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from tests.cluster.manifests import KUBERAY, OVERLAYS, every, mistakes, one

DATE = datetime.now(UTC).date().isoformat()


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("start_night", KUBERAY / "base" / "start_night.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


night = _module()
TEMPLATE = one("cpu", "RayJob", "wsvad-rescore")


class Server:
    """RayJobs of a namespace, with the rights of the Role: get one, list, create, delete."""

    def __init__(self) -> None:
        annotated = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}, "uid": "1"}
        self.jobs: dict[str, dict[str, Any]] = {
            "wsvad-rescore": TEMPLATE | {"metadata": TEMPLATE["metadata"] | annotated, "status": {}}
        }
        self.asked: list[str] = []
        self.clock = 0

    def __call__(self, method: str, path: str = "", body: dict[str, Any] | None = None) -> Any:
        self.asked.append(method)
        if method == "GET" and path.startswith("?labelSelector="):
            key, _, value = path.partition("=")[2].replace("%2F", "/").replace("%3D", "=").partition("=")
            items = [j for j in self.jobs.values() if j["metadata"].get("labels", {}).get(key) == value]
            return {"items": items}
        name = path.removeprefix("/")
        if method == "GET":
            assert name == "wsvad-rescore", "the role lets it read nothing else"
            return self.jobs[name]
        if method == "DELETE":
            return self.jobs.pop(name)
        assert body is not None
        if mistakes(body):
            raise night.Refused(422, str(mistakes(body)))
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,45}[a-z0-9])?", body["metadata"]["name"])
        if body["metadata"]["name"] in self.jobs:
            raise night.Refused(409, "already exists")
        self.clock += 1
        self.jobs[body["metadata"]["name"]] = {**body, "metadata": {**body["metadata"], "creationTimestamp": _at(self)}}
        return body

    def end(self, name: str, state: str = "Complete") -> None:
        """KubeRay says that a job has ended."""
        self.jobs[name]["status"] = {"jobDeploymentStatus": state}

    def nights(self) -> list[str]:
        """All but the template."""
        return [name for name in self.jobs if name != "wsvad-rescore"]


def _at(server: Server) -> str:
    return f"2026-01-01T00:00:{server.clock:02}Z"


def _start(server: Server, *more: str) -> int:
    return int(night.main(["--template", "wsvad-rescore", *more], server))


def test_a_night_is_the_template_let_run(capsys):
    """Named by the date, its specification but for ``suspend``; nothing else of the template's object comes along."""
    server = Server()
    assert _start(server, "--started-by", "wsvad-night-1") == 0
    (name,) = server.nights()
    assert name == f"rescore-night-{DATE}"
    assert name in capsys.readouterr().out
    made = server.jobs[name]
    assert made["spec"] == TEMPLATE["spec"] | {"suspend": False}
    assert set(made["metadata"]) == {"name", "labels", "creationTimestamp"}
    assert server.jobs["wsvad-rescore"]["spec"]["suspend"] is True


@pytest.mark.parametrize("state", [None, "Initializing", "Running", "Retrying", "Waiting", "Suspending", "Suspended"])
def test_no_night_is_started_beside_one_that_has_not_ended(capsys, state):
    """Said, with exit code 1: the CronJob's own pod has ended long ago and keeps nobody off."""
    server = Server()
    assert _start(server) == 0
    if state:
        server.end(server.nights()[0], state)
    assert _start(server, "--started-by", "another") == 1
    assert "has not ended" in capsys.readouterr().err
    assert len(server.nights()) == 1


def test_the_same_job_tried_again_starts_nothing_twice(capsys):
    """Its pod was lost after the night was made: that is no failure."""
    server = Server()
    assert _start(server, "--started-by", "wsvad-night-1") == 0
    assert _start(server, "--started-by", "wsvad-night-1") == 0
    assert "was started by this job before" in capsys.readouterr().out
    assert len(server.nights()) == 1


@pytest.mark.parametrize("state", ["Complete", "Failed", "ValidationFailed"])
def test_a_second_night_of_a_date_has_a_name_of_its_own(state):
    """One by hand after one that failed, say."""
    server = Server()
    for _ in range(3):
        assert _start(server) == 0
        server.end(server.nights()[-1], state)
    assert server.nights() == [f"rescore-night-{DATE}{suffix}" for suffix in ("", "-2", "-3")]


def test_what_marks_a_try_is_never_used_twice():
    """A job made by hand may have the name of an earlier one, whose night is still there: its uid tells them apart."""
    for overlay in OVERLAYS:
        for job in every(overlay, "CronJob"):
            (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
            assert container["args"][-2:] == ["--started-by", "$(JOB_UID)"]
            assert container["env"] == [
                {
                    "name": "JOB_UID",
                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/controller-uid']"}},
                }
            ]


def test_old_nights_are_removed_and_the_template_stays():
    """The newest ones stay, as many as asked for; other RayJobs are not looked at."""
    server = Server()
    server.jobs["somebody-elses"] = {"metadata": {"name": "somebody-elses", "labels": {}}}
    for _ in range(6):
        assert _start(server, "--keep", "3") == 0
        server.end(server.nights()[-1])
    assert server.nights() == ["somebody-elses", *(f"rescore-night-{DATE}-{n}" for n in (4, 5, 6))]
    assert "wsvad-rescore" in server.jobs


def test_what_the_server_refuses_is_told(capsys):
    """One line and exit code 1; nothing is removed before the new night is there."""

    def refusing(method: str, path: str = "", body: Any = None) -> Any:
        raise night.Refused(403, "forbidden")

    assert night.main(["--template", "wsvad-rescore"], refusing) == 1
    assert capsys.readouterr().err == "error: 403: forbidden\n"
    server = Server()
    assert _start(server) == 0
    server.end(server.nights()[0])
    server.jobs["wsvad-rescore"]["spec"] = {"entrypoint": 1}
    assert _start(server, "--keep", "1") == 1
    assert server.asked[-1] == "POST"


def test_without_a_service_account_it_says_so(monkeypatch, tmp_path, capsys):
    """Outside of a cluster."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert night.main(["--template", "wsvad-rescore"]) == 1
    assert "KUBERNETES_SERVICE_HOST" in capsys.readouterr().err
