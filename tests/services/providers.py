"""Object storage of other providers, on loopback, and the environment by which users of fsspec say how to reach it.

Google's is an emulator from PyPI. Azure's is ``azurite`` (npm), where that is on the PATH.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from gcp_storage_emulator.server import create_server

# the account that azurite makes, the same everywhere; its key is published
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AZURITE = shutil.which("azurite-blob")
PROVIDERS = ["memory", "gs", *(["az"] if AZURITE else [])]


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


def reach(name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say how one provider is reached, as users of fsspec do; it has the bucket ``bucket``."""
    if name == "gs":
        monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
        monkeypatch.setenv("FSSPEC_GS_ENDPOINT_URL", request.getfixturevalue("google"))
    if name == "az":
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", request.getfixturevalue("azure"))
    if name == "memory":
        monkeypatch.setattr(MemoryFileSystem, "store", {})
        monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One scheme after the other."""
    reach(request.param, request, monkeypatch)
    return str(request.param)
