"""A private local Ray, and prompt errors with the given address for clusters that do not answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import pytest
import ray
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

from tests.extraction.harness import QUICK, finish, start
from wsvad.errors import ClusterError, UsageError
from wsvad.work.address import cluster_address, parse_address
from wsvad.work.ray_connection import local_ray, require_reachable

_PRIVATE = """
import json, os, stat, sys
from pathlib import Path
import psutil, ray
from wsvad.work.cluster import connected

def task():
    return os.getpid()

with connected(None, num_cpus=1):
    ray.get(ray.remote(task).remote())
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = sorted({c.laddr.ip for p in family for c in p.net_connections() if c.status == "LISTEN"})
    folder = next(iter(Path(os.environ["TMPDIR"]).glob("ray*")))
    token = {p.environ().get("RAY_AUTH_TOKEN", "") for p in family if p.name() in ("gcs_server", "raylet")}
    text = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    print(json.dumps({
        "listening": listening, "mode": stat.S_IMODE(folder.stat().st_mode), "tokens": sorted(token),
        "in files": any(t.encode() in text for t in token), "address": ray.get_runtime_context().gcs_address,
        "left": [n for n in os.environ if n.startswith("RAY_AUTH")],
    }), file=sys.__stdout__)
"""


@pytest.fixture
def run_python(tmp_path: Path):
    """Run code with a read-only home directory and a temporary folder of its own."""
    folder = tempfile.mkdtemp(prefix="t", dir="/tmp")  # Ray's sockets need a short path

    def run(code: str) -> dict[str, object]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        environment |= {"HOME": "/proc/none", "TMPDIR": folder}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found

    yield run
    left = os.listdir(folder)
    os.rmdir(folder)
    assert left == []


def test_a_local_ray_is_private(run_python):
    """Loopback only; a random token in no file; a folder with mode 700; no home directory needed."""
    first, second = run_python(_PRIVATE), run_python(_PRIVATE)
    for found in (first, second):
        assert set(found["listening"]) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
        assert found["mode"] == 0o700
        (token,) = found["tokens"]
        assert len(token) == 64
        assert not found["in files"]
        assert found["left"] == []
    assert first["tokens"] != second["tokens"]


def test_a_local_ray_requires_its_token(ray_session):
    """Requests with the token are accepted, requests without are refused, also by the Ray of these tests."""
    address = ray.get_runtime_context().gcs_address
    assert address.startswith("127.0.0.1:")
    with grpc.insecure_channel(address) as channel:
        stub = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetAllNodeInfo(gcs_service_pb2.GetAllNodeInfoRequest(), timeout=20)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_failed_second_start_keeps_the_connection(ray_session, monkeypatch):
    """A connected process must not lose its token, as Ray would end the process."""
    monkeypatch.setenv("RAY_TMPDIR", "/nowhere/at/all")
    with pytest.raises(UsageError, match="RAY_TMPDIR"), local_ray(1):
        pass
    monkeypatch.setattr(ray, "init", lambda **options: None)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.delenv("RAY_TMPDIR")
    with local_ray(1):
        pass
    address = ray.get_runtime_context().gcs_address
    accessor = ray._raylet.GlobalStateAccessor(ray._raylet.GcsClientOptions.create(address, None, True, True))
    assert accessor.connect()
    assert accessor.get_node_table()


def test_workers_of_a_local_ray_have_the_niceness_of_the_process(ray_session):
    """Ray's default is 15."""
    niceness = ray.remote(lambda: os.getpriority(os.PRIO_PROCESS, 0)).options(num_cpus=0)
    assert ray.get(niceness.remote()) == os.getpriority(os.PRIO_PROCESS, 0)
    assert "RAY_worker_niceness" not in os.environ


@pytest.fixture
def closed_port():
    """A port that is reserved, but not listened on."""
    with socket.socket() as unused:
        unused.bind(("0.0.0.0", 0))
        yield unused.getsockname()[1]


@pytest.mark.parametrize("form", ["127.0.0.1:{port}", "localhost:{port}", "ray://127.0.0.1:{port}"])
def test_an_unreachable_cluster_is_reported_by_its_given_address(form, closed_port):
    """Within 10 s; Ray itself takes 15 minutes and reports another address."""
    address = form.format(port=closed_port)
    started = time.monotonic()
    with pytest.raises(ClusterError, match="Connection refused") as told:
        require_reachable(address)
    assert time.monotonic() - started < 10
    assert f"the Ray cluster at {address}: " in str(told.value)


@pytest.mark.parametrize("form", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_a_service_that_never_answers_is_not_a_cluster(form):
    """It accepts connections but is not Ray."""
    with socket.create_server(("0.0.0.0", 0)) as silent:
        address = form.format(port=silent.getsockname()[1])
        started = time.monotonic()
        with pytest.raises(ClusterError, match="no Ray answers"):
            require_reachable(address)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("head", "is not the address"),
        ("head:port", "is not the address"),
        ("head:99999", "is not the address"),
        ("ftp://head", "is not the address"),
        ("http://head:8265", "job server"),
    ],
)
def test_an_invalid_address_is_a_usage_error(address, words):
    """Detected before any connection."""
    with pytest.raises(UsageError, match=words):
        require_reachable(address)


@pytest.mark.parametrize(
    ("given", "environment", "means"),
    [
        (None, None, None),
        (None, "", None),
        (None, "head:6379", "head:6379"),
        (None, "auto", "auto"),
        (None, "local", None),
        ("local", "head:6379", None),
        ("auto", None, "auto"),
        ("auto", "head:6379", "head:6379"),
        ("other:1", "head:6379", "other:1"),
        ("ray://other:1", None, "ray://other:1"),
    ],
)
def test_resolution_of_the_address(given, environment, means, monkeypatch):
    """As Ray resolves its address; ``local`` is a private local Ray."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if environment is not None:
        monkeypatch.setenv("RAY_ADDRESS", environment)
    assert cluster_address(given) == means


def test_addresses_are_parsed():
    """IPv6 in brackets, and the default port of Ray client."""
    assert parse_address("[::1]:6379") == ("", "::1", 6379)
    assert parse_address("ray://head") == ("ray", "head", 10001)


@pytest.mark.parametrize("how", ["option", "environment"])
def test_the_command_exits_with_4_if_the_cluster_is_unreachable(how, closed_port, tmp_path):
    """Before any work, with --address and with RAY_ADDRESS."""
    (tmp_path / "in").mkdir()
    address = f"127.0.0.1:{closed_port}"
    words = ("--videos", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *QUICK, "--precision", "auto")
    words += ("--address", address) if how == "option" else ()
    process = start("extract", *words, env={"RAY_ADDRESS": address} if how == "environment" else None)
    code, _, log = finish(process, timeout=120)
    assert code == 4, log
    assert f"cannot connect to the Ray cluster at {address}: no connection: Connection refused" in log


@pytest.mark.parametrize(
    ("folder", "words"), [("d" * 90, "107 bytes"), ("none/below", "No such file"), ("file", "Not a directory")]
)
def test_an_unusable_temporary_folder_is_reported_with_a_remedy(folder, words, tmp_path, monkeypatch):
    """Paths too long for sockets, or a read-only folder: exit code 2, and no files are left."""
    (tmp_path / ("d" * 90)).mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / folder))
    with pytest.raises(UsageError, match="RAY_TMPDIR") as told, local_ray(1):
        pass
    assert words in str(told.value)
    assert [p for p in tmp_path.rglob("*") if p.name.startswith("ray")] == []
