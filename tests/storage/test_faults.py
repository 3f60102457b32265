"""An S3 server with slow, wrong, partial or missing replies. Every test counts that the fault really occurred."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.services.fault_proxy import Fault, FaultProxy, Rule
from tests.services.moto_server import MotoServer
from wsvad.errors import ObjectChanged, ObjectNotFound, StorageError, StoreUnavailable, UsageError
from wsvad.storage import Created, Store, StoreOptions, open_object, open_store
from wsvad.storage.base import ConditionalWriteUnsupported

DATA = bytes(range(256)) * 400


@pytest.fixture
def bucket(s3_bucket: str, moto_server: MotoServer) -> str:
    """A bucket with one object of 102,400 bytes."""
    moto_server.client.put_object(Bucket=s3_bucket, Key="k", Body=DATA)
    return s3_bucket


@pytest.fixture
def store(bucket: str, fault_proxy: FaultProxy) -> Store:
    """That bucket behind the fault proxy."""
    return open_store(f"s3://{bucket}", StoreOptions(endpoint_url=fault_proxy.url))


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.RESET, Fault.LOST_REPLY, Fault.TRUNCATE, Fault.TRICKLE])
def test_reads_survive_every_fault(store: Store, fault_proxy: FaultProxy, fault: Fault) -> None:
    """Whole reads, ranges and listings are exact although each is disturbed twice."""
    for read, expected in (
        (lambda: store.read("k"), DATA),
        (lambda: store.read_range("k", 1000, 90_000), DATA[1000:90_000]),
        (lambda: [info.key for info in store.list()], ["k"]),
    ):
        before = fault_proxy.injected[fault]
        fault_proxy.add(Rule(fault, times=2 if fault is not Fault.TRICKLE else 1, trickle_s=0.3))
        assert read() == expected
        assert fault_proxy.injected[fault] - before == (2 if fault is not Fault.TRICKLE else 1)


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.RESET, Fault.LOST_REPLY])
def test_writes_survive_every_fault(store: Store, fault_proxy: FaultProxy, fault: Fault) -> None:
    """Create, replace, stat and delete work once although each is disturbed twice."""
    fault_proxy.add(Rule(fault, method="PUT", times=2))
    expected = Created.SAME if fault is Fault.LOST_REPLY else Created.NEW
    assert store.create("new", DATA) is expected
    fault_proxy.add(Rule(fault, method="PUT", times=2))
    store.replace("replaced", DATA)
    fault_proxy.add(Rule(fault, method="HEAD", times=2))
    assert store.stat("new").size == len(DATA)
    fault_proxy.add(Rule(fault, method="DELETE", times=2))
    store.delete("k")
    assert fault_proxy.injected[fault] == 8
    assert [info.key for info in store.list()] == ["new", "replaced"]
    assert store.read("new") == store.read("replaced") == DATA


def test_a_lost_reply_is_not_taken_for_success_over_other_bytes(store: Store, fault_proxy: FaultProxy) -> None:
    """If the reply to a refused create is lost, the existing object is still reported as DIFFERENT."""
    fault_proxy.add(Rule(Fault.LOST_REPLY, method="PUT"))
    assert store.create("k", b"other") is Created.DIFFERENT
    assert fault_proxy.injected[Fault.LOST_REPLY] == 1
    assert store.read("k") == DATA


def test_the_probe_is_correct_if_replies_are_lost(store: Store, fault_proxy: FaultProxy) -> None:
    """It does not mistake its own retried write for another's."""
    fault_proxy.add(Rule(Fault.LOST_REPLY, method="PUT", times=2))
    assert store.probe().create_only
    assert fault_proxy.injected[Fault.LOST_REPLY] == 2


