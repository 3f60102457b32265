"""An unavailable store is distinguished from failures of single objects."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from wsvad.errors import AccessDenied, ObjectChanged, ObjectNotFound, StorageError, StoreFull, StoreUnavailable
from wsvad.storage import open_store
from wsvad.work import health, rounds
from wsvad.work.health import StoreHealth, check_readable
from wsvad.work.receipt import Receipt
from wsvad.work.rounds import run_rounds


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch):
    """Make sleeping free, but count it as elapsed time."""
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s))
    monkeypatch.setattr(health, "time", clock)
    monkeypatch.setattr(rounds, "time", clock)


def _run(tmp_path, kinds, *, unreadable=(), error=StoreUnavailable, break_out=False):
    """Run units, some of which fail with a kind; return receipts, attempts, and the error that ended the run."""
    units = [SimpleNamespace(unit_id=f"u{number}") for number in range(8)]
    out = open_store(str(tmp_path / "out"))
    if break_out:
        (tmp_path / "out").write_bytes(b"a file where the folder should be")
    tries, receipts, ended = Counter(), {}, None

    def execute(batch, alone):
        for unit in batch:
            tries[unit.unit_id] += 1
            kind = kinds.get(unit.unit_id)
            yield Receipt(unit.unit_id, "failed" if kind else "done", kind=kind or "", message="why")

    def look(unit):
        if unit.unit_id in unreadable:
            raise error(f"{unit.unit_id} cannot be read")

    try:
        run_rounds(
            units,
            execute,
            lambda unit, receipt: receipts.__setitem__(unit.unit_id, receipt.status),
            living_nodes=lambda: frozenset({"a"}),
            health=StoreHealth(out, units, look),
        )
    except StorageError as caught:
        ended = type(caught)
    return receipts, tries, ended


ALL = [f"u{number}" for number in range(8)]


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        ("AccessDenied", 1),
        ("UnusablePlace", 1),
        ("StoreUnavailable", 2),
        ("StorageError", 2),
        ("ObjectChanged", 3),
        ("RuntimeError", 3),
    ],
)
@pytest.mark.parametrize("failing", [("u0",), ("u0", "u1", "u2", "u3", "u4")])
def test_failing_objects_do_not_end_a_run(tmp_path, kind, tries, failing):
    """Other units finish; denied units are not retried, other store failures are retried once."""
    receipts, tried, ended = _run(tmp_path, dict.fromkeys(failing, kind), unreadable=failing)
    assert ended is None
    assert receipts == {u: "failed" if u in failing else "done" for u in ALL}
    assert {tried[u] for u in failing} == {tries}
    assert {tried[u] for u in ALL if u not in failing} == {1}


@pytest.mark.parametrize("error", [AccessDenied, StoreUnavailable])
def test_an_unreadable_source_ends_the_run(tmp_path, error):
    """At the first failure instead of after every unit; finished units are kept."""
    kinds = dict.fromkeys(ALL[2:], error.__name__)
    receipts, tried, ended = _run(tmp_path, kinds, unreadable=ALL, error=error)
    assert (ended, receipts, tried.total()) == (error, {"u0": "done", "u1": "done"}, 3)


def test_an_unwritable_target_ends_the_run(tmp_path):
    """The first failure triggers the check."""
    receipts, tried, ended = _run(tmp_path, {"u0": "StoreUnavailable"}, break_out=True)
    assert (receipts, tried.total()) == ({}, 1)
    assert issubclass(ended, StorageError)


def test_a_full_store_ends_the_run_without_a_check(tmp_path):
    """A small probe object might still fit."""
    receipts, tried, ended = _run(tmp_path, {"u1": "StoreFull"})
    assert (ended, receipts, tried.total()) == (StoreFull, {"u0": "done"}, 2)


def test_a_store_that_recovers_within_10_s_is_waited_for(tmp_path):
    """The request had used all its retries already; the store gets 10 s more."""
    looks = Counter()

    def look(unit):
        looks["n"] += 1
        if looks["n"] <= 16:
            raise StoreUnavailable("503")

    units = [SimpleNamespace(unit_id=u) for u in ALL]
    StoreHealth(open_store(str(tmp_path / "out")), units, look).check()
    assert looks["n"] == 24


@pytest.mark.parametrize("error", [ObjectNotFound("gone"), ObjectChanged("changed")])
def test_missing_or_changed_objects_do_not_indicate_an_unavailable_store(error):
    """The store answered."""

    def look():
        raise error

    assert check_readable([look]) is None
    assert isinstance(check_readable([_denied]), AccessDenied)


def _denied():
    raise AccessDenied("no")
