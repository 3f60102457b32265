"""The services themselves: what other tests lean on."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.services.fault_proxy import Fault, FaultProxy, Rule
from tests.services.moto_server import MotoServer

REPOSITORY = Path(__file__).resolve().parents[2]


def request(url: str, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """One request on its own connection."""
    # the server reads for anybody who shows credentials, whatever they are
    shown = {"Authorization": "AWS4-HMAC-SHA256 Credential=test-key/20260101/us-east-1/s3/aws4_request"}
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request(method, path, body, shown)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def test_each_fault_does_what_it_says(s3_bucket: str, moto_server: MotoServer, fault_proxy: FaultProxy) -> None:
    """Seen with a bare HTTP client: which faults reach the server, and what the client gets."""
    path = f"/{s3_bucket}/k"
    answers = {Fault.SLOW_DOWN: 503, Fault.REFUSE: 501, Fault.FORBID: 405}
    answers |= {Fault.DENY: 403, Fault.EXPIRE: 400, Fault.FULL: 507}
    fault_proxy.add(*(Rule(fault) for fault in (*answers, Fault.RESET, Fault.LOST_REPLY)))
    for status in answers.values():
        assert request(fault_proxy.url, "PUT", path, b"first")[0] == status
    with pytest.raises(ConnectionResetError):
        request(fault_proxy.url, "PUT", path, b"third")
    assert request(moto_server.url, "GET", path)[0] == 404
    with pytest.raises(ConnectionResetError):
        request(fault_proxy.url, "PUT", path, b"fourth")
    assert request(moto_server.url, "GET", path) == (200, b"fourth")

    fault_proxy.add(Rule(Fault.TRUNCATE), Rule(Fault.TRICKLE, trickle_s=0.2))
    with pytest.raises(http.client.IncompleteRead) as caught:
        request(fault_proxy.url, "GET", path)
    assert caught.value.partial == b"fou"
    started = time.monotonic()
    assert request(fault_proxy.url, "GET", path) == (200, b"fourth")
    assert time.monotonic() - started > 0.03
    assert request(fault_proxy.url, "GET", path) == (200, b"fourth")
    assert dict(fault_proxy.injected) == dict.fromkeys(Fault, 1)


def test_rules_select_requests(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    """Method, path, ``after`` and ``times`` decide which requests a rule befalls; ``clear`` ends it."""
    fault_proxy.add(Rule(Fault.SLOW_DOWN, method="GET", path="/k", after=1, times=2))
    assert request(fault_proxy.url, "PUT", f"/{s3_bucket}/k", b"x")[0] == 200
    assert request(fault_proxy.url, "GET", f"/{s3_bucket}/other")[0] == 404
    assert [request(fault_proxy.url, "GET", f"/{s3_bucket}/k")[0] for _ in range(4)] == [200, 503, 503, 200]
    fault_proxy.add(Rule(Fault.SLOW_DOWN, times=None))
    assert request(fault_proxy.url, "GET", f"/{s3_bucket}/k")[0] == 503
    fault_proxy.clear()
    assert request(fault_proxy.url, "GET", f"/{s3_bucket}/k")[0] == 200
    assert fault_proxy.injected[Fault.SLOW_DOWN] == 3
    assert fault_proxy.requests == {"PUT": 1, "GET": 7}


def test_probabilities_come_from_the_seed(moto_server: MotoServer) -> None:
    """The same seed does the same harm to the same requests, another seed other harm."""

    def weather(seed: int) -> list[int]:
        with FaultProxy(moto_server.url, seed=seed) as proxy:
            proxy.add(Rule(Fault.SLOW_DOWN, times=None, probability=0.5))
            return [request(proxy.url, "GET", "/")[0] for _ in range(20)]

    assert weather(1) == weather(1)
    assert weather(1) != weather(2)
    assert set(weather(1)) == {200, 503}


def test_the_server_ends_with_its_parent() -> None:
    """A test run that is killed leaves no server behind."""
    program = (
        "from tests.services.moto_server import MotoServer\n"
        "import os, signal\n"
        "print(MotoServer().start().pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, timeout=60, check=False)
    server = int(done.stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and is_alive(server):
        time.sleep(0.05)
    assert not is_alive(server)


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie that nobody reaps does not)."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
