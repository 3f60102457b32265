"""Shared fixtures of the backbone tests, created once per session."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tests.backbones.reference import rule_state
from wsvad.backbones.i3d import InceptionI3d
from wsvad.backbones.untrained import moving_textures
from wsvad.backbones.weights import Weights, random_weights


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Run PyTorch on one thread, like workers do; several threads are slow while other tests use the processor."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def untrained() -> Weights:
    """Weights of an untrained network, seed 0."""
    return random_weights(0)


@pytest.fixture(scope="session")
def rule_model() -> InceptionI3d:
    """The plain model with the weights behind the reference values."""
    model = InceptionI3d().eval().requires_grad_(False)
    model.load_state_dict(rule_state())
    return model


@pytest.fixture(scope="session")
def clips() -> np.ndarray:
    """Three uint8 clips ``[3, 16, 224, 224, 3]`` that no weights were calibrated on."""
    return np.stack([moving_textures(seed) for seed in (101, 102, 103)])
