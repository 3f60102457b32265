"""Snapshots and their verification, on a real store."""

import concurrent.futures
import dataclasses
import json

import pytest

from tests.extraction.factories import CONFIG, make_index, make_video, unit_bytes
from wsvad.dataset import layout
from wsvad.dataset.publish import publish
from wsvad.dataset.snapshots import (
    SnapshotObject,
    claim_dataset,
    latest_snapshot,
    read_dataset,
)
from wsvad.errors import ConflictError, UsageError
from wsvad.extraction.units import plan_units
from wsvad.extraction.worker import receipt_of
from wsvad.manifest.listing import Listing
from wsvad.storage import open_store
from wsvad.verification.data_set import verify


def _store_units(store, video, frames=100, clips=None, config=CONFIG):
    """Store a video's units; return them as snapshot objects, and the video's row."""
    objects = []
    for unit in plan_units(video, make_index(frames), config):
        data = unit_bytes(unit, clips, config=config)
        store.create(layout.unit_key(unit.unit_id), data)
        r = receipt_of(unit.unit_id, data)
        span = (unit.first_clip, unit.last_clip)
        objects.append(
            SnapshotObject(
                layout.unit_key(unit.unit_id),
                video.video_id,
                video.content_id,
                *span,
                r.clips,
                r.rows,
                r.bytes,
                r.sha256,
            )
        )
    have, expected = sum(o.clips for o in objects), config.clips.count(frames)
    row = {
        "video_id": video.video_id,
        "uri": video.uri,
        "content_id": video.content_id,
        "clips": have,
        "expected_clips": expected,
        "status": "complete" if have == expected else "partial",
    }
    return objects, row


def _publish(store, objects, rows, run_id="r"):
    ids = frozenset(r["video_id"] for r in rows)
    return publish(
        store, CONFIG.fingerprint, CONFIG.to_dict(), objects, rows, replaced_videos=ids, run_id=run_id, created_utc="t"
    )


@pytest.fixture
def store(tmp_path):
    """An empty local data set."""
    made = open_store(str(tmp_path / "data"))
    claim_dataset(made, CONFIG)
    return made


def test_publishing_adds_replaces_and_repeats_nothing(store):
    """New videos are added, changed ones replaced; an unchanged state is not published again."""
    a, row_a = _store_units(store, make_video("a.mp4"))
    b, row_b = _store_units(store, make_video("b.mp4"))
    first = _publish(store, a, [row_a])
    second = _publish(store, b, [row_b])
    assert (first.number, second.number) == (1, 2)
    assert [o.video_id for o in second.objects] == ["a.mp4", "b.mp4"]
    assert _publish(store, b, [row_b], run_id="again") == second
    changed, row = _store_units(store, make_video("a.mp4", version="2"), frames=200)
    third = _publish(store, changed, [row])
    assert [o.content_id for o in third.objects] == [changed[0].content_id, b[0].content_id]
    assert len(third.videos) == 2
    assert verify(store).exit_code == 0


