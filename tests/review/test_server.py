"""The server command in its own process: shutdown, and state after a kill."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.extraction.harness import REPO, run_here, until
from tests.review.live_server import Browser
from tests.review.test_app import record
from wsvad.storage import open_store

Serve = Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]


@pytest.fixture
def root(site: Path, tmp_path: Path) -> str:
    """A copy of the root of a nightly job."""
    return str(shutil.copytree(site / "root", tmp_path / "root"))


@pytest.fixture
def serve(root: str) -> Iterator[Serve]:
    """Start the command; return its process and its first output."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        command = [sys.executable, "-m", "wsvad", "review", "--root", root, "--serve", "--port", "0", "--json", *words]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, cwd=REPO, env={**os.environ, "PYTHONPATH": str(REPO)}, **pipes)
        started.append(process)
        assert process.stdout
        return process, json.loads(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def browser(started: dict[str, Any], name: str) -> Browser:
    """Open a reviewer's link."""
    link = urlsplit(started["links"][name])
    opened = Browser(link.port or 0)
    answer = opened.get(f"/?{link.query}")
    opened.cookie = answer.headers["set-cookie"].partition(";")[0]
    return opened


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_all_processes(serve: Serve, number: signal.Signals) -> None:
    """Even with an open connection and pictures in progress; no token is logged."""
    process, started = serve("--reviewer", "ann", "--reviewer", "bob", "--verbose")
    ann = browser(started, "ann")
    assert ann.get("/").status == 200
    idle = http.client.HTTPConnection("127.0.0.1", ann.port)
    idle.connect()
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, log = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert not psutil.wait_procs(children, timeout=5)[1]
    idle.close()
    for link in started["links"].values():
        assert urlsplit(link).query.removeprefix("token=") not in log


def test_signal_during_a_waiting_request(serve: Serve) -> None:
    """The decoder is stopped, so the waiting request ends too."""
    process, started = serve("--reviewer", "ann", "--prepare", "0")
    ann = browser(started, "ann")
    event = ann.get("/api/review").json["events"][0]
    waiting = threading.Thread(target=lambda: suppressed(ann, event["id"]))
    server = psutil.Process(process.pid)
    waiting.start()
    until(lambda: server.children(), every=0.001)
    (decoder,) = server.children()
    decoder.suspend()
    time.sleep(0.3)
    began = time.monotonic()
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - began < 10
    assert not psutil.wait_procs([decoder], timeout=5)[1]
    waiting.join()


def suppressed(opened: Browser, event_id: str) -> None:
    """Request pictures from a server that may end meanwhile."""
    with contextlib.suppress(http.client.HTTPException, OSError):
        opened.post("/api/clip", {"event_id": event_id})


def test_acknowledged_records_survive_a_kill(serve: Serve, root: str) -> None:
    """SIGKILL during posts: every record with a 201 is stored, and a second start continues."""
    process, started = serve("--reviewer", "ann")
    ann = browser(started, "ann")
    shown = ann.get("/api/review").json
    acknowledged = []
    for n in range(20):
        answer = ann.post("/api/verdicts", record(shown, shown["events"][n % 3], "true", note=f"{n}"))
        assert answer.status == 201
        acknowledged.append(answer.json)
    process.kill()
    process.communicate()
    stored = {info.key for info in open_store(root).list("verdicts/")}
    assert stored >= {f"verdicts/{v['verdict_id']}.json" for v in acknowledged}
    _, again = serve("--reviewer", "ann")
    ann = browser(again, "ann")
    found = ann.get("/api/verdicts?since=20000").json
    assert {v["verdict_id"] for v in found["verdicts"]} == {v["verdict_id"] for v in acknowledged}
    last = acknowledged[18]
    same = next(e for e in ann.get("/api/review").json["events"] if e["id"] == last["event_id"])
    assert same["verdict"] == last
    assert ann.post("/api/verdicts", acknowledged[0]).status == 200
    fresh = record(shown, shown["events"][0], "false", verdict_id=str(uuid.uuid4()))
    assert ann.post("/api/verdicts", fresh).status == 201


def test_refused_server_options(capsys: Any, root: str, tmp_path: Path, caplog: Any) -> None:
    """Other addresses without a token file, data sets, a used port: nothing is bound."""
    words = ("review", "--root", root, "--serve")
    assert run_here(capsys, *words, "--host", "0.0.0.0")[0] == 2
    assert "--token-file" in caplog.text
    assert run_here(capsys, *words, "--out", str(tmp_path / "x"))[0] == 2
    assert run_here(capsys, *words, "--port", "70000")[0] == 2
    assert run_here(capsys, *words, "--reviewer", "a\nb")[0] == 2
    assert run_here(capsys, *words, "--host", "192.0.2.1", "--token-file", str(tmp_path / "absent"))[0] == 2
    events, scores = (next((Path(root) / part).iterdir()) for part in ("events", "scores"))
    assert run_here(capsys, "review", "--events", str(events), "--scores", str(scores), "--serve")[0] == 2
