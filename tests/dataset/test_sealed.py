"""JSON with its own digest, and files of earlier versions without one."""

from __future__ import annotations

import json
import random

import pytest

from tests.dataset.legacy import one_level
from tests.extraction.factories import CONFIG
from wsvad.dataset import layout
from wsvad.dataset.one_level import OneLevel
from wsvad.dataset.publish import publish
from wsvad.dataset.sealed import is_sealed, seal, unseal
from wsvad.dataset.snapshots import (
    Snapshot,
    SnapshotObject,
    claim_dataset,
    latest_snapshot,
    read_dataset,
)
from wsvad.dataset.training_ids import encode_training_ids, read_training_ids
from wsvad.errors import ConflictError, DamagedError
from wsvad.storage import open_store

PLAIN = {"a": [1, 2.5, None], "b": "\u00e9", "c": {}}


def test_sealed_objects_are_plain_json_and_round_trip():
    """The digest comes first; a later version may add fields, an earlier one must have exactly these."""
    data = seal(PLAIN)
    assert is_sealed(data)
    assert next(iter(json.loads(data))) == "digest"
    assert {k: v for k, v in json.loads(data).items() if k != "digest"} == PLAIN
    assert (
        unseal(data, "x", PLAIN) == unseal(data, "x", ["a"]) == unseal(json.dumps(PLAIN).encode(), "x", PLAIN) == PLAIN
    )
    for bad, fields in ((data, ["a", "z"]), (json.dumps(PLAIN).encode(), ["a", "b"]), (b"[" * 100_000, PLAIN)):
        with pytest.raises(DamagedError, match=r"^x is damaged: .*; do this$"):
            unseal(bad, "x", fields, remedy="do this")


def test_every_flipped_bit_is_detected():
    """Each bit of a sealed object, and each truncation."""
    data = seal(PLAIN)
    flipped = [data[:i] + bytes([data[i] ^ (1 << bit)]) + data[i + 1 :] for i in range(len(data)) for bit in range(8)]
    for bad in [*flipped, *(data[:end] for end in range(len(data)))]:
        with pytest.raises(DamagedError):
            unseal(bad, "x", PLAIN)


def _old(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()


OBJECT = SnapshotObject("units/ab/ab.parquet", "a.mp4", "c", 0, 3, 3, 3, 100, "0" * 64)


def _snapshot(number: int = 1) -> Snapshot:
    """Return the fields of a one-level snapshot."""
    earlier = OneLevel((OBJECT,), "videos/x.parquet")
    return Snapshot(number, CONFIG.fingerprint, CONFIG.to_dict(), (), "r", "t", 3, earlier)


def _earlier(number: int = 1, *, sealed: bool = False) -> bytes:
    """Return its bytes."""
    return one_level(_snapshot(number), [OBJECT], "videos/x.parquet", sealed=sealed)


def test_a_data_set_of_an_earlier_version_opens(tmp_path):
    """Snapshot and description have no digests; claiming the data set again adds them and changes nothing else."""
    store = open_store(str(tmp_path))
    plain = {"kind": CONFIG.kind, "fingerprint": CONFIG.fingerprint, "config": CONFIG.to_dict()}
    store.create(layout.DATASET, _old(plain))
    store.create(layout.snapshot_key(1), _earlier())
    assert latest_snapshot(store) == _snapshot()
    assert read_dataset(store) == json.loads(json.dumps(plain))
    claim_dataset(store, CONFIG)
    assert is_sealed(store.read(layout.DATASET))
    assert read_dataset(store) == json.loads(json.dumps(plain))


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bits_in_earlier_versions_raise_no_foreign_errors(tmp_path, seed):
    """Without a digest, types, fingerprint and sums of rows are checked."""
    store, rng = open_store(str(tmp_path)), random.Random(seed)
    plain = {"kind": CONFIG.kind, "fingerprint": CONFIG.fingerprint, "config": CONFIG.to_dict()}
    for key, whole in ((layout.DATASET, _old(plain)), (layout.snapshot_key(1), _earlier())):
        found = 0
        for _ in range(50):
            at = rng.randrange(len(whole))
            store.replace(key, whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :])
            try:
                latest_snapshot(store) if key != layout.DATASET else read_dataset(store)
            except DamagedError:
                found += 1
        assert found >= (50 if key == layout.DATASET else 25)
        store.replace(key, whole)


def test_stray_files_are_not_snapshots(tmp_path):
    """Only valid keys count; a copy under another number is damaged."""
    store = open_store(str(tmp_path))
    store.create("snapshots/notes.json", b"{}")
    assert latest_snapshot(store) is None
    store.create(layout.snapshot_key(2), _earlier(1, sealed=True))
    with pytest.raises(DamagedError, match="it contains snapshot 1"):
        latest_snapshot(store)


def test_a_data_set_without_its_description_is_damaged_not_new(tmp_path):
    """Otherwise another configuration could claim it and publish on top of its snapshots."""
    store = open_store(str(tmp_path))
    assert read_dataset(store) is None
    publish(
        store, CONFIG.fingerprint, CONFIG.to_dict(), [], [], replaced_videos=frozenset(), run_id="r", created_utc="t"
    )
    with pytest.raises(DamagedError, match=r"dataset\.json is missing.*verify --repair"):
        read_dataset(store)


def test_a_damaged_list_is_overwritten(tmp_path):
    """Publishing does not assume that an existing list is intact."""
    store = open_store(str(tmp_path))
    claim_dataset(store, CONFIG)
    row = {"video_id": "a", "uri": "u", "content_id": "c", "clips": 0, "status": "incomplete"}
    words = {"replaced_videos": frozenset("a"), "run_id": "r", "created_utc": "t"}
    first = publish(store, CONFIG.fingerprint, CONFIG.to_dict(), [], [row], **words)
    (key,) = first.table_keys
    whole = store.read(key)
    store.delete(layout.snapshot_key(1))
    store.replace(key, b"PAR1")
    publish(store, CONFIG.fingerprint, CONFIG.to_dict(), [], [row], **words)
    assert store.read(key) == whole


def test_lists_of_training_videos(tmp_path):
    """With a digest an empty list is valid; without one it counts as damaged."""
    store = open_store(str(tmp_path))
    data, digests = encode_training_ids(["a", "b"])
    store.create(layout.TRAINING_IDS, data)
    assert read_training_ids(store, {"digests": digests}) == read_training_ids(store, {}) == ("a", "b")
    store.replace(layout.TRAINING_IDS, json.dumps(["a"]).encode())
    with pytest.raises(DamagedError, match="its digest does not match the one in"):
        read_training_ids(store, {"digests": digests})
    empty, of_none = encode_training_ids([])
    store.replace(layout.TRAINING_IDS, empty)
    assert read_training_ids(store, {"digests": of_none}) == ()
    with pytest.raises(DamagedError, match="the list is empty"):
        read_training_ids(store, {})


def test_another_configuration_is_still_a_conflict(tmp_path):
    """Damage and conflict are distinguished."""
    store = open_store(str(tmp_path))
    claim_dataset(store, CONFIG)

    class Other:
        kind, fingerprint = "scores", "0" * 64

        def to_dict(self):
            return {"checkpoint": "c"}

    with pytest.raises(ConflictError, match="holds 'features', not 'scores'"):
        claim_dataset(store, Other())
