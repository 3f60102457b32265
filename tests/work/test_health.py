"""A store that stays broken is told from objects that fail."""

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
    """Waiting costs nothing, and is counted as time."""
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s))
    monkeypatch.setattr(health, "time", clock)
    monkeypatch.setattr(rounds, "time", clock)


def _run(tmp_path, kinds, *, unreadable=(), error=StoreUnavailable, break_out=False):
    """Run units of which some fail with a kind; return receipts, tries, and what ended the run."""
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
def test_objects_that_fail_while_the_stores_work_end_nothing(tmp_path, kind, tries, failing):
    """The others are done; what is denied is not tried again, what else a store refuses once more."""
    receipts, tried, ended = _run(tmp_path, dict.fromkeys(failing, kind), unreadable=failing)
    assert ended is None
    assert receipts == {u: "failed" if u in failing else "done" for u in ALL}
    assert {tried[u] for u in failing} == {tries}
    assert {tried[u] for u in ALL if u not in failing} == {1}


@pytest.mark.parametrize("error", [AccessDenied, StoreUnavailable])
def test_a_source_that_nothing_can_be_read_from_ends_the_run(tmp_path, error):
    """At the first failure, not after each unit failed in turn; what was done before is kept."""
    kinds = dict.fromkeys(ALL[2:], error.__name__)
    receipts, tried, ended = _run(tmp_path, kinds, unreadable=ALL, error=error)
    assert (ended, receipts, tried.total()) == (error, {"u0": "done", "u1": "done"}, 3)


def test_a_target_that_cannot_be_written_ends_the_run(tmp_path):
    """The first failure is reason enough to try."""
    receipts, tried, ended = _run(tmp_path, {"u0": "StoreUnavailable"}, break_out=True)
    assert (receipts, tried.total()) == ({}, 1)
    assert issubclass(ended, StorageError)


def test_a_full_store_ends_the_run_without_another_look(tmp_path):
    """There may be room for something small."""
    receipts, tried, ended = _run(tmp_path, {"u1": "StoreFull"})
    assert (ended, receipts, tried.total()) == (StoreFull, {"u0": "done"}, 2)


def test_a_store_that_comes_back_within_some_seconds_is_waited_for(tmp_path):
    """Every retry of a request was spent already; it gets 10 s more."""
    looks = Counter()

    def look(unit):
        looks["n"] += 1
        if looks["n"] <= 16:
            raise StoreUnavailable("503")

    units = [SimpleNamespace(unit_id=u) for u in ALL]
    StoreHealth(open_store(str(tmp_path / "out")), units, look).check()
    assert looks["n"] == 24


@pytest.mark.parametrize("error", [ObjectNotFound("gone"), ObjectChanged("changed")])
def test_a_store_that_says_that_an_object_is_gone_or_changed_works(error):
    """The object is another one's concern."""

    def look():
        raise error

    assert check_readable([look]) is None
    assert isinstance(check_readable([_denied]), AccessDenied)


def _denied():
    raise AccessDenied("no")
