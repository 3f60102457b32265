"""The nightly RayJob, as its manifest has it: entry point, settings, environment and start parameters of the nodes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cluster.manifests import CLUSTER, ROOT, one
from tests.extraction.harness import finish, start, until
from tests.extraction.ray_head import RayHead
from tests.nightly.footage import CAMERAS, bright_is_anomalous, write_scene
from tests.nightly.reader import shown
from tests.scoring.factories import write_checkpoint
from tests.services.moto_server import CREDENTIALS, MotoServer
from wsvad.nightly.published import current
from wsvad.storage import StoreOptions, open_store

JOB = one("cpu", "RayJob", "wsvad-rescore")["spec"]
SETTINGS = one("cpu", "ConfigMap", "wsvad-settings")["data"]
VIDEOS = 8


def _entrypoint(settings: Path) -> str:
    """The manifest's own, with the places of this machine."""
    text = str(JOB["entrypoint"])
    changed = text.replace("/opt/wsvad/", f"{CLUSTER}/").replace("/etc/wsvad/", f"{settings}/")
    assert changed.count(str(settings)) == text.count("/etc/wsvad") == 1
    return changed


def _write_settings(folder: Path, places: dict[str, str]) -> None:
    """The ConfigMap's files, with the places of this test."""
    folder.mkdir()
    text = SETTINGS["rescore.toml"]
    for old, new in places.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "rescore.toml").write_text(text)
    (folder / "cameras.toml").write_text(CAMERAS)


def _write_archive(folder: Path) -> None:
    for camera in range(2):
        for hour in range(VIDEOS // 2):
            write_scene(folder / f"cam{camera}" / f"20260301_{10 + hour}0000.mp4", 20, (2, 6))


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[bytes]]]:
    """A push gateway: its URL, and what it was sent."""
    sent: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()
        thread.join()


