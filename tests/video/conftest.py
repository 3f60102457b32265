"""Fixtures of the video tests."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.video.corpus import ExpectedOutcome, make_corpus
from tests.video.synthetic import CLOSED_GOP, Recipe, make_video
from wsvad.video import VideoReader


@dataclass
class Canary:
    """A loopback server that must not receive any request."""

    url: str
    calls: list[str] = field(default_factory=list)


@dataclass
class Corpus:
    """The corpus on disk."""

    folder: Path
    expected: dict[str, ExpectedOutcome]


@pytest.fixture(scope="session")
def canary() -> Iterator[Canary]:
    """An HTTP server that records every request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.calls.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Do nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Canary(f"http://127.0.0.1:{server.server_port}/canary")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Corpus:
    """Every damaged and unusual file, written once per session."""
    folder = tmp_path_factory.mktemp("corpus")
    return Corpus(folder, make_corpus(folder, canary.url))


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good video of 400 frames at 5 frames/s with B-frames and three seek points."""
    return make_video(tmp_path_factory.mktemp("video") / "good.mp4", Recipe(options=CLOSED_GOP))


@pytest.fixture
def reader() -> Iterator[VideoReader]:
    """A reader with the default limits."""
    with VideoReader() as reader:
        yield reader
