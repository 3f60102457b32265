"""Publication of finished units while others still run."""

from itertools import pairwise

import pytest

from wsvad.errors import ConflictError, StoreUnavailable
from wsvad.work import periodic_publish
from wsvad.work.periodic_publish import PeriodicPublisher


def _times(monkeypatch, seconds, publish=None):
    """Return the times of publication for receipts at these seconds."""
    now = [0.0]
    published = []
    monkeypatch.setattr(periodic_publish.time, "monotonic", lambda: now[0])
    maybe = PeriodicPublisher(lambda: (published.append(now[0]), publish and publish()))
    for now[0] in seconds:
        maybe()
    return published


def test_first_after_ten_minutes_then_a_tenth_of_the_run_at_least_every_six_hours(monkeypatch):
    """A short run publishes only at its end; ten days have 121 snapshots instead of 1440."""
    minute, day = 60.0, 86400.0
    assert _times(monkeypatch, [1.0, 599.0]) == []
    assert _times(monkeypatch, [599.0, 601.0, 700.0, 1150.0, 1201.0]) == [601.0, 1201.0]
    long = _times(monkeypatch, [i * minute for i in range(10 * 1440)])
    assert 60 < len(long) < 125
    assert max(b - a for a, b in pairwise(long)) <= 6 * 3600 + minute
    assert long[-1] > 9.7 * day


def test_a_failed_publication_is_retried_later(monkeypatch):
    """A failing store does not end the run, but a conflict with another run does."""

    def fail(error):
        raise error

    assert _times(monkeypatch, [700.0, 1400.0], lambda: fail(StoreUnavailable("503"))) == [700.0, 1400.0]
    with pytest.raises(ConflictError):
        _times(monkeypatch, [700.0], lambda: fail(ConflictError("ids")))