def test_concurrent_publishers_lose_nothing(store):
    """Publishing is compare-and-swap: eight concurrent runs make eight snapshots, the last with all videos."""
    made = [_store_units(store, make_video(f"{i}.mp4")) for i in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        numbers = [f.result().number for f in [pool.submit(_publish, store, o, [r]) for o, r in made]]
    assert sorted(numbers) == list(range(1, 9))
    assert {o.video_id for o in latest_snapshot(store).objects} == {f"{i}.mp4" for i in range(8)}


def test_a_data_set_of_another_configuration_is_refused(store):
    """The message lists the differences, and nothing changes."""
    claim_dataset(store, CONFIG)
    claim_dataset(store, CONFIG)
    before = read_dataset(store)
    with pytest.raises(ConflictError, match="geometry: there 'squash', here 'center'"):
        claim_dataset(store, dataclasses.replace(CONFIG, geometry="center"))
    assert read_dataset(store) == before


def test_verify_accounts_for_gaps_and_absent_videos(store):
    """A gap is accounted for; a listed video that is not in the snapshot is unfinished work."""
    objects, row = _store_units(store, make_video("a.mp4"), clips=[0, 1, 5])
    _publish(store, objects, [row])
    report = verify(store)
    assert (report.exit_code, report.clips, report.expected_clips, report.faults) == (3, 3, 7, [])
    assert report.unaccounted == ["a.mp4: partial, 3 of 7 clips"]
    listed = verify(store, listing=Listing((make_video("a.mp4"), make_video("new.mp4"))))
    assert listed.exit_code == 4
    assert "new.mp4: listed, but not in the snapshot" in listed.unaccounted


def _rewrite(store, key, data):
    store.replace(key, data)


@pytest.mark.parametrize("fault", ["missing", "truncated", "flipped", "foreign", "two of one"])
def test_verify_detects_damage_and_repair_deletes_it(store, fault):
    """Every fault is reported; the next run makes deleted objects again."""
    objects, row = _store_units(store, make_video("a.mp4"))
    other, other_row = _store_units(store, make_video("b.mp4"))
    key = objects[0].key
    data = store.read(key)
    if fault == "two of one":
        again = dataclasses.replace(other[0], video_id="a.mp4")
        _publish(store, [objects[0], again], [row])
    else:
        _publish(store, objects + other, [row, other_row])
    if fault == "missing":
        store.delete(key)
    elif fault == "truncated":
        _rewrite(store, key, data[:-10])
    elif fault == "flipped":
        middle = len(data) // 2
        _rewrite(store, key, data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    elif fault == "foreign":
        _rewrite(store, key, b"x" * len(data))
    report = verify(store)
    assert report.exit_code == 5
    assert report.faults
    assert json.loads(report.to_json())["exit_code"] == 5
    if fault in ("truncated", "flipped", "foreign"):
        assert verify(store, repair=True).exit_code == 4
        assert key not in {info.key for info in store.list("units/")}


def test_quick_verification_reads_no_units(store):
    """It checks presence and size only, and says so; a flipped bit needs the deep check."""
    objects, row = _store_units(store, make_video("a.mp4"))
    _publish(store, objects, [row])
    data = store.read(objects[0].key)
    _rewrite(store, objects[0].key, data[:-1] + b"?")
    assert verify(store, deep=False).exit_code == 0
    assert verify(store).exit_code == 5


def test_verifying_nothing_is_a_usage_error(store, tmp_path):
    """A target without a snapshot is a mistake in the command."""
    with pytest.raises(UsageError, match="has no published snapshot"):
        verify(store)
    with pytest.raises(UsageError, match="does not exist"):
        verify(open_store(str(tmp_path / "nothing")))


def test_old_content_of_a_changed_video_stays_until_the_new_is_complete(store):
    """Readers never lose a video while it is extracted again; its row is marked as outdated."""
    old, row = _store_units(store, make_video("a.mp4"))
    _publish(store, old, [row])
    changed, new_row = _store_units(store, make_video("a.mp4", version="2"), frames=200)
    half = _publish(store, [], [new_row | {"clips": 0, "status": "incomplete"}])
    assert list(half.objects) == old
    (shown,) = half.videos
    assert (shown["content_id"], shown["clips"], shown["status"], shown["kind"]) == (
        old[0].content_id, row["clips"], "incomplete", "changed",
    )  # fmt: skip
    assert _publish(store, [], [new_row | {"clips": 0, "status": "incomplete"}], run_id="again") == half
    report = verify(store)
    assert (report.exit_code, report.faults) == (4, [])
    assert list(_publish(store, changed, [new_row]).objects) == changed
    assert verify(store).exit_code == 0


def test_quarantine_of_new_content_replaces_the_old(store):
    """The old clips no longer correspond to any existing video."""
    old, row = _store_units(store, make_video("a.mp4"))
    _publish(store, old, [row])
    new = {"video_id": "a.mp4", "uri": row["uri"], "content_id": "other", "clips": 0, "status": "quarantined"}
    assert _publish(store, [], [new]).objects == ()
