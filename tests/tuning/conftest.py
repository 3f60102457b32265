"""Fixtures shared by the tests of sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.training.factories import Planted
from tests.tuning.sweeps import plant_sweep, sweep_command
from wsvad.cli import main


@pytest.fixture(scope="session")
def planted_sweep(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Eighteen training, twelve validation and six test videos."""
    return plant_sweep(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="session")
def swept(planted_sweep: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep; tests only read it."""
    out = tmp_path_factory.mktemp("swept") / "out"
    assert main(sweep_command(planted_sweep, str(out), "--no-ray")) == 0
    return out


@pytest.fixture(autouse=True)
def cache_in_tests_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use a cache in a folder of the tests, and restore torch's number of threads."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.getbasetemp()))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    torch.set_num_threads(threads)
