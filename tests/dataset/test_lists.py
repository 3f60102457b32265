"""Two-level snapshots: equivalent to one table of all videos, but rewritten only where something changed."""

from __future__ import annotations

import json
import math
import pickle
import random
from dataclasses import asdict, replace
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dataset.legacy import downgrade
from tests.dataset.test_collect import _age
from tests.dataset.test_snapshots import _publish, _store_units
from tests.extraction.factories import CONFIG, make_index, make_video
from wsvad.columns import VIDEOS_SCHEMA
from wsvad.dataset import layout, lists
from wsvad.dataset.collect import collect
from wsvad.dataset.lists import (
    Entry,
    ListReader,
    ListRef,
    SnapshotObject,
    decode_list,
    encode_list,
    entry_of,
    split_entries,
    target_weight,
)
from wsvad.dataset.publish import publish
from wsvad.dataset.snapshots import Snapshot, claim_dataset, latest_snapshot, read_snapshot
from wsvad.errors import DamagedError, StoreUnavailable
from wsvad.extraction.units import plan_units
from wsvad.extraction.worker import receipt_of
from wsvad.storage import open_store
from wsvad.verification.data_set import verify
from wsvad.work.stored import recover_stored_units


@pytest.fixture
def store(tmp_path):
    """An empty local data set."""
    made = open_store(str(tmp_path / "data"))
    claim_dataset(made, CONFIG)
    return made


@pytest.fixture
def short(monkeypatch):
    """Lists of four videos, so that few videos make many lists."""
    monkeypatch.setattr(lists, "MIN_WEIGHT", 4)


def _row(video_id, version=1, **more):
    return {
        "video_id": video_id, "uri": f"file:///{video_id}", "content_id": f"{video_id}/{version}", "clips": 3,
        "status": "complete", "fps": 25.0, "notes": ["a: b"], **more,
    }  # fmt: skip


def _objects(row, number=1):
    return [
        SnapshotObject(
            f"units/{row['content_id']}/{n}", row["video_id"], row["content_id"], 3 * n, 3 * n + 3, 3, 3, 9, "0"
        )
        for n in range(number)
    ]


def _put(store, rows, replaced=None, objects=None, run_id="r"):
    made = [o for row in rows for o in _objects(row)] if objects is None else objects
    ids = frozenset(row["video_id"] for row in rows) if replaced is None else frozenset(replaced)
    return publish(
        store, CONFIG.fingerprint, CONFIG.to_dict(), made, rows, replaced_videos=ids, run_id=run_id, created_utc="t"
    )


def _naive(there, rows, replaced):
    """A publication by its definition, on a dictionary of all videos."""
    whole = dict(there)
    here = {row["video_id"]: row for row in rows}
    for video_id in replaced | here.keys():
        old, new = there.get(video_id), here.get(video_id)
        if old and new and old[0]["content_id"] != new["content_id"] and new["status"] == "incomplete":
            whole[video_id] = (old[0] | {"status": "incomplete", "kind": "changed"}, old[1])
        elif new and video_id in replaced:
            whole[video_id] = (new, _objects(new))
        elif not new:
            whole.pop(video_id, None)
    for video_id in here.keys() - replaced - there.keys():
        whole[video_id] = (here[video_id], [])
    return whole


IDS = st.sampled_from([f"{cam}/{n:02d}.mp4" for cam in "ab\u00e9" for n in range(12)])
RUNS = st.lists(
    st.tuples(
        st.dictionaries(IDS, st.tuples(st.integers(1, 3), st.sampled_from(["complete", "incomplete"])), max_size=14),
        st.sets(IDS, max_size=4),  # replaced and removed
        st.booleans(),  # whether the run has complete knowledge of its videos
        st.booleans(),  # whether an earlier version wrote the existing data set
    ),
    min_size=1,
    max_size=6,
)


@given(RUNS)
@settings(max_examples=60, deadline=None)
def test_publishing_lists_equals_publishing_one_table(tmp_path_factory, runs):
    """For any sequence of runs; lists without videos of a run are unchanged."""
    with mock.patch.object(lists, "MIN_WEIGHT", 4):
        _publish_runs(open_store(str(tmp_path_factory.mktemp("data"))), runs)


