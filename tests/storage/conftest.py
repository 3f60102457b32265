"""The two locations on which the contract of stores is tested: a folder and a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.moto_server import MotoServer
from tests.services.providers import azure, google, provider
from tests.storage.test_secrets import echoing_url
from wsvad.storage import Store, StoreOptions, open_store

__all__ = ["azure", "echoing_url", "google", "location", "provider", "store"]


@dataclass
class Location:
    """A location to open stores in."""

    kind: str
    uri: str
    endpoint_url: str | None

    def open(self, below: str = "", *, conditional_writes: bool = True) -> Store:
        options = StoreOptions(endpoint_url=self.endpoint_url, conditional_writes=conditional_writes)
        return open_store(f"{self.uri}/{below}", options)


@pytest.fixture(params=["local", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """An empty folder, then an empty bucket."""
    if request.param == "local":
        return Location("local", str(tmp_path / "root"), None)
    bucket = request.getfixturevalue("s3_bucket")
    server: MotoServer = request.getfixturevalue("moto_server")
    return Location("s3", f"s3://{bucket}", server.url)


@pytest.fixture
def store(location: Location) -> Store:
    """An empty store at ``location``."""
    return location.open("data")
