"""Checks of stores, credentials and Ray, on small real ones."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from tests.services.moto_server import CREDENTIALS, MotoServer
from wsvad import doctor
from wsvad.doctor import services
from wsvad.errors import EXIT_STORAGE, EXIT_USAGE
from wsvad.storage import StoreOptions, open_store

LOCAL = StoreOptions()
CANARY = "CanarySecretThatMustNotBeShown"


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove Ray address, token and AWS configuration of the machine."""
    for name in [name for name in os.environ if name.startswith(("RAY_", "AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def s3(moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch) -> tuple[str, StoreOptions]:
    """A new bucket, and how to reach it, with credentials in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return f"s3://{moto_server.make_bucket()}/features", StoreOptions(endpoint_url=moto_server.url)


def test_a_local_folder_is_a_good_store(tmp_path: Path) -> None:
    """It is writable and create-only, and the probe leaves no object."""
    check = services.check_store(str(tmp_path / "out"), LOCAL)
    assert (check.status, check.data["create_only"]) == ("ok", True)
    assert list(open_store(str(tmp_path / "out")).list()) == []


def test_a_bucket_is_a_good_store(s3: tuple[str, StoreOptions]) -> None:
    """The same for S3, with the measured time of a write."""
    uri, options = s3
    check = services.check_store(uri, options)
    assert (check.status, check.data["create_only"], check.data["uri"]) == ("ok", True, uri)
    assert isinstance(check.data["latency_s"], float)
    assert check.data["latency_s"] > 0
    assert list(open_store(uri, options).list()) == []


@pytest.mark.parametrize(
    ("uri", "exit_code"),
    [
        ("gopher://x/y", EXIT_USAGE),
        ("s3://", EXIT_USAGE),
        (f"s3://key:{CANARY}/x@bucket/y", EXIT_USAGE),
        ("FILE/below", EXIT_USAGE),
    ],
    ids=["unknown scheme", "no bucket", "secret in the URI", "below a file"],
)
def test_an_unusable_store_fails_with_the_exit_code_of_a_job(tmp_path: Path, uri: str, exit_code: int) -> None:
    """2 if the location can never work; a secret in the URI is not shown."""
    (tmp_path / "FILE").write_bytes(b"")
    for check in (services.check_store, services.check_source):
        found = check(uri.replace("FILE", str(tmp_path / "FILE")), LOCAL)
        assert (found.status, found.exit_code) == ("fail", exit_code)
        assert CANARY not in f"{found}"


def test_a_missing_bucket_fails(s3: tuple[str, StoreOptions]) -> None:
    """With a message that names it."""
    check = services.check_store("s3://no-such-bucket-here/x", s3[1])
    assert (check.status, check.exit_code) == ("fail", EXIT_USAGE)
    assert "no-such-bucket-here" in check.summary


@pytest.mark.parametrize("below", ["", "/a.mp4", "/"], ids=["folder", "file", "folder with slash"])
def test_a_source_is_listed_and_read(tmp_path: Path, below: str) -> None:
    """A folder and a single file."""
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"x")
    assert services.check_source(f"{folder}{below}", LOCAL).status == "ok"


def test_a_source_in_a_bucket_is_listed_and_read(s3: tuple[str, StoreOptions]) -> None:
    """A prefix, a whole bucket, and one object; an empty prefix is a warning."""
    uri, options = s3
    open_store(uri, options).create("cam/a.mp4", b"x")
    bucket = uri.rpartition("/")[0]
    for source in (uri, bucket, f"{uri}/cam/a.mp4"):
        assert services.check_source(source, options).status == "ok", source
    assert services.check_source(f"{uri}/other", options).status == "warn"


def test_credentials_are_found_and_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The report names their source (environment or profile) and none of their values."""
    assert services.check_credentials(LOCAL).status == "fail"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CANARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    found = services.check_credentials(LOCAL)
    assert (found.status, found.data) == ("ok", {"found": True, "method": "env", "profile": "default"})
    file = tmp_path / "credentials"
    file.write_text(f"[archive]\naws_access_key_id = {CANARY}\naws_secret_access_key = {CANARY}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    named = services.check_credentials(StoreOptions(profile="archive"))
    assert named.data == {"found": True, "method": "shared-credentials-file", "profile": "archive"}
    missing = services.check_credentials(StoreOptions(profile="none"))
    assert (missing.status, missing.exit_code) == ("fail", EXIT_STORAGE)
    for check in (found, named, missing):
        assert CANARY not in f"{check}"


def test_a_report_contains_no_secret(s3: tuple[str, StoreOptions], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as text nor as JSON, with credentials and a Ray token in the environment."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    monkeypatch.setenv("RAY_AUTH_TOKEN", CANARY)
    report = doctor.run(s3[0], s3[1], videos_uri=s3[0])
    assert {report[name].status for name in ("videos", "store", "credentials")} <= {"ok", "warn"}
    assert report["credentials"].data["method"] == "env"
    assert CANARY not in doctor.render(report) + doctor.to_json(report)


def test_without_a_cluster_a_local_ray_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a run, without a home directory; the summary states the start time."""
    monkeypatch.setenv("HOME", "/proc/none")
    check = services.check_ray("local")
    assert check.status == "ok", check
    assert isinstance(check.data["start_s"], float)
    assert not Path("/proc/none").exists()


def test_a_local_ray_that_cannot_start_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder whose path is too long for sockets, or that is missing: exit code 2 and a remedy, as in a run."""
    long = tmp_path / ("d" * 80)
    long.mkdir()
    for folder, words in ((long, "107 bytes"), (tmp_path / "none", "No such file")):
        monkeypatch.setenv("RAY_TMPDIR", str(folder))
        check = services.check_ray(None)
        assert (check.status, check.exit_code) == ("fail", EXIT_USAGE)
        assert words in check.summary
        assert "RAY_TMPDIR" in check.summary


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:{closed}", "Connection refused"),
        ("ray://127.0.0.1:{closed}", "Connection refused"),
        ("http://127.0.0.1:{closed}", "Connection refused"),
        ("127.0.0.1:port", "is not the address"),
        ("ftp://127.0.0.1", "is not the address"),
        ("127.0.0.1", "is not the address"),
    ],
)
def test_an_unreachable_cluster_is_detected_quickly(address: str, words: str) -> None:
    """Well before Ray itself would give up."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening, so that nobody else gets the port
        start = time.monotonic()
        check = services.check_ray(address.format(closed=unused.getsockname()[1]))
    assert time.monotonic() - start < 4
    assert (check.status, check.exit_code) == ("fail", EXIT_STORAGE)
    assert words in check.summary


def test_a_port_that_never_answers_is_given_up() -> None:
    """The port is open, but is not Ray: detected within 10 s plus the start of an interpreter."""
    with socket.create_server(("0.0.0.0", 0)) as silent:
        check = services.check_ray(f"127.0.0.1:{silent.getsockname()[1]}")
    assert (check.status, check.exit_code) == ("fail", EXIT_STORAGE)
    assert "no Ray answers" in check.summary


def test_a_job_server_is_recognised() -> None:
    """``RAY_ADDRESS=http://...`` is for ``ray job submit``; it is not probed as a cluster."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        check = services.check_ray(f"http://127.0.0.1:{server.getsockname()[1]}")
    assert check.status == "ok"
    assert "job server" in check.summary


@pytest.fixture
def ray_head() -> Iterator[str]:
    """The address of a cluster of one node with 2 CPUs, in its own processes and folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")  # Ray's sockets need a short path
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"]
    command += ["--num-cpus=2", "--num-gpus=0", "--include-dashboard=false", "--node-ip-address=127.0.0.1"]
    command += [f"--temp-dir={folder}", "--object-store-memory=80000000", "--disable-usage-stats"]
    environment = os.environ | {"RAY_AUTH_MODE": "disabled"}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        ready = Path(folder, "ray_current_cluster")  # written when all of the head's processes are up
        while process.poll() is None and not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert ready.exists(), "ray start did not become ready"
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()  # with --block it ends its children
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(90)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_resources_of_a_cluster(ray_head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes, CPUs and GPUs of a real cluster; this process itself never connects."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setattr(services, "_RAY_S", 120.0)  # other tests may keep every core busy
    connected = ray.is_initialized()
    check = services.check_ray(ray_head)
    assert check.status == "ok", check
    assert {name: check.data[name] for name in ("nodes", "cpus", "gpus")} == {"nodes": 1, "cpus": 2.0, "gpus": 0.0}
    assert f"niceness {check.data['niceness']}" in check.summary
    assert ray.is_initialized() == connected


@pytest.mark.parametrize(
    ("environment", "address", "status", "words"),
    [
        ({}, None, "ok", "a token of its own"),
        ({"RAY_AUTH_MODE": "disabled"}, "local", "ok", "a token of its own"),
        ({}, "head:6379", "warn", "RAY_AUTH_MODE is not set"),
        ({"RAY_AUTH_MODE": "disabled"}, "head:6379", "warn", "disabled"),
        ({"RAY_AUTH_MODE": "token"}, "head:6379", "warn", "token not found"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": CANARY}, "head:6379", "ok", "from RAY_AUTH_TOKEN"),
    ],
)
def test_a_cluster_without_a_token_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], address: str | None, status: str, words: str
) -> None:
    """Anybody who reaches an open cluster can run code on it; a local Ray always has a token."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    check = services.check_ray_auth(address)
    assert check.status == status, check
    assert words in check.summary
    assert CANARY not in f"{check}"


def test_a_token_that_others_can_read_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ray writes its token file readable by all; the remedy is the command that fixes it."""
    file = tmp_path / "home" / ".ray" / "auth_token"
    file.parent.mkdir(parents=True)
    file.write_text(CANARY)
    file.chmod(0o644)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    check = services.check_ray_auth("head:6379")
    assert (check.status, check.remedy) == ("warn", f"chmod 600 {file}")
    file.chmod(0o600)
    assert services.check_ray_auth("head:6379").status == "ok"
    assert CANARY not in f"{check}"
