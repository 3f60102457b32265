"""Object storage of other providers, on loopback, and the environment by which users of fsspec say how to reach it.

Google's is an emulator from PyPI. Azure's is ``azurite`` (npm), where that is on the PATH.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import known_implementations
from gcp_storage_emulator.server import create_server

# the account that azurite makes, the same everywhere; its key is published
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AZURITE = shutil.which("azurite-blob")
PROVIDERS = ["memory", "shelf", "gs", *(["az"] if AZURITE else [])]


class Shelf(LocalFileSystem):
    """Folders of another machine, as ``sftp://HOST/FOLDER`` or ``hdfs://HOST/FOLDER`` are; this one's, for tests."""

    protocol = "shelf"

    def __init__(self, host: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if host != "bucket":
            raise ConnectionError(f"nobody has the name {host}")

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return urlsplit(path).path.rstrip("/") if "://" in path else path.rstrip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        return {"host": urlsplit(path).netloc}


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def google() -> Iterator[str]:
    """URL of an emulator in threads of this process, which has one bucket."""
    port = free_port()
    with create_server("127.0.0.1", port, True, "bucket"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Connection string of an azurite that has one container."""
    from azure.storage.blob import BlobServiceClient

    assert AZURITE is not None
    port = free_port()
    folder = tmp_path_factory.mktemp("azurite")
    command = [AZURITE, "--blobPort", str(port), "--location", str(folder), "--silent", "--skipApiVersionCheck"]
    command += ["--disableTelemetry"]  # it would call home
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    words = f"AccountName=devstoreaccount1;AccountKey={AZURITE_KEY}"
    words += f";BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;DefaultEndpointsProtocol=http"
    deadline = time.monotonic() + 60
    while not answers(port) and time.monotonic() < deadline:
        time.sleep(0.2)
    with BlobServiceClient.from_connection_string(words) as client:
        client.create_container("bucket")
    yield words
    process.terminate()
    process.wait()


def reach(name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Say how one provider is reached, as users of fsspec do; return an empty place of its."""
    place = f"{name}://bucket"
    if name == "gs":
        monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
        monkeypatch.setenv("FSSPEC_GS_ENDPOINT_URL", request.getfixturevalue("google"))
    if name == "az":
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", request.getfixturevalue("azure"))
    if name == "shelf":
        place += str(request.getfixturevalue("tmp_path"))
        monkeypatch.setitem(known_implementations, "shelf", {"class": f"{__name__}.Shelf"})
    if name == "memory":
        monkeypatch.setattr(MemoryFileSystem, "store", {})
        monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])
    return f"{place}/{uuid.uuid4().hex}"


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place of one provider after the other."""
    return reach(request.param, request, monkeypatch)
