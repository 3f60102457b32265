"""The planted data set that most tests of training use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.training.factories import Planted, plant, planted_records


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Eighteen training and six test videos, pooled features and cuboids."""
    return plant(tmp_path_factory.mktemp("planted"), planted_records(), cuboids=True)


@pytest.fixture(autouse=True)
def cache_in_tests_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep segment caches in a folder of the tests, and restore the number of torch threads."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.getbasetemp()))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    torch.set_num_threads(threads)
