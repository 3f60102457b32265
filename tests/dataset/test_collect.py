"""Garbage collection deletes unreferenced old objects, and nothing that may still be needed."""

import os
import time

import pytest

from tests.dataset.test_snapshots import _publish, _store_units
from tests.extraction.factories import CONFIG, make_index, make_video, unit_bytes
from wsvad.dataset import layout
from wsvad.dataset.collect import Collected, collect
from wsvad.dataset.snapshots import claim_dataset, latest_snapshot
from wsvad.errors import UsageError
from wsvad.extraction.units import plan_units
from wsvad.extraction.worker import receipt_of
from wsvad.storage import open_store
from wsvad.verification.data_set import verify
from wsvad.work.stored import recover_stored_units

DAY = 24 * 3600


@pytest.fixture
def store(tmp_path):
    """An empty local data set."""
    made = open_store(str(tmp_path / "data"))
    claim_dataset(made, CONFIG)
    return made


def _age(store, days, prefix=""):
    """Make everything below a prefix older."""
    for info in store.list(prefix):
        then = time.time_ns() - int(days * DAY * 1e9)
        os.utime(store.uri_of(info.key).removeprefix("file://"), ns=(then, then))


def _keys(store, prefix=""):
    return [info.key for info in store.list(prefix)]


def test_objects_of_replaced_content_are_deleted_with_their_snapshot(store):
    """Of two versions of a video the first is deleted, with its snapshot and list; the second stays intact."""
    old, row = _store_units(store, make_video("a.mp4"))
    first = _publish(store, old, [row])
    _age(store, 30)
    new, row = _store_units(store, make_video("a.mp4", version="2"))
    second = _publish(store, new, [row])
    assert collect(store, grace_hours=24) == Collected(), "the first was the newest until now, so it may still be read"
    _age(store, 2)
    planned = collect(store, grace_hours=24, dry_run=True)
    assert {old[0].key, *first.table_keys, layout.snapshot_key(1)} <= set(_keys(store))
    assert collect(store, grace_hours=24) == planned
    assert (planned.snapshots, planned.objects) == (1, 2)
    left = [layout.DATASET, new[0].key, *second.table_keys, layout.snapshot_key(2)]
    assert sorted(_keys(store)) == sorted(left)
    assert planned.bytes > old[0].bytes
    assert verify(store).exit_code == 0
    assert latest_snapshot(store) == second


def test_old_unreferenced_units_are_deleted(store):
    """Recent ones, which may belong to an active run, are kept."""
    named, row = _store_units(store, make_video("a.mp4"))
    _publish(store, named, [row])
    left, _ = _store_units(store, make_video("left.mp4"))
    _age(store, 9)
    running, _ = _store_units(store, make_video("running.mp4"))
    assert collect(store).objects == 1
    assert set(_keys(store, layout.UNITS)) == {named[0].key, running[0].key}
    assert left[0].key not in _keys(store)


def test_a_recovered_unit_is_rewritten(store):
    """Until it is published, it must not count as an old unreferenced object; its bytes do not change."""
    (unit,) = plan_units(make_video("a.mp4"), make_index(), CONFIG)
    key = layout.unit_key(unit.unit_id)
    store.create(key, unit_bytes(unit))
    _age(store, 30)
    recover_stored_units(store, [unit], None, receipt_of, repair=False)  # a dry run writes nothing
    assert collect(store, dry_run=True).objects == 1
    recover_stored_units(store, [unit], None, receipt_of, repair=True)
    assert collect(store) == Collected()
    assert store.read(key) == unit_bytes(unit)


def test_a_list_that_is_published_again_is_rewritten(store):
    """If videos change back, an old list is referenced by a new snapshot and must not be deleted."""
    old, row = _store_units(store, make_video("a.mp4"))
    first = _publish(store, old, [row])
    new, new_row = _store_units(store, make_video("a.mp4", version="2"))
    _publish(store, new, [new_row])
    _age(store, 30)
    assert _publish(store, old, [row]).lists == first.lists
    (info,) = [i for i in store.list(layout.LISTS) if i.key == first.lists[0].key]
    assert time.time_ns() - info.mtime_ns < DAY * 1e9
    _age(store, 2)
    collect(store)
    assert verify(store).exit_code == 0


def test_an_object_rewritten_since_it_was_listed_is_kept(store, monkeypatch):
    """A run may recover a unit while the collection is about to delete it."""
    named, row = _store_units(store, make_video("a.mp4"))
    _publish(store, named, [row])
    left, _ = _store_units(store, make_video("left.mp4"))
    _age(store, 30)
    listing = type(store).list

    def list_and_adopt(self, prefix=""):
        found = list(listing(self, prefix))
        if prefix == layout.SNAPSHOTS:  # the last listing of the collection
            store.replace(left[0].key, store.read(left[0].key))
        return iter(found)

    monkeypatch.setattr(type(store), "list", list_and_adopt)
    assert collect(store) == Collected()


def test_a_damaged_data_set_keeps_old_snapshots(store):
    """If the newest snapshot is damaged, an older one may be needed, so nothing is deleted."""
    old, row = _store_units(store, make_video("a.mp4"))
    _publish(store, old, [row])
    new, row = _store_units(store, make_video("a.mp4", version="2"))
    _publish(store, new, [row])
    _age(store, 30)
    store.replace(new[0].key, b"rubbish")
    report = verify(store, collect_after_hours=24)
    assert (report.exit_code, report.collected) == (5, None)
    assert old[0].key in _keys(store)


@pytest.mark.parametrize("hours", [0.0, 23.9, float("nan")])
def test_a_too_short_grace_time_is_refused(store, hours):
    """Runs publish at least every six hours; the minimum of a day is safe."""
    with pytest.raises(UsageError, match="at least 24"):
        collect(store, grace_hours=hours)
