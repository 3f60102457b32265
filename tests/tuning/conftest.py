"""The data set that tests of sweeps share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.training.factories import Planted
from tests.tuning.making import plant_sweep, words_of
from wsvad.cli import main


@pytest.fixture(scope="session")
def planted_sweep(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Eighteen training, twelve validation and six test videos."""
    return plant_sweep(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="session")
def swept(planted_sweep: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep; tests only read it."""
    out = tmp_path_factory.mktemp("swept") / "out"
    assert main(words_of(planted_sweep, str(out), "--no-ray")) == 0
    return out


@pytest.fixture(autouse=True)
def cache_in_tests_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Caches in a folder of the tests; and the threads of torch as they were."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.getbasetemp()))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    torch.set_num_threads(threads)
