"""The contract in stores of other providers, through fsspec, and the result of the probe if one cannot keep it.

Google's is an emulator from PyPI. Azure's is ``azurite`` (npm), whose cases run if it is on the PATH
(``tests/services/providers.py``).
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from pathlib import Path

import pytest
from google.oauth2.credentials import Credentials

from tests.services.fault_proxy import Fault, FaultProxy, Rule
from tests.services.providers import Shelf, reach
from tests.storage.test_secrets import SECRET, TOKEN, EchoingHandler, everything_shown
from wsvad.errors import (
    AccessDenied,
    ObjectChanged,
    ObjectNotFound,
    StorageError,
    StoreFull,
    StoreUnavailable,
    UnusablePlace,
    UsageError,
)
from wsvad.storage import Created, Store, StoreOptions, normalize_uri, open_object, open_store
from wsvad.storage.base import ConditionalWriteUnsupported
from wsvad.storage.remote_errors import translate_remote_error
from wsvad.storage.retry import Transient


@pytest.fixture
def store(provider: str) -> Store:
    """The store, without conditional writes if the probe detects that they are not supported."""
    honoured = open_store(provider).probe().create_only
    return open_store(provider, StoreOptions(conditional_writes=honoured))


def test_created_objects_are_read_back_and_kept(store: Store) -> None:
    """Create, stat, read, ranges and replace agree; create never overwrites."""
    data = bytes(range(256)) * 2000
    for key, content in {"empty": b"", "a/b/deep.bin": b"\0\xff" * 7, "large": data, "ü/with space": b"x"}.items():
        assert store.create(key, content) is Created.NEW
        assert store.create(key, content) is Created.SAME
        assert store.create(key, content + b"more") is Created.DIFFERENT
        assert store.read(key) == content
        info = store.stat(key)
        assert (info.key, info.size) == (key, len(content))
        assert abs(info.mtime_ns / 1e9 - time.time()) < 60
        single, name = open_object(store.uri_of(key), store.options)
        assert single.read(name) == content
    info = store.stat("large")
    for start, end in ((0, 10), (1000, 90_000), (len(data) - 5, len(data) + 9), (len(data), len(data) + 5), (7, 7)):
        assert store.read_range("large", start, end, expect=info) == data[start:end]
        assert store.read_range("large", start, end) == data[start:end]
    store.replace("large", b"other")
    assert store.read("large") == b"other"


def test_a_changed_object_is_detected(store: Store) -> None:
    """A range of an object that was replaced by one of its size raises; a deleted one is not found."""
    store.create("k", b"0123456789")
    listed = store.stat("k")
    time.sleep(0.02)
    store.replace("k", b"ABCDEFGHIJ")
    for start, end in ((0, 4), (40, 50)):
        with pytest.raises(ObjectChanged, match="list it again"):
            store.read_range("k", start, end, expect=listed)
    for _ in range(2):
        store.delete("k")
    for read in (store.stat, store.read, lambda key: store.read_range(key, 0, 5, expect=listed)):
        with pytest.raises(ObjectNotFound, match="no such object"):
            read("k")


def test_a_listing_is_sorted_and_the_same_as_stat(store: Store, provider: str) -> None:
    """In byte order of the keys; a prefix is a string prefix; neighbours with longer names are not listed."""
    assert list(store.list()) == []
    open_store(f"{store.uri}2", store.options).create("k", b"x")
    keys = ["b", "a/z", "a-b/c", "a/b/c", "a.txt", "Z", *(f"n/{number}" for number in range(30))]
    for key in keys:
        store.create(key, key.encode())
    listed = list(store.list())
    assert [info.key for info in listed] == sorted(keys, key=str.encode)
    assert [store.stat(info.key) for info in listed] == listed
    assert [info.key for info in store.list("a/")] == ["a/b/c", "a/z"]
    assert [info.key for info in store.list("a")] == ["a-b/c", "a.txt", "a/b/c", "a/z"]
    assert list(store.list("nothing/here")) == []
    scheme = provider.partition(":")[0]
    if scheme in ("gs", "az"):
        absent = open_store(f"{scheme}://no-such-bucket-here/x", store.options)
        for act in (lambda: list(absent.list()), lambda: absent.create("k", b"x"), lambda: absent.replace("k", b"x")):
            with pytest.raises(UnusablePlace, match="no such bucket"):
                act()


def test_the_probe_detects_create_only(provider: str) -> None:
    """Azure supports it. Google's emulator ignores the condition, and the file system in memory has none."""
    store, scheme = open_store(provider), provider.partition(":")[0]
    probe = store.probe()
    assert (probe.create_only, probe.detail) == {
        "az": (True, "the store supports create-only writes"),
        "gs": (False, "the store overwrites an object in spite of create-only"),
        "memory": (False, "the store refuses create-only writes"),
        "shelf": (False, "the store refuses create-only writes"),
    }[scheme]
    assert list(store.list(scratch=True)) == []
    if scheme in ("memory", "shelf"):
        with pytest.raises(ConditionalWriteUnsupported, match="turn conditional writes off"):
            store.create("k", b"x")