def test_a_stalled_reply_is_retried(bucket: str, fault_proxy: FaultProxy) -> None:
    """Data that trickles below the minimum rate is not waited for, although no single wait is long."""
    options = StoreOptions(endpoint_url=fault_proxy.url, read_timeout_s=0.5, min_bytes_per_s=1_000_000)
    fault_proxy.add(Rule(Fault.TRICKLE, trickle_s=8.0))
    started = time.monotonic()
    assert open_store(f"s3://{bucket}", options).read("k") == DATA
    assert time.monotonic() - started < 6
    assert fault_proxy.injected[Fault.TRICKLE] == 1


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.RESET, Fault.TRUNCATE])
def test_retries_end(bucket: str, fault_proxy: FaultProxy, fault: Fault) -> None:
    """A store that never recovers is given up after ``max_attempts`` attempts; the message has object and remedy."""
    store = open_store(f"s3://{bucket}", StoreOptions(endpoint_url=fault_proxy.url, max_attempts=3))
    fault_proxy.add(Rule(fault, times=None))
    with pytest.raises(StoreUnavailable, match=rf"s3://{bucket}/k: .*after 3 attempts .*run the same command again"):
        store.read("k")
    assert fault_proxy.injected[fault] == 3


def test_retries_are_bounded_in_time(bucket: str, fault_proxy: FaultProxy) -> None:
    """No attempt starts after the budget is spent, however many are allowed."""
    options = StoreOptions(endpoint_url=fault_proxy.url, max_attempts=1000, retry_budget_s=1.0)
    fault_proxy.add(Rule(Fault.SLOW_DOWN, times=None))
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        open_store(f"s3://{bucket}", options).read("k")
    assert time.monotonic() - started < 8  # a thousand attempts would take over an hour


def test_a_refused_connection_is_unavailable(bucket: str, fault_proxy: FaultProxy) -> None:
    """It is retried, then reported."""
    options = StoreOptions(endpoint_url=fault_proxy.url, max_attempts=2)
    fault_proxy.stop()
    with pytest.raises(StoreUnavailable, match="after 2 attempts"):
        open_store(f"s3://{bucket}", options).read("k")


def test_errors_of_the_caller_are_not_retried(store: Store, bucket: str, fault_proxy: FaultProxy) -> None:
    """404, 412 and a missing bucket take one request each; the bucket is not mistaken for a missing object."""
    listed = store.stat("k")
    store.replace("k", b"changed")
    fault_proxy.requests.clear()
    with pytest.raises(ObjectNotFound, match="no such object"):
        store.read("missing")
    with pytest.raises(ObjectChanged):
        store.read_range("k", 0, 10, expect=listed)
    assert fault_proxy.requests == {"GET": 2}
    absent = open_store("s3://no-such-bucket-here/x", store.options)
    for act in (lambda: list(absent.list()), lambda: absent.read("k"), lambda: absent.create("k", b"")):
        with pytest.raises(StorageError, match="there is no such bucket; create it") as caught:
            act()
        assert caught.value.exit_code == 2  # a retry cannot help
    assert fault_proxy.requests == {"GET": 4, "PUT": 1}


def test_connections_are_reused(store: Store, fault_proxy: FaultProxy) -> None:
    """Thirty sequential reads and writes use one connection, because bodies are read to their end."""
    for number in range(10):
        store.create(f"n/{number}", DATA)
        store.read("k")
        store.read_range("k", 5, 50_000)
    assert fault_proxy.connections == 1


def test_a_store_without_create_only_is_detected(bucket: str, moto_server: MotoServer) -> None:
    """The probe detects that ``If-None-Match`` is ignored; without it, create still does not overwrite."""
    with FaultProxy(moto_server.url, drop_headers=("If-None-Match",)) as proxy:
        probe = open_store(f"s3://{bucket}", StoreOptions(endpoint_url=proxy.url)).probe()
        assert not probe.create_only
        assert "overwrites" in probe.detail
        store = open_store(f"s3://{bucket}", StoreOptions(endpoint_url=proxy.url, conditional_writes=False))
        assert store.create("k", b"other") is Created.DIFFERENT
        assert [info.key for info in store.list()] == ["k"]


def test_a_store_that_refuses_create_only_is_detected(store: Store, fault_proxy: FaultProxy) -> None:
    """The probe detects the answer 501 to ``If-None-Match``; the message of create has a remedy."""
    fault_proxy.add(Rule(Fault.REFUSE, method="PUT", header="If-None-Match", times=None))
    probe = store.probe()
    assert (probe.create_only, probe.detail) == (False, "the store refuses create-only writes")
    with pytest.raises(ConditionalWriteUnsupported, match="turn conditional writes off"):
        store.create("new", b"x")
    assert fault_proxy.injected[Fault.REFUSE] == 2


