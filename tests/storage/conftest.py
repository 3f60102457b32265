"""The two places that every promise of a store is tested in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.moto_server import MotoServer
from tests.services.providers import azure, google, provider
from tests.storage.test_secrets import echoing_url
from wsvad.storage import Store, StoreOptions, open_store

__all__ = ["azure", "echoing_url", "google", "place", "provider", "store"]


@dataclass
class Place:
    """Somewhere to open stores below."""

    kind: str
    uri: str
    endpoint_url: str | None

    def open(self, below: str = "", *, conditional_writes: bool = True) -> Store:
        options = StoreOptions(endpoint_url=self.endpoint_url, conditional_writes=conditional_writes)
        return open_store(f"{self.uri}/{below}", options)


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty folder, then an empty bucket."""
    if request.param == "local":
        return Place("local", str(tmp_path / "root"), None)
    bucket = request.getfixturevalue("s3_bucket")
    server: MotoServer = request.getfixturevalue("moto_server")
    return Place("s3", f"s3://{bucket}", server.url)


@pytest.fixture
def store(place: Place) -> Store:
    """An empty store in ``place``."""
    return place.open("data")
