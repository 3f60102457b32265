"""The web server, and a machine without weights or proxies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weights.server import Behaviour, WebServer


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy of the machine is asked, and no folder of the user's is touched."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WSVAD_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server that serves nothing yet."""
    with WebServer(Behaviour()).running() as server:
        yield server