def test_partially_written_files_are_not_visible(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partial file is in scratch space, and is swept later."""
    store = open_store(reach("shelf", request, monkeypatch), StoreOptions(conditional_writes=False))
    store.create("a/k", b"before")

    def break_off(self: Shelf, path: str, data: bytes, **kwargs: object) -> None:
        Path(path).write_bytes(data[: len(data) // 2])
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "pipe_file", break_off)
        for write in (store.create, store.replace):
            with pytest.raises(StorageError):
                write("a/k" if write == store.replace else "b/new", b"0123456789")
    assert [info.key for info in store.list()] == ["a/k"]
    assert store.read("a/k") == b"before"
    assert store.sweep_temporary(-60) == 2
    assert list(store.list(scratch=True)) == list(store.list())
    with pytest.raises(StoreUnavailable):
        open_store("shelf://elsewhere/x", StoreOptions(max_attempts=1)).read("k")


@pytest.mark.parametrize("size", [10, 50 << 20])
def test_requests_to_google_have_the_create_only_condition(
    google: str, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Although the emulator ignores it: in the one request of a small object, and the first request of a large one."""
    monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
    with FaultProxy(google) as proxy:
        monkeypatch.setenv("FSSPEC_GS_ENDPOINT_URL", proxy.url)
        proxy.add(Rule(Fault.FULL, method="POST", path="ifGenerationMatch=0", times=None))
        store = open_store(f"gs://bucket/{uuid.uuid4().hex}")
        store.replace("k", b"x")
        with pytest.raises(StoreFull):
            store.create("new", bytes(size))
        assert proxy.injected[Fault.FULL] == 1
        assert [info.key for info in store.list()] == ["k"]


def test_an_unreachable_store_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the number of attempts in the options."""
    monkeypatch.setenv("FSSPEC_GS", '{"token": "anon", "endpoint_url": "http://127.0.0.1:9", "retries": 1}')
    store = open_store("gs://bucket/x", StoreOptions(max_attempts=2, connect_timeout_s=1, read_timeout_s=1))
    with pytest.raises(StoreUnavailable, match="after 2 attempts"):
        store.read("k")


class Answered(Exception):
    """An error as raised by the packages of the providers."""

    def __init__(self, status: int, said: str = "signed with canary") -> None:
        super().__init__(said)
        self.status_code = status


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (Answered(403), AccessDenied),
        (Answered(404), ObjectNotFound),
        (Answered(412), FileExistsError),
        (Answered(429), Transient),
        (Answered(503), Transient),
        (Answered(400), StorageError),
        (OSError("Forbidden: canary"), AccessDenied),
        (FileNotFoundError("canary"), ObjectNotFound),
        (TimeoutError("canary"), Transient),
        (ConnectionResetError("canary"), Transient),
        (ImportError("canary"), UsageError),
        (ValueError("canary"), UsageError),
        (RuntimeError("canary"), StorageError),
    ],
)
def test_failures_have_their_kind_and_no_secret(raised: Exception, kind: type[Exception]) -> None:
    """No text of the store is shown."""
    said = translate_remote_error(raised, "cannot read gs://b/k")
    assert type(said) is kind
    assert "canary" not in str(said)


@pytest.mark.parametrize(
    ("uri", "canonical"),
    [
        ("gs://bucket/a/b/", "gs://bucket/a/b"),
        ("GCS://bucket", "gs://bucket"),
        ("abfs://container/a", "az://container/a"),
        ("memory://x/y", "memory://x/y"),
        ("hdfs://name-node:8020/data", "hdfs://name-node:8020/data"),
    ],
)
def test_canonical_uris(uri: str, canonical: str) -> None:
    """Of every scheme of fsspec; providers with two schemes have one here."""
    assert normalize_uri(uri) == normalize_uri(canonical) == canonical


@pytest.mark.parametrize(
    "uri",
    [
        "gs://user:canary@bucket/x",
        "az://container@canary.dfs.core.windows.net/x",
        "gs://bucket/x?canary",
        "gs://bucket/a/../canary",
        "zip://canary.zip",
        "simplecache::gs://canary/x",
        "https://host/canary",
        "nonsense://canary/x",
        "gs:///canary",
    ],
)
def test_invalid_roots_are_refused(uri: str) -> None:
    """Credentials, wrappers of other file systems, and those without listings; nothing secret is shown."""
    if uri.startswith("simplecache"):
        assert normalize_uri(uri).startswith("file:///")  # a local path
        return
    with pytest.raises(UsageError) as caught:
        open_store(uri)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["az", "gs"])
def test_a_store_that_echoes_the_request_reveals_nothing(
    scheme: str, echoing_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither key, signature nor token, with all loggers at DEBUG."""
    key = base64.b64encode(SECRET.encode()).decode()
    words = f"AccountName=devstoreaccount1;AccountKey={key};BlobEndpoint={echoing_url}/devstoreaccount1"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"{words};DefaultEndpointsProtocol=http")
    monkeypatch.setenv("FSSPEC_GS", json.dumps({"token": TOKEN, "endpoint_url": echoing_url}))
    # it would query the token's expiry from Google
    monkeypatch.setattr("gcsfs.credentials._get_creds_from_raw_token", Credentials)
    monkeypatch.setattr(EchoingHandler, "do_POST", EchoingHandler.refuse, raising=False)
    shown, errors = everything_shown(open_store(f"{scheme}://bucket/prefix", StoreOptions(max_attempts=2)), caplog)
    assert len(errors) == 8
    assert f"{scheme}://bucket/prefix/k" in shown
    hidden = (key, SECRET, TOKEN, "SharedKey", "Bearer")
    assert [canary for canary in hidden if canary in shown] == []
    assert {type(error) for error in errors} == {AccessDenied}
