"""Fixtures of scoring: features of a few videos, and a single thread as in workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.features.factories import random_videos, write_features

LENGTHS = {"long": 60, "short": 3, "gappy": 7, "none": 0, "one": 1}
GAPS = {"gappy": [0, 1, 4, 5, 6, 9, 12]}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread, as workers do: with other numbers of threads sums may round differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def arrays() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return features of two crops by video: pooled ``[T, 2, 8]`` and cuboids ``[T, 2, 4, 6]``."""
    pooled, cuboids = random_videos(LENGTHS, views=2, cuboid_shape=(4, 6))
    assert cuboids is not None
    return pooled, cuboids


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory, arrays) -> str:
    """Publish them, the long video in seven objects, and one video without clips. The data set must not be modified."""
    folder: Path = tmp_path_factory.mktemp("features")
    return write_features(folder, *arrays, clips=GAPS, clips_per_unit=9)