def _publish_runs(store, runs):
    wanted: dict = {}
    before = None
    for changes, gone, knows, earlier in runs:
        if before and earlier:
            downgrade(store, before)
        rows = [_row(i, version, status=status) for i, (version, status) in changes.items()]
        replaced = changes.keys() | gone if knows else set(gone)
        wanted = _naive(wanted, rows, replaced)
        snapshot = _put(
            store, rows, replaced, [o for row in rows if row["video_id"] in replaced for o in _objects(row)]
        )
        assert latest_snapshot(store) == snapshot
        told = {
            e.video_id: ({k: e.video[k] for k in ("content_id", "status", "kind")}, list(e.objects))
            for e in snapshot.entries
        }
        assert told == {
            i: ({"content_id": row["content_id"], "status": row["status"], "kind": row.get("kind")}, parts)
            for i, (row, parts) in wanted.items()
        }
        assert [v["video_id"] for v in snapshot.videos] == sorted(wanted)
        if snapshot.one_level:  # nothing changed
            before = snapshot
            continue
        assert all(ref.weight <= 8 for ref in snapshot.lists)
        if before and not earlier:
            touched = set(snapshot.of([])) | changes.keys() | gone
            firsts = [ref.first for ref in before.lists]
            for number, ref in enumerate(before.lists):
                until = firsts[number + 1] if number + 1 < len(firsts) else None
                held = [i for i in touched if (number == 0 or i >= ref.first) and (until is None or i < until)]
                assert held or ref in snapshot.lists
        before = snapshot


def _many(number):
    rows = [_row(f"cam{n % 40:02d}/{n // 40:05d}.mp4") for n in range(number)]
    return rows, [o for row in rows for o in _objects(row)]


def test_one_more_video_costs_one_list_and_one_snapshot(store, monkeypatch):
    """With 20,000 videos, two objects are written and one list is read; repeating it costs nothing."""
    rows, objects = _many(20_000)
    _put(store, rows, objects=objects)
    kept = {info.key for info in store.list()}
    read: list[str] = []
    reading = type(store).read
    monkeypatch.setattr(type(store), "read", lambda self, key: read.append(key) or reading(self, key))
    second = _put(store, [_row("cam17/night.mp4")])
    new = sorted({info.key for info in store.list()} - kept)
    assert [key.partition("/")[0] for key in new] == ["lists", "snapshots"]
    assert sum(key.startswith("lists/") for key in read) == 1
    assert sum(store.stat(key).size for key in new) < 150_000
    assert _put(store, [_row("cam17/night.mp4")]) == second
    assert len(list(store.list())) == len(kept) + 2
    assert second.of(["cam17/night.mp4", "none"]).keys() == {"cam17/night.mp4"}


def test_a_night_in_one_folder_changes_few_lists(store):
    """500 new videos among 20,000 change their own lists and one more."""
    rows, objects = _many(20_000)
    first = _put(store, rows, objects=objects)
    second = _put(store, [_row(f"cam03/night/{n:04d}.mp4") for n in range(500)])
    assert len(set(second.lists) - set(first.lists)) <= 500 // lists.MIN_WEIGHT + 2
    assert len(second.objects) == 20_500


def test_lists_and_snapshot_stay_small():
    """A snapshot of 100,000 units with ids of 60 characters has at most 200 kB, of a million less than 1 MB."""
    for total, most in ((100_000, 200_000), (1_000_000, 1_000_000)):
        number = 2 * total // target_weight(total)  # the number after many small publications
        refs = tuple(
            ListRef(f"lists/{n:032x}.parquet", f"{n:064x}", f"{n:060d}", 316, 316, 300_000, 300_000)
            for n in range(number)
        )
        assert len(Snapshot(1, "f" * 64, CONFIG.to_dict(), refs, "r", "t", 300_000 * number).to_json()) < 1.3 * most


def test_the_number_of_lists_is_bounded():
    """By twice the square root, after 1,500 nights of 20 videos in each of 4 folders; no list is too long."""
    sizes = {cam: [0] for cam in range(4)}
    total = 0
    for _ in range(1500):
        for parts in sizes.values():
            total += 20
            usual = target_weight(total)
            pieces = split_entries([Entry({"video_id": ""})] * (parts.pop() + 20), usual)
            parts += [len(piece) for piece in pieces]
    assert sum(map(sum, sizes.values())) == total
    assert sum(map(len, sizes.values())) <= 2 * math.isqrt(total) + 4
    assert max(map(max, sizes.values())) <= 2 * target_weight(total)


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 30))
def test_split_entries_is_complete_and_even(weights, usual):
    """Pieces are in order, not empty, and at most twice the target weight plus one video."""
    entries = [Entry({"video_id": str(n)}, (None,) * weight) for n, weight in enumerate(weights)]
    pieces = split_entries(entries, usual)
    assert [e for piece in pieces for e in piece] == entries
    heaviest = max((e.weight for e in entries), default=0)
    assert all(0 < sum(e.weight for e in piece) <= 2 * usual + heaviest for piece in pieces)


def _list():
    rows = [_row("a", num_frames=7, variable_rate=True), _row("b", notes=None, fps=None)]
    return [entry_of(rows[0], _objects(rows[0], 2)), entry_of(rows[1])]


