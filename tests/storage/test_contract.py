"""The contract of all stores, on a folder and on a bucket."""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import pytest

from tests.services.moto_server import MotoServer
from tests.storage.conftest import Location
from wsvad.errors import ObjectChanged, ObjectNotFound, UsageError
from wsvad.storage import Created, Store, StoreOptions, open_object, open_store

BAD_KEYS = ["", "a/", "..", "../a", "a/../b", "./a", "a/.", "a\0b", ".tmp/x", "a/.tmp/b", "a//../b"]
DOUBLED = ["/a", "a//b", "//a", "a///b"]


def test_created_objects_are_read_back(store: Store) -> None:
    """Create, stat and read agree, also for an empty object and one of several megabytes."""
    for key, data in {"empty": b"", "a/b/deep.bin": b"\0\xff" * 7, "large": bytes(range(256)) * 20_000}.items():
        assert store.create(key, data) is Created.NEW
        assert store.read(key) == data
        info = store.stat(key)
        assert (info.key, info.size) == (key, len(data))
        assert abs(info.mtime_ns / 1e9 - time.time()) < 60


def test_create_never_overwrites(store: Store) -> None:
    """A second create returns SAME for the same bytes, DIFFERENT for others of the same or another length."""
    assert store.create("k", b"one") is Created.NEW
    assert store.create("k", b"one") is Created.SAME
    assert store.create("k", b"two") is Created.DIFFERENT
    assert store.create("k", b"longer") is Created.DIFFERENT
    assert store.read("k") == b"one"


def test_without_conditional_writes_create_looks_first(location: Location) -> None:
    """If the store ignores create-only, create gives the same results to sequential writers."""
    store = location.open("data", conditional_writes=False)
    assert store.create("k", b"one") is Created.NEW
    assert store.create("k", b"one") is Created.SAME
    assert store.create("k", b"two") is Created.DIFFERENT
    assert store.read("k") == b"one"


def test_replace_overwrites(store: Store) -> None:
    """Replace writes a new object, and overwrites an existing one."""
    store.replace("r", b"one")
    store.replace("r", b"second")
    assert store.read("r") == b"second"


def test_delete_is_idempotent(store: Store) -> None:
    """Deleting twice, or a missing object, is no error; afterwards the object does not exist."""
    store.create("a/k", b"x")
    for _ in range(2):
        store.delete("a/k")
    store.delete("never/was")
    with pytest.raises(ObjectNotFound):
        store.stat("a/k")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 10, b"0123456789"), (3, 5, b"34"), (9, 10, b"9"), (8, 99, b"89"), (10, 12, b""), (50, 60, b""), (4, 4, b"")],
)
def test_a_range_is_exact_and_ends_with_the_object(store: Store, start: int, end: int, expected: bytes) -> None:
    """[start, end) returns exactly those bytes, fewer only at the end, with and without ``expect``."""
    store.create("ten", b"0123456789")
    assert store.read_range("ten", start, end) == expected
    assert store.read_range("ten", start, end, expect=store.stat("ten")) == expected


def test_an_empty_object_has_only_empty_ranges(store: Store) -> None:
    """Any range of an empty object is empty."""
    store.create("empty", b"")
    assert store.read_range("empty", 0, 10, expect=store.stat("empty")) == b""


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (5, 4)])
def test_invalid_ranges_are_refused(store: Store, start: int, end: int) -> None:
    """A negative start, or an end before the start, is a bug of the caller."""
    with pytest.raises(ValueError, match="expected 0 <= start <= end"):
        store.read_range("k", start, end)


@pytest.mark.parametrize("replacement", [b"longer than before", b"1", b"ABCDEFGHIJ"])
@pytest.mark.parametrize(("start", "end"), [(0, 4), (2, 99), (40, 50)])
def test_a_changed_object_is_detected(store: Store, replacement: bytes, start: int, end: int) -> None:
    """Reading a range of an object that was replaced, even by one of its size, raises ObjectChanged."""
    store.create("k", b"0123456789")
    listed = store.stat("k")
    store.replace("k", replacement)
    with pytest.raises(ObjectChanged, match=r"list it again"):
        store.read_range("k", start, end, expect=listed)


def test_a_missing_object_is_not_found(store: Store) -> None:
    """Every way to read it raises, with its URI in the message."""
    store.create("a/k", b"x")
    info = store.stat("a/k")
    store.delete("a/k")
    for read in (store.stat, store.read, lambda key: store.read_range(key, 0, 1, expect=info)):
        with pytest.raises(ObjectNotFound, match="a/k"):
            read("a/k")
    with pytest.raises(ObjectNotFound):
        store.read("a/k/below")


