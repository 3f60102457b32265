"""Fixtures: a web server, and an environment without weights or proxies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weights.server import Behaviour, WebServer


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove proxy settings, and use an empty weights folder instead of the user's."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WSVAD_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server without content."""
    with WebServer(Behaviour()).running() as server:
        yield server
