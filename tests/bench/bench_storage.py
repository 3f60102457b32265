"""Requests to object storage through s3fs, beside the same requests through boto3.

Run ``python -m tests.bench.bench_storage`` (five to ten minutes on 2 cores). In one process, in turns, so that a busy
machine slows both alike; against a server of canned replies in a process of its own, as a real one, moto included,
would be the bottleneck. Everything above the client (retries, checks of length and tag) is the same code in both.

For each task: median CPU seconds of this process, all its threads, and seconds on the clock; then s3fs over boto3.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import multiprocessing
import os
import re
import socketserver
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config

from tests.services.moto_server import CREDENTIALS
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.storage.s3_client import Reply, S3Client, s3_client

PAGES, PAGE_KEYS = 100, 1000
BODY = bytes(range(256)) * (100 << 12)
SMALL = b"x" * 1000


def _page(number: int) -> bytes:
    items = "".join(
        f"<Contents><Key>n/{key:06}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{key:032x}&quot;</ETag><Size>1000</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key in range(number * PAGE_KEYS, (number + 1) * PAGE_KEYS)
    )
    last = number == PAGES - 1
    more = "" if last else f"<NextContinuationToken>{number + 1}</NextContinuationToken>"
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
        f"<Prefix></Prefix><IsTruncated>{str(not last).lower()}</IsTruncated>{items}{more}</ListBucketResult>"
    ).encode()


class Canned(socketserver.StreamRequestHandler):
    """As little of HTTP and of S3 as the two clients need."""

    pages = functools.lru_cache(maxsize=None)(_page)
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, path, _ = line.decode().split(" ", 2)
            headers = {}
            while header := self.rfile.readline().strip():
                name, _, value = header.decode().partition(":")
                headers[name.lower()] = value.strip()
            if headers.get("expect"):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.rfile.read(int(headers.get("content-length", 0)))
            status, more, body = self._reply(method, path, headers.get("range", ""))
            self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode())
            self.wfile.write(body)

    def _reply(self, method: str, path: str, span: str) -> tuple[str, str, Any]:
        tag = 'ETag: "x"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n'
        if method != "GET":
            return "200 OK", tag if method == "PUT" else "", b""
        if "list-type" in path:
            token = re.search(r"continuation-token=(\d+)", path)
            return "200 OK", "Content-Type: application/xml\r\n", Canned.pages(int(token[1]) if token else 0)
        if asked := re.match(r"bytes=(\d+)-(\d+)", span):
            first, last = int(asked[1]), int(asked[2])
            tag += f"Content-Range: bytes {first}-{last}/{len(BODY)}\r\n"
            return "206 Partial Content", tag, memoryview(BODY)[first : last + 1]
        return "200 OK", tag, memoryview(BODY)


def _serve(port: Any) -> None:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Canned)
    server.daemon_threads = True
    for number in range(PAGES):
        Canned.pages(number)
    port.put(server.server_address[1])
    server.serve_forever()


class BotoClient:
    """What ``S3Client`` does, as an earlier version of ``wsvad.storage`` did it."""

    anonymous = False

    def __init__(self, url: str) -> None:
        config = Config(
            max_pool_connections=32,
            retries={"mode": "standard", "total_max_attempts": 1},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
            user_agent_extra="wsvad",
        )
        self._client = boto3.Session().client("s3", endpoint_url=url, config=config)

    def call(self, operation: str, **request: Any) -> Reply:
        return dict(getattr(self._client, operation)(**request))

    def send(self, data: bytes, **request: Any) -> Reply:
        return dict(self._client.put_object(**request, Body=io.BytesIO(data)))

    def fetch(self, length_of: Callable[[Reply], int], **request: Any) -> tuple[Reply, bytes]:
        reply = self._client.get_object(**request)
        length, data = length_of(reply), bytearray()
        with reply["Body"] as stream:
            while len(data) < length and (part := stream.read1(min(1 << 20, length - len(data)))):
                data += part
        return reply, bytes(data)


def list_keys(store: Store) -> None:
    """100,000 keys."""
    assert sum(1 for _ in store.list()) == PAGES * PAGE_KEYS


def create_small(store: Store) -> None:
    """1,000 objects of 1,000 bytes, one after the other."""
    for number in range(1000):
        store.create(f"k{number}", SMALL)


def create_in_threads(store: Store) -> None:
    """The same in eight threads."""
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda number: store.create(f"k{number}", SMALL), range(1000)):
            pass


def read_whole(store: Store) -> None:
    """100 MB (100 * 2**20 bytes), twice."""
    for _ in range(2):
        assert len(store.read("k")) == len(BODY)


def read_ranges(store: Store) -> None:
    """The same 100 MB in ranges of 1 MB."""
    for start in range(0, len(BODY), 1 << 20):
        assert len(store.read_range("k", start, start + (1 << 20))) == 1 << 20


def write_whole(store: Store) -> None:
    """100 MB, twice."""
    for _ in range(2):
        store.replace("k", BODY)


_TASKS = (create_small, create_in_threads, list_keys, read_whole, read_ranges, write_whole)
TASKS = {task.__name__: task for task in _TASKS}

FIRST = {
    "boto3": "import boto3; boto3.client('s3', endpoint_url={url!r}).delete_object(Bucket='bucket', Key='k')",
    "s3fs": "from wsvad.storage import *; open_store('s3://bucket', StoreOptions(endpoint_url={url!r})).delete('k')",
}


def first_request(name: str, url: str) -> float:
    """CPU seconds of a new process that makes one request."""
    code = FIRST[name].format(url=url) + "; import time; print(time.process_time())"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure(url: str, rounds: int, tasks: list[str]) -> dict[str, Any]:
    """Median CPU and clock seconds of every task, by client, and what s3fs takes over what boto3 takes."""
    store = open_store("s3://bucket", StoreOptions(endpoint_url=url))
    clients: dict[str, BotoClient | S3Client] = {"boto3": BotoClient(url), "s3fs": s3_client(store.options)}
    found: dict[str, Any] = {}
    for task in tasks:
        cpu: dict[str, list[float]] = {name: [] for name in clients}
        clock: dict[str, list[float]] = {name: [] for name in clients}
        for turn in range(rounds):
            for name in sorted(clients, reverse=turn % 2 == 1):
                with mock.patch("wsvad.storage.s3.s3_client", lambda _, name=name: clients[name]):
                    store.delete("k")  # a connection is there
                    started, cpu_started = time.perf_counter(), time.process_time()
                    TASKS[task](store)
                    cpu[name].append(time.process_time() - cpu_started)
                    clock[name].append(time.perf_counter() - started)
        found[task] = _summary(cpu, clock)
        print(json.dumps({task: found[task]}), file=sys.stderr, flush=True)
    first = {name: [first_request(name, url) for _ in range(rounds)] for name in clients}
    found["first_request"] = _summary(first, None)
    return found


def _summary(cpu: dict[str, list[float]], clock: dict[str, list[float]] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for unit, seconds in (("cpu_s", cpu), ("clock_s", clock)):
        if seconds is None:
            continue
        found[unit] = {name: round(statistics.median(values), 3) for name, values in seconds.items()}
        # of each turn, then their median: what slowed a turn slowed both
        ratios = [new / old for old, new in zip(seconds["boto3"], seconds["s3fs"], strict=True)]
        found[f"{unit} s3fs/boto3"] = round(statistics.median(ratios), 2)
        found[f"{unit} range"] = [round(min(ratios), 2), round(max(ratios), 2)]
    return found


def main() -> None:
    """Measure, print figures and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--task", action="append", choices=sorted(TASKS), help="only this one; may be repeated")
    args = parser.parse_args()
    os.environ.update(CREDENTIALS)
    os.environ["NO_PROXY"] = "127.0.0.1"
    context = multiprocessing.get_context("spawn")
    port = context.Queue()
    server = context.Process(target=_serve, args=(port,), daemon=True)
    server.start()
    try:
        url = f"http://127.0.0.1:{port.get(timeout=60)}"
        print(json.dumps(measure(url, args.rounds, args.task or list(TASKS)), indent=1))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
