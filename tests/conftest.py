"""Fixtures that every test may ask for."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# An example may take long on a busy machine, which says nothing of the code.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")

pytest_plugins = ["tests.services.fixtures"]


@pytest.fixture(autouse=True)
def _signals_are_given_back() -> Iterator[None]:
    """Handlers of the command that a test leaves behind would fail another one, much later, or end the whole run."""
    yield
    for number in (signal.SIGINT, signal.SIGTERM):
        assert getattr(signal.getsignal(number), "__module__", None) != "wsvad.signals"
