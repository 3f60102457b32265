"""pytest fixtures around the services; ``tests/conftest.py`` loads them for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.services.fault_proxy import FaultProxy
from tests.services.moto_server import CREDENTIALS, MotoServer


@pytest.fixture(scope="session")
def moto_server() -> Iterator[MotoServer]:
    """One S3 server for all tests; every test makes its own bucket."""
    with MotoServer() as server:
        yield server


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS environment with the server's credentials and nothing of the machine's own; children inherit it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture
def s3_bucket(moto_server: MotoServer, aws_environment: None) -> str:
    """A fresh bucket on ``moto_server``, in an environment that may use it."""
    return moto_server.make_bucket()


@pytest.fixture
def fault_proxy(moto_server: MotoServer) -> Iterator[FaultProxy]:
    """A proxy in front of ``moto_server`` that does no harm until it is given rules."""
    with FaultProxy(moto_server.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A small Ray whose workers may use the tests' S3; commands that run in this process use it."""
    from wsvad.work.ray_connection import local_ray  # seconds that tests without Ray need not wait

    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        running = local_ray(2, log_to_driver=False, logging_level="ERROR")
        running.__enter__()
    yield
    running.__exit__(None, None, None)