def test_the_entry_point_runs_with_the_manifests_settings(tmp_path, gateway):
    """A whole night in one process: published, told to the gateway; run again, there is nothing to do."""
    url, sent = gateway
    write_scene(tmp_path / "archive" / "yard" / "20260301_120000.mp4", 10, (2, 6))
    places = {
        "s3://footage": str(tmp_path / "archive"),
        "s3://results/night": str(tmp_path / "root"),
        "/etc/wsvad/": f"{tmp_path}/settings/",
        "s3://models/ours/checkpoint": write_checkpoint(tmp_path / "model", bright_is_anomalous()),
        "http://prometheus-pushgateway.monitoring.svc:9091": url,
    }
    _write_settings(tmp_path / "settings", places)
    (tmp_path / "bin").mkdir()
    _write_program(tmp_path / "bin")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"
    for _ in range(2):
        done = subprocess.run(
            ["/bin/bash", "-ec", _entrypoint(tmp_path / "settings")],
            env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert b"wsvad_rescore_exit_code 0.0" in sent[0]
    assert len(sent) == 2
    night = current(open_store(str(tmp_path / "root")))
    assert night is not None
    assert night.number == 1


def _write_program(folder: Path) -> None:
    """``wsvad`` and ``python`` as they are in the image: the program of this checkout, installed."""
    for name, line in (("wsvad", f'exec {sys.executable} -m wsvad "$@"'), ("python", f'exec {sys.executable} "$@"')):
        (folder / name).write_text(f"#!/bin/sh\nexport PYTHONPATH={shlex.quote(str(ROOT))}\n{line}\n")
        (folder / name).chmod(0o755)


class Cluster(NamedTuple):
    """Three nodes, a bucket, and the folder of settings."""

    head: RayHead
    bucket: str
    server: MotoServer
    settings: Path
    sent: list[bytes]


@pytest.fixture
def cluster(tmp_path, gateway, moto_server, s3_bucket) -> Iterator[Cluster]:
    """Head and workers with the environment and the start parameters that the manifest gives their containers."""
    spec = JOB["rayClusterSpec"]
    assert spec["authOptions"]["mode"] == "token"
    assert spec["workerGroupSpecs"][0]["replicas"] == 2
    (container,) = spec["headGroupSpec"]["template"]["spec"]["containers"]
    (worker,) = spec["workerGroupSpecs"][0]["template"]["spec"]["containers"]
    assert worker["env"] == container["env"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    endpoint = one("minio", "RayCluster", "wsvad")["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["env"]
    assert endpoint[-1]["name"] == "AWS_ENDPOINT_URL"
    environment |= CREDENTIALS | {"AWS_ENDPOINT_URL": moto_server.url, "NO_PROXY": "127.0.0.1"}
    folder = Path(tempfile.mkdtemp(prefix="ray-night-"))
    head = RayHead(
        folder, workers=2, head_cpus=int(spec["headGroupSpec"]["rayStartParams"]["num-cpus"]), environment=environment
    )
    try:
        inside = next((folder / "env").glob("lib/python3*/site-packages"))
        (inside / "wsvad-here.pth").write_text(f"{ROOT}\n")
        (head.programs / "wsvad").write_text(f'#!/bin/sh\nexec {head.programs / "python"} -m wsvad "$@"\n')
        (head.programs / "wsvad").chmod(0o755)
        url, sent = gateway
        places = {
            "s3://footage": f"s3://{s3_bucket}/footage",
            "s3://results/night": f"s3://{s3_bucket}/night",
            "/etc/wsvad/": f"{tmp_path}/settings/",
            "s3://models/ours/checkpoint": f"s3://{s3_bucket}/model",
            "http://prometheus-pushgateway.monitoring.svc:9091": url,
        }
        _write_settings(tmp_path / "settings", places)
        yield Cluster(head, s3_bucket, moto_server, tmp_path / "settings", sent)
    finally:
        head.close()
        shutil.rmtree(folder)


def _submit(made: Cluster, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As KubeRay's submitter does: by the shell, without waiting, the token in the environment."""
    line = f"ray job submit --address {made.head.url} --no-wait --submission-id {name} -- {_entrypoint(made.settings)}"
    words = shlex.split(line)
    assert words[0] == "ray"
    return made.head.ray(*words[1:], env={"HOME": "/nowhere", **environment})


@pytest.mark.slow
def test_a_night_on_three_nodes_killed_and_run_again(cluster, tmp_path):
    """Refused without the token; killed in the middle, the same job ends in the state of a calm run in one process."""
    made: Any = cluster
    options = StoreOptions(endpoint_url=made.server.url)
    _write_archive(tmp_path / "archive")
    far = open_store(f"s3://{made.bucket}/footage", options)
    for path in sorted((tmp_path / "archive").rglob("*.mp4")):
        far.create(str(path.relative_to(tmp_path / "archive")), path.read_bytes())
    model = write_checkpoint(tmp_path / "model", bright_is_anomalous())
    copied = open_store(f"s3://{made.bucket}/model", options)
    for path in (p for p in (tmp_path / "model").rglob("*") if p.is_file()):
        copied.create(str(path.relative_to(tmp_path / "model")), path.read_bytes())

    for wrong in ({}, {"RAY_AUTH_TOKEN": "0" * 64}):
        refused = _submit(made, "without", **wrong)
        assert refused.returncode == 1, refused.stdout
        assert "token" in refused.stderr
    assert made.head.request("/api/jobs/") == (200, [])

    token = {"RAY_AUTH_TOKEN": made.head.token()}
    assert _submit(made, "night-1", **token).returncode == 0
    results = open_store(f"s3://{made.bucket}/night", options)
    until(lambda: any("/units/" in info.key for info in results.list()), timeout=240)
    assert made.head.kill("wsvad rescore") >= 1  # again.py as well, whose words hold it, and the driver
    ended = made.head.wait_for_end("night-1")
    assert ended["status"] == "FAILED"
    assert current(results) is None  # nothing half

    assert _submit(made, "night-2", **token).returncode == 0
    ended = made.head.wait_for_end("night-2")
    assert ended["status"] == "SUCCEEDED", made.head.logs("night-2")
    assert b"wsvad_rescore_exit_code 0.0" in made.sent[-1]
    assert f'wsvad_rescore_videos{{state="scored"}} {VIDEOS}.0'.encode() in made.sent[-1]

    calm = str(tmp_path / "calm")
    words = ("rescore", "--archive", f"s3://{made.bucket}/footage", "--s3-endpoint-url", made.server.url, "--no-ray")
    words = (*words, "--cameras", str(made.settings / "cameras.toml"), "--checkpoint", model, "--root", calm, "--json")
    run = start(*words)
    assert finish(run, timeout=600)[0] == 0
    assert shown(f"s3://{made.bucket}/night", options) == shown(calm)

    assert _submit(made, "night-3", **token).returncode == 0
    assert made.head.wait_for_end("night-3")["status"] == "SUCCEEDED"
    night = current(results)
    assert night is not None
    assert night.number == 1  # nothing new, nothing published
