"""Fixtures for all tests."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# An example may be slow on a busy machine.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")

pytest_plugins = ["tests.services.fixtures"]


@pytest.fixture(autouse=True)
def _signals_are_restored() -> Iterator[None]:
    """Handlers that a test leaves installed would fail a later test, or end the whole run."""
    yield
    for number in (signal.SIGINT, signal.SIGTERM):
        assert getattr(signal.getsignal(number), "__module__", None) != "wsvad.signals"