@pytest.mark.parametrize("start", [0, 200_000])
def test_changes_are_detected_without_if_match(bucket: str, moto_server: MotoServer, start: int) -> None:
    """A change to other bytes of the same length is detected although the store ignores the header."""
    with FaultProxy(moto_server.url, drop_headers=("If-Match",)) as proxy:
        store = open_store(f"s3://{bucket}", StoreOptions(endpoint_url=proxy.url))
        listed = store.stat("k")
        store.replace("k", DATA[::-1])
        with pytest.raises(ObjectChanged):
            store.read_range("k", start, start + 10, expect=listed)


def test_a_store_that_ignores_ranges_is_refused(bucket: str, moto_server: MotoServer) -> None:
    """A whole object is not mistaken for the requested range, nor downloaded for it."""
    with FaultProxy(moto_server.url, drop_headers=("Range",)) as proxy:
        store = open_store(f"s3://{bucket}", StoreOptions(endpoint_url=proxy.url))
        with pytest.raises(StorageError, match="ignores byte ranges"):
            store.read_range("k", 5, 10)
        assert proxy.requests == {"GET": 1}


def test_keys_of_other_programs_are_listed(store: Store, bucket: str, moto_server: MotoServer) -> None:
    """Keys that are invalid here are listed, empty folder markers are not; reading one is refused."""
    for key in ("x/../y.mp4", "folder/", "full/", "a%20b"):
        moto_server.client.put_object(Bucket=bucket, Key=key, Body=b"" if key == "folder/" else b"x")
    assert [info.key for info in store.list()] == ["a%20b", "full/", "k", "x/../y.mp4"]
    with pytest.raises(UsageError, match=r"'\.\.' segment"):
        store.read("x/../y.mp4")
    with pytest.raises(UsageError, match="trailing slash"):
        store.read("full/")


def test_keys_with_empty_segments_are_read(bucket: str, moto_server: MotoServer) -> None:
    """``a//b`` differs from ``a/b``, from every root above it and by its own URI."""
    keys = ["/k", "//k", "a//k", "a//b//k", "a/k", "a/b//k", "a///k"]
    for key in keys:
        moto_server.client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    options = StoreOptions(endpoint_url=moto_server.url)
    for root, prefix in (
        ("", ""),
        ("/", ""),
        ("//", "/"),
        ("/a", "a/"),
        ("/a//", "a//"),
        ("/a//b", "a//b/"),
        ("///", "//"),
    ):
        store = open_store(f"s3://{bucket}{root}", options)
        listed = list(store.list())
        expected = {key.removeprefix(prefix) for key in [*keys, "k"] if key.startswith(prefix)}
        assert {info.key for info in listed} == expected
        for info in listed:
            if prefix + info.key == "k":
                continue
            data = (prefix + info.key).encode()
            assert store.stat(info.key) == info
            assert store.read(info.key) == data
            assert store.read_range(info.key, 0, 99, expect=info) == data
            single, name = open_object(store.uri_of(info.key), options)
            assert open_store(single.uri, options).read(name) == data


@pytest.mark.parametrize(("key", "problem"), [("x" * 1025, "1025 bytes"), ("caf\udce9.mp4", "not valid Unicode")])
def test_keys_invalid_in_s3_are_refused(store: Store, key: str, problem: str) -> None:
    """More than 1024 bytes, or not Unicode; no request is made."""
    with pytest.raises(UsageError, match=problem):
        store.create(key, b"x")


def test_many_threads_with_random_faults(store: Store, fault_proxy: FaultProxy) -> None:
    """Six threads write and read 60 objects while a fifth of all requests fails: all objects are intact."""
    for fault in (Fault.SLOW_DOWN, Fault.RESET, Fault.LOST_REPLY, Fault.TRUNCATE):
        fault_proxy.add(Rule(fault, times=None, probability=0.06))

    def work(number: int) -> bool:
        data = bytes([number]) * 3000
        return store.create(f"n/{number:02}", data) is not Created.DIFFERENT and store.read(f"n/{number:02}") == data

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(60)))
    assert [info.key for info in store.list("n/")] == [f"n/{number:02}" for number in range(60)]
    assert all(fault_proxy.injected[fault] > 0 for fault in (Fault.SLOW_DOWN, Fault.RESET, Fault.LOST_REPLY))