def test_listing_is_recursive_sorted_and_the_same_as_stat(store: Store) -> None:
    """Keys are in byte order across folders; a prefix is a string prefix, not a folder."""
    keys = ["b", "a/z", "a-b/c", "a/b/c", "a.txt", "ä/ü", "Z", "a/b!", "with space/#%?&+.mp4"]
    for key in keys:
        store.create(key, key.encode())
    listed = list(store.list())
    assert [info.key for info in listed] == sorted(keys, key=str.encode)
    assert [store.stat(info.key) for info in listed] == listed
    assert [info.key for info in store.list("a/")] == ["a/b!", "a/b/c", "a/z"]
    assert [info.key for info in store.list("a")] == ["a-b/c", "a.txt", "a/b!", "a/b/c", "a/z"]
    assert [info.key for info in store.list("a/b")] == ["a/b!", "a/b/c"]
    assert list(store.list("nothing/here")) == []


def test_listings_span_many_pages(store: Store) -> None:
    """250 objects are listed once each (the server's pages have 100)."""
    keys = [f"units/{number:04}" for number in range(250)]
    for key in keys:
        store.create(key, b"")
    assert [info.key for info in store.list("units/")] == keys


def test_an_empty_store_lists_nothing(store: Store) -> None:
    """An unused root has an empty listing."""
    assert list(store.list()) == []


def test_neighbours_with_a_longer_name_are_not_listed(location: Location) -> None:
    """The root ``data`` does not list objects of ``data2``."""
    location.open("data2").create("k", b"x")
    store = location.open("data")
    assert list(store.list()) == []
    store.create("k", b"y")
    assert [info.key for info in store.list()] == ["k"]


@pytest.mark.parametrize("key", DOUBLED)
def test_empty_segments_are_never_written(store: Store, key: str) -> None:
    """Neither in a key nor below a root that has them; folders cannot have any to read either."""
    for act in (store.delete, lambda key: store.create(key, b""), lambda key: store.replace(key, b"")):
        with pytest.raises(UsageError, match="the key"):
            act(key)
    if store.scheme == "file":
        for act in (store.stat, store.read, lambda key: store.read_range(key, 0, 1)):
            with pytest.raises(UsageError, match="the key"):
                act(key)
        return
    below = open_store(f"{store.uri}//below", store.options)
    for act in (
        below.probe,
        lambda: below.create("k", b""),
        lambda: below.replace("k", b""),
        lambda: below.delete("k"),
    ):
        with pytest.raises(UsageError, match=r"empty segment \('//'\).*leave out the second slash"):
            act()


@pytest.mark.parametrize("key", BAD_KEYS)
def test_invalid_keys_are_refused_by_every_operation(store: Store, key: str) -> None:
    """Path traversal, NUL and scratch space."""
    for act in (
        store.stat,
        store.read,
        store.delete,
        lambda key: store.read_range(key, 0, 1),
        lambda key: store.create(key, b""),
        lambda key: store.replace(key, b""),
    ):
        with pytest.raises(UsageError, match="the key"):
            act(key)


def test_the_probe_detects_create_only_and_leaves_nothing(store: Store) -> None:
    """Both stores support create-only; no objects are left, also not in scratch space."""
    probe = store.probe()
    assert probe.create_only
    assert 0 < probe.latency_s < 10
    assert list(store.list()) == []
    assert store.sweep_temporary(-60) == 0


def test_scratch_space_is_hidden_and_swept_by_age(location: Location, moto_server: MotoServer) -> None:
    """Leftovers of killed writers are never listed, also not from above; a sweep deletes old ones."""
    store = location.open("out")
    store.create("k", b"x")
    if location.kind == "local":
        (Path(location.uri) / "out/.tmp/0123").write_bytes(b"half")
    else:
        bucket = location.uri.removeprefix("s3://")
        moto_server.client.put_object(Bucket=bucket, Key="out/.tmp/0123", Body=b"half")
    assert [info.key for info in store.list()] == ["k"]
    assert [info.key for info in location.open().list()] == ["out/k"]
    assert store.sweep_temporary(3600) == 0
    assert store.sweep_temporary(-60) == 1
    assert store.sweep_temporary(-60) == 0
    assert store.read("k") == b"x"


def test_a_store_can_be_pickled(store: Store) -> None:
    """The copy works, whether or not the original was used before."""
    before = pickle.loads(pickle.dumps(store))
    store.create("k", b"x")
    after = pickle.loads(pickle.dumps(store))
    assert before.read("k") == after.read("k") == b"x"
    assert repr(after) == repr(store)


@pytest.mark.parametrize("key", ["a", "a b/c#d?e%20f.mp4", "ü/日本.mkv", "x:y@z"])
def test_the_uri_of_an_object_opens_it(store: Store, key: str) -> None:
    """``open_object(store.uri_of(key))`` reads the same object, and the URI is canonical."""
    store.create(key, key.encode())
    single, name = open_object(store.uri_of(key), store.options)
    assert single.read(name) == key.encode()
    assert single.uri_of(name) == store.uri_of(key)


def test_roots_are_canonical(location: Location) -> None:
    """A trailing slash makes no difference."""
    options = StoreOptions(endpoint_url=location.endpoint_url)
    assert open_store(f"{location.uri}/a/", options).uri == open_store(f"{location.uri}/a", options).uri
    assert not location.open("a").uri.endswith("/")
