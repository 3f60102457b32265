"""Concurrent writers of one key, in threads, processes and forks: exactly one gets ``NEW``."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

from tests.services.fault_proxy import Fault, FaultProxy, Rule
from tests.storage.conftest import Location
from wsvad.storage import Created, Store, StoreOptions, open_store

REPOSITORY = Path(__file__).resolve().parents[2]


def create(store: Store, key: str, data: bytes) -> Created:
    """Run in a worker process; store and result are pickled."""
    return store.create(key, data)


def test_of_eight_threads_one_creates(store: Store) -> None:
    """Ten rounds: eight threads write different bytes concurrently; one gets NEW, and its bytes are stored."""
    gate = threading.Barrier(8)

    def work(number: int) -> list[Created]:
        outcomes = []
        for turn in range(10):
            gate.wait()
            outcomes.append(store.create(f"k{turn}", bytes([number]) * 50_000))
        return outcomes

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(work, range(8)))
    for turn in range(10):
        told = [outcome[turn] for outcome in outcomes]
        assert Counter(told) == {Created.NEW: 1, Created.DIFFERENT: 7}
        assert store.read(f"k{turn}") == bytes([told.index(Created.NEW)]) * 50_000


def test_of_four_processes_one_creates(location: Location) -> None:
    """Four processes write the same bytes; one gets NEW, the others SAME, for each of 20 keys."""
    store = location.open("data")
    keys = [f"k{number // 4}" for number in range(80)]
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        outcomes = list(pool.map(create, [store] * 80, keys, [b"same" * 1000] * 80))
    told = Counter(zip(keys, outcomes, strict=True))
    assert all(told[f"k{number}", Created.NEW] == 1 for number in range(20))
    assert all(told[f"k{number}", Created.SAME] == 3 for number in range(20))


def test_threads_whose_replies_are_lost_still_agree(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    """If replies are lost, at most one writer gets NEW, none DIFFERENT, and the object is intact."""
    store = open_store(f"s3://{s3_bucket}", StoreOptions(endpoint_url=fault_proxy.url))
    fault_proxy.add(Rule(Fault.LOST_REPLY, method="PUT", times=4))
    with ThreadPoolExecutor(8) as pool:
        told = Counter(pool.map(lambda _: store.create("k", b"same" * 5000), range(8)))
    assert fault_proxy.injected[Fault.LOST_REPLY] == 4
    assert told[Created.NEW] <= 1
    assert told[Created.NEW] + told[Created.SAME] == 8
    assert store.read("k") == b"same" * 5000


FORKING = """
import os, sys
from wsvad.storage import StoreOptions, open_store
from wsvad.storage.s3_client import s3_client
store = open_store(sys.argv[1], StoreOptions(endpoint_url=sys.argv[2] or None))
for number in range(20):
    store.create(f"{number}", bytes([number]) * 20_000)

def read_all():
    return all(store.read(f"{number}") == bytes([number]) * 20_000 for _ in range(3) for number in range(20))

def connection():
    return s3_client(store.options) if store.scheme == "s3" else object()

mine, children = connection(), []
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if connection() is not mine and read_all() else 1)
    children.append(child)
assert read_all()
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_a_store_survives_a_fork(location: Location) -> None:
    """A process forks after it used a store; parent and children read concurrently on their own connections."""
    command = [sys.executable, "-W", "error", "-c", FORKING, f"{location.uri}/data", location.endpoint_url or ""]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[0, 0, 0]\n", "")