def test_lists_round_trip_as_plain_parquet(tmp_path):
    """Every column of every row, with nulls; readable without this package."""
    import pyarrow.parquet as pq

    ref, data = encode_list(_list())
    assert list(decode_list(ref, data, "x")) == _list()
    assert (ref.first, ref.videos, ref.objects, ref.clips, ref.rows) == ("a", 2, 2, 6, 6)
    assert set(_list()[0].video) == set(VIDEOS_SCHEMA.names)
    (tmp_path / "x.parquet").write_bytes(data)
    plain = pq.read_table(tmp_path / "x.parquet").to_pylist()
    assert [o["key"] for row in plain for o in row["objects"]] == [o.key for e in _list() for o in e.objects]


@pytest.mark.parametrize("seed", range(3))
def test_damaged_lists_are_detected(seed):
    """Any flipped bit, another length, and any contradiction to the snapshot."""
    ref, data = encode_list(_list())
    rng = random.Random(seed)
    for _ in range(60):
        at = rng.randrange(len(data))
        with pytest.raises(DamagedError, match="x is damaged: its digest"):
            decode_list(ref, data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :], "x")
        with pytest.raises(DamagedError):
            decode_list(ref, data[:at], "x")
    for name in ("videos", "objects", "clips", "rows"):
        with pytest.raises(DamagedError, match=f"{name}, the snapshot states"):
            decode_list(replace(ref, **{name: 99}), data, "x")
    with pytest.raises(DamagedError, match="not in order"):
        decode_list(replace(ref, first="b"), data, "x")


def test_a_snapshot_that_contradicts_itself_is_damaged():
    """Overlapping lists, or wrong sums."""
    ref, _ = encode_list(_list())
    whole = Snapshot(1, CONFIG.fingerprint, CONFIG.to_dict(), (ref, replace(ref, first="z")), "r", "t", 12)
    assert Snapshot.from_json(whole.to_json(), "x") == whole
    for wrong, said in ((replace(whole, rows=5), "have 12 rows"), (replace(whole, lists=(ref, ref)), "not in order")):
        with pytest.raises(DamagedError, match=said):
            Snapshot.from_json(wrong.to_json(), "x")


@pytest.mark.usefixtures("short")
def test_a_kill_between_lists_and_snapshot_publishes_nothing(store, monkeypatch):
    """The next run publishes the same lists; leftovers are garbage-collected."""
    _put(store, [_row(f"{n:02d}") for n in range(20)])
    creating = type(store).create

    def create(self, key, data):
        if key.startswith(layout.SNAPSHOTS):
            raise StoreUnavailable("killed")
        return creating(self, key, data)

    monkeypatch.setattr(type(store), "create", create)
    with pytest.raises(StoreUnavailable):
        _put(store, [_row("05a")])
    monkeypatch.setattr(type(store), "create", creating)
    assert (latest_snapshot(store).number, len(latest_snapshot(store).videos)) == (1, 20)
    _age(store, 9)
    second = _put(store, [_row("05b")])
    assert (second.number, len(second.videos)) == (2, 21)
    keys = {info.key for info in store.list(layout.LISTS)}
    assert (
        collect(store).objects
        == len(keys - set(second.table_keys) - set(read_snapshot(store, layout.snapshot_key(1)).table_keys))
        == 1
    )


def test_publishing_continues_from_an_earlier_version(store):
    """Without changes its snapshot stays, otherwise everything moves to lists; both verify and can be collected."""
    a, row_a = _store_units(store, make_video("a.mp4"))
    first = _publish(store, a, [row_a])
    table = downgrade(store, first, sealed=False)
    earlier = latest_snapshot(store)
    assert (earlier.objects, earlier.lists, earlier.table_keys) == (tuple(a), (), (table,))
    assert earlier.of(["a.mp4"]).keys() == {"a.mp4"}
    assert _publish(store, a, [row_a], run_id="again") == earlier
    assert verify(store).exit_code == 0
    b, row_b = _store_units(store, make_video("b.mp4"))
    second = _publish(store, b, [row_b])
    assert (second.number, second.one_level, list(second.objects)) == (2, None, [*a, *b])
    assert verify(store).exit_code == 0
    _age(store, 30)
    found = collect(store)
    assert (found.snapshots, found.objects) == (1, 1)
    assert not list(store.list(layout.VIDEOS))
    assert verify(store).exit_code == 0


