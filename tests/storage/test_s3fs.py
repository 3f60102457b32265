"""Effects of s3fs: fsspec's configuration, and an event loop that must not disturb exit or signals."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import fsspec.config
import pytest

from tests.services.fault_proxy import Fault, FaultProxy, Rule
from tests.services.moto_server import CREDENTIALS, MotoServer
from wsvad.doctor.services import check_credentials
from wsvad.errors import AccessDenied, UsageError
from wsvad.storage import Created, StoreOptions, open_store

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def only_fsspec(s3_bucket: str, moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a bucket that can be reached only through fsspec's configuration."""
    for name in CREDENTIALS:
        if "KEY" in name:
            monkeypatch.delenv(name)
    assert "s3" not in fsspec.config.conf  # it was imported before, and keeps what it finds then
    monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", moto_server.url)
    monkeypatch.setenv("FSSPEC_S3_KEY", "test-key")
    monkeypatch.setenv("FSSPEC_S3_SECRET", "test-secret")
    return f"s3://{s3_bucket}"


def test_fsspec_configures_endpoint_and_credentials(only_fsspec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By ``FSSPEC_S3_*`` as set when a store connects; the doctor reports it."""
    store = open_store(only_fsspec)
    assert store.create("k", b"x") is Created.NEW
    assert store.read("k") == b"x"
    assert check_credentials(StoreOptions()).status == "ok"
    monkeypatch.delenv("FSSPEC_S3_KEY")
    monkeypatch.delenv("FSSPEC_S3_SECRET")
    with pytest.raises(AccessDenied, match="no usable AWS credentials"):
        store.read("k")
    assert check_credentials(StoreOptions()).status == "fail"


def test_options_override_fsspec(only_fsspec: str, moto_server: MotoServer, fault_proxy: FaultProxy) -> None:
    """An explicit endpoint and unsigned requests, whatever is configured."""
    store = open_store(only_fsspec, StoreOptions(endpoint_url=fault_proxy.url))
    store.replace("k", b"x")
    assert fault_proxy.requests == {"PUT": 1}
    with pytest.raises(AccessDenied, match="leave out --s3-anonymous"):
        open_store(only_fsspec, StoreOptions(anonymous=True)).read("k")


def test_fsspec_configures_unsigned_requests(
    only_fsspec: str, monkeypatch: pytest.MonkeyPatch, fault_proxy: FaultProxy
) -> None:
    """A signed request would be refused; the doctor reports that no credentials are used, and why."""
    fault_proxy.add(Rule(Fault.DENY, header="Authorization", times=None))
    options = StoreOptions(endpoint_url=fault_proxy.url)
    with pytest.raises(AccessDenied, match="check the credentials"):
        open_store(only_fsspec, options).replace("k", b"x")
    monkeypatch.setenv("FSSPEC_S3", '{"anon": true}')
    open_store(only_fsspec, options).replace("k", b"x")
    check = check_credentials(options)
    assert (check.status, check.data["anonymous"]) == ("ok", True)


def test_fsspec_configures_a_profile(only_fsspec: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of the AWS files; a missing one is a usage error, and our option overrides it."""
    for name in ("KEY", "SECRET"):
        monkeypatch.delenv(f"FSSPEC_S3_{name}")
    (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("FSSPEC_S3_PROFILE", "lab")
    open_store(only_fsspec).replace("k", b"x")
    assert check_credentials(StoreOptions()).data["profile"] == "lab"
    monkeypatch.setenv("FSSPEC_S3_PROFILE", "nobody")
    with pytest.raises(UsageError, match="check the profile"):
        open_store(only_fsspec).read("k")
    assert open_store(only_fsspec, StoreOptions(profile="lab")).read("k") == b"x"


@pytest.mark.parametrize("value", ["http://user:canary@127.0.0.1:1", "http://127.0.0.1:1/?sig=canary", "canary"])
def test_an_endpoint_of_fsspec_is_not_shown(only_fsspec: str, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """It is validated like any other."""
    monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", value)
    with pytest.raises(UsageError) as caught:
        open_store(only_fsspec).read("k")
    assert "user:canary" not in "".join(traceback.format_exception(caught.value))
    assert "canary" not in str(caught.value)


def test_unknown_settings_of_s3fs_are_a_usage_error(only_fsspec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a traceback."""
    monkeypatch.setenv("FSSPEC_S3_NO_SUCH_SETTING", "canary")
    with pytest.raises(UsageError, match="fsspec's configuration"):
        open_store(only_fsspec).read("k")


@pytest.mark.parametrize("settings", ['{"key": 5, "secret": "canary"}', '{"key": "k", "secret": 123454321}'])
def test_a_number_in_place_of_a_key_is_a_usage_error(
    only_fsspec: str, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    """As a file of fsspec may have it; no traceback, no secret, and the doctor reports it."""
    for name in ("KEY", "SECRET"):
        monkeypatch.delenv(f"FSSPEC_S3_{name}")
    monkeypatch.setenv("FSSPEC_S3", settings)
    with pytest.raises(UsageError, match="fsspec's configuration") as caught:
        open_store(only_fsspec).read("k")
    said = "".join(traceback.format_exception(caught.value)) + str(check_credentials(StoreOptions()))
    assert "canary" not in said
    assert "12345" not in said


def test_an_invalid_region_is_a_usage_error(s3_bucket: str, moto_server: MotoServer) -> None:
    """A retry cannot help."""
    with pytest.raises(UsageError, match="--s3-region"):
        open_store(f"s3://{s3_bucket}", StoreOptions(endpoint_url=moto_server.url, region="x y")).read("k")


class Stopped(Exception):
    """Raised by a signal handler."""


def test_a_signal_ends_the_wait(s3_bucket: str, moto_server: MotoServer, fault_proxy: FaultProxy) -> None:
    """A request that waits for a slow reply is interrupted immediately and cancelled."""
    moto_server.client.put_object(Bucket=s3_bucket, Key="k", Body=bytes(100_000))
    store = open_store(f"s3://{s3_bucket}", StoreOptions(endpoint_url=fault_proxy.url))
    assert store.stat("k").size == 100_000
    fault_proxy.add(Rule(Fault.TRICKLE, trickle_s=30.0))

    def stop(number: int, frame: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGUSR1, stop)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGUSR1))
    started = time.monotonic()
    try:
        timer.start()
        with pytest.raises(Stopped):
            store.read("k")
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert time.monotonic() - started < 20
    assert store.stat("k").size == 100_000


ENDING = """
import os, sys
from wsvad.storage import StoreOptions, open_store
store = open_store(sys.argv[1], StoreOptions(endpoint_url=sys.argv[2]))
store.create("k", b"x")
child = os.fork()
if child:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(code, store.read("k"))
else:
    print(store.read("k"), flush=True)
# both end as any program does: what is open is closed by whoever opened it
"""


def test_programs_end_without_warnings(s3_bucket: str, moto_server: MotoServer) -> None:
    """Parent and forked child close everything; the child does not close what the parent uses."""
    command = [sys.executable, "-W", "error", "-c", ENDING, f"s3://{s3_bucket}", moto_server.url]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "b'x'\n0 b'x'\n", "")


class Reserved(BaseHTTPRequestHandler):
    """A store or proxy that never answers ``Expect: 100-continue``, and may refuse a request by its headers."""

    protocol_version = "HTTP/1.1"
    refuses = False

    def handle_expect_100(self) -> bool:
        return True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        if self.refuses:
            body = b"<Error><Code>AccessDenied</Code></Error>"
            self.close_connection = True
        else:
            body, expected = b"", int(self.headers["Content-Length"])
            assert len(self.rfile.read(expected)) == expected
        self.send_response_only(403 if self.refuses else 200)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def reserved_url(aws_environment: None) -> Iterator[str]:
    """URL of that store."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Reserved) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("size", [10, 300_000, 5_000_000])
def test_a_store_without_100_continue_is_written(reserved_url: str, size: int) -> None:
    """After a second the body is sent anyway, as HTTP allows, without waiting for a timeout."""
    started = time.monotonic()
    store = open_store("s3://bucket", StoreOptions(endpoint_url=reserved_url, max_attempts=1))
    assert store.create("k", bytes(size)) is Created.NEW
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("size", [10, 300_000, 20_000_000])
def test_a_refusal_before_the_body_is_reported(reserved_url: str, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """A store that answers after the headers and disconnects is not mistaken for a broken connection."""
    monkeypatch.setattr(Reserved, "refuses", True)
    store = open_store("s3://bucket", StoreOptions(endpoint_url=reserved_url, max_attempts=1))
    for _ in range(10):
        with pytest.raises(AccessDenied, match="403 AccessDenied"):
            store.create("k", bytes(size))


class Elsewhere(BaseHTTPRequestHandler):
    """A store whose bucket is in another region than the one for which requests are signed."""

    protocol_version = "HTTP/1.1"
    lengths: ClassVar[list[int]] = []

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        self.lengths.append(len(self.rfile.read(int(self.headers["Content-Length"]))))
        right = "/eu-west-1/s3/" in self.headers["Authorization"]
        body = b"" if right else b"<Error><Code>PermanentRedirect</Code><Region>eu-west-1</Region></Error>"
        self.send_response_only(200 if right else 301)
        self.send_header("x-amz-bucket-region", "eu-west-1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize("size", [10, 5_000_000])
def test_a_body_is_resent_to_the_correct_region(aws_environment: None, size: int) -> None:
    """By botocore itself; the second request has the whole body, too."""
    Elsewhere.lengths.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        store = open_store("s3://bucket", StoreOptions(endpoint_url=url, max_attempts=1))
        try:
            assert store.create("k", bytes(size)) is Created.NEW
        finally:
            server.shutdown()
    assert Elsewhere.lengths == [size, size]


WRITER = """
import hashlib, sys
from wsvad.storage import StoreOptions, open_store
store = open_store(sys.argv[1], StoreOptions(endpoint_url=sys.argv[2]))
store.delete("connected")
print("ready", flush=True)
for number in range(1000):
    size = 300_000 if number % 2 else 3_000
    store.create(f"{number:03}", hashlib.sha256(str(number).encode()).digest() * size)
    store.replace("newest", hashlib.sha256(b"newest").digest() * size)
"""


def test_killed_writers_leave_intact_objects(s3_bucket: str, moto_server: MotoServer) -> None:
    """After six rounds of two killed writers of the same keys, every object is intact, and a third one continues."""
    uri = f"s3://{s3_bucket}/data"
    store, moments, seen = open_store(uri, StoreOptions(endpoint_url=moto_server.url)), random.Random(7), 0
    for _ in range(6):
        command = [sys.executable, "-c", WRITER, uri, moto_server.url]
        writers = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) for _ in range(2)]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        for writer in writers:
            time.sleep(moments.uniform(0, 0.5))
            writer.send_signal(signal.SIGKILL)
        for writer in writers:
            writer.communicate()
        for info in store.list():
            name = info.key if info.key == "newest" else str(int(info.key))
            sizes = (3_000, 300_000) if info.key == "newest" else ((300_000,) if int(name) % 2 else (3_000,))
            data, digest = store.read(info.key), hashlib.sha256(name.encode()).digest()
            assert data in [digest * size for size in sizes]
            seen += 1
        assert store.create("000", hashlib.sha256(b"0").digest() * 3_000) in (Created.NEW, Created.SAME)
    assert seen > 6, "no writer wrote anything, so the test proves nothing"