@pytest.mark.usefixtures("short")
def test_repair_replaces_only_the_damaged_list(store):
    """By its videos' entries from the previous snapshot; older snapshots that reference it are deleted."""
    made = {n: _store_units(store, make_video(f"{n:02d}.mp4")) for n in range(20)}
    _publish(store, [o for objects, _ in made.values() for o in objects], [row for _, row in made.values()])
    changed, row = _store_units(store, make_video("07.mp4", version="2"), frames=200)
    second = _publish(store, changed, [row])
    more, new_row = _store_units(store, make_video("07b.mp4"))
    third = _publish(store, more, [new_row])
    (lost,) = set(third.lists) - set(second.lists)
    store.replace(lost.key, b"PAR1")
    store.delete(second.lists[-1].key)
    found = verify(store)
    assert (found.exit_code, found.damaged_keys, found.missing_keys) == (5, [lost.key], [second.lists[-1].key])
    assert verify(store, repair=True).exit_code == 4
    mended = latest_snapshot(store)
    last = [f"{n:02d}.mp4" for n in range(20) if f"{n:02d}.mp4" >= second.lists[-1].first]
    assert [v["video_id"] for v in mended.videos] == [f"{n:02d}.mp4" for n in range(20) if f"{n:02d}.mp4" not in last]
    assert mended.of(["07.mp4"])["07.mp4"].objects == tuple(changed)
    assert [layout.snapshot_number(info.key) for info in store.list(layout.SNAPSHOTS)] == [4]
    assert set(mended.lists) >= set(third.lists) - {lost, second.lists[-1]}
    report = verify(store)
    assert (report.exit_code, report.faults) == (0, [])
    assert report.unpublished == len(last) + 2


def test_a_data_set_whose_only_list_is_damaged_is_published_again(store):
    """The snapshot is deleted, and the next run publishes the stored units."""
    objects, row = _store_units(store, make_video("a.mp4"))
    (ref,) = _publish(store, objects, [row]).lists
    store.replace(ref.key, b"PAR1")
    assert verify(store, repair=True).exit_code == 4
    assert latest_snapshot(store) is None
    assert [info.key for info in store.list(layout.UNITS)] == [objects[0].key]


def test_pickled_snapshots_are_small(store):
    """The cache of lists is not pickled; workers read the lists again."""
    rows, objects = _many(2000)
    _put(store, rows, objects=objects)
    snapshot = latest_snapshot(store)
    entries = snapshot.entries
    travelled = pickle.loads(pickle.dumps(snapshot))
    assert len(pickle.dumps(snapshot)) < 20_000
    assert travelled == snapshot
    assert travelled.entries == entries


def test_lists_are_read_once(store, monkeypatch):
    """Lists read for planning are not read again for publishing."""
    rows, objects = _many(2000)
    _put(store, rows, objects=objects)
    seen = latest_snapshot(store)
    assert len(seen.videos) == 2000
    monkeypatch.setattr(ListReader, "_read", lambda self, ref: pytest.fail("read again"))
    again = publish(
        store, CONFIG.fingerprint, CONFIG.to_dict(), objects, rows,
        replaced_videos=frozenset(row["video_id"] for row in rows), run_id="r", created_utc="t", seen=seen,
    )  # fmt: skip
    assert again == seen


def test_the_json_of_a_snapshot_describes_its_lists(store):
    """Other programs find lists, digests and counts in it."""
    snapshot = _put(store, [_row("a"), _row("b")])
    plain = json.loads(store.read(layout.snapshot_key(1)))
    assert plain["lists"] == [asdict(ref) for ref in snapshot.lists]
    assert plain["lists"][0] | {"key": "", "sha256": ""} == {
        "key": "", "sha256": "", "first": "a", "videos": 2, "objects": 2, "clips": 6, "rows": 6,
    }  # fmt: skip


def test_few_units_of_a_large_archive_are_looked_up_individually(store, monkeypatch):
    """Two videos among 2,000 are found without a listing, with the same result."""
    rows, objects = _many(2000)
    _put(store, rows, objects=objects)
    base = latest_snapshot(store)
    made = [make_video(f"cam01/new{n}.mp4") for n in range(2)]
    objects, _ = _store_units(store, made[0])
    units = [unit for video in made for unit in plan_units(video, make_index(), CONFIG)]
    listed = recover_stored_units(store, units, None, receipt_of, repair=False)
    monkeypatch.setattr(type(store), "list", lambda self, prefix="": pytest.fail("listed"))
    assert recover_stored_units(store, units, base, receipt_of, repair=False) == listed
    assert [r.sha256 for r in listed.values()] == [o.sha256 for o in objects]
    assert recover_stored_units(store, [], None, receipt_of, repair=False) == {}, "no request is made without units"


def test_the_number_of_objects_is_known_without_reading_lists(store, monkeypatch):
    """The snapshot states it for every list."""
    rows, objects = _many(2000)
    _put(store, rows, objects=objects)
    snapshot = latest_snapshot(store)
    monkeypatch.setattr(ListReader, "read", lambda self, refs, **more: pytest.fail("read"))
    assert snapshot.num_objects == len(objects)
