"""The same over HTTP, with real replies of an S3 server that a proxy disturbs: a few points, as they cost more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.scenarios import SCENARIOS
from tests.faults.state import comparable, comparable_after_part
from tests.services.fault_proxy import Fault, FaultProxy, Rule
from tests.services.moto_server import MotoServer
from wsvad.cli import main

IMPORT = SCENARIOS["import"]


def objects(server: MotoServer, bucket: str) -> dict[str, bytes]:
    """Return everything in a bucket but scratch space."""
    found = server.client.list_objects_v2(Bucket=bucket).get("Contents", ())
    keys = [item["Key"] for item in found if ".tmp" not in item["Key"].split("/")]
    return {key: server.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def fill(server: MotoServer, bucket: str, folder: Path) -> None:
    """Make a bucket hold the inputs and nothing else."""
    for item in server.client.list_objects_v2(Bucket=bucket).get("Contents", ()):
        server.client.delete_object(Bucket=bucket, Key=item["Key"])
    for path in folder.rglob("*"):
        if path.is_file():
            key = path.relative_to(folder).as_posix()
            server.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


@pytest.mark.parametrize(
    ("fault", "method", "codes"),
    [
        (Fault.SLOW_DOWN, None, (0,)),
        (Fault.RESET, None, (0,)),
        (Fault.LOST_REPLY, "PUT", (0,)),
        (Fault.TRUNCATE, "GET", (0,)),
        (Fault.DENY, None, (0, 4)),
        (Fault.FULL, "PUT", (4,)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_import(
    fault: Fault,
    method: str | None,
    codes: tuple[int, ...],
    s3_bucket: str,
    moto_server: MotoServer,
    fault_proxy: FaultProxy,
    tmp_path: Path,
) -> None:
    """Three requests each."""
    IMPORT.inputs(tmp_path)
    words = [*IMPORT.command(IMPORT.words, f"s3://{s3_bucket}"), "--s3-endpoint-url", fault_proxy.url]
    fill(moto_server, s3_bucket, tmp_path)
    before = objects(moto_server, s3_bucket)
    assert main(words) == 0
    expected = objects(moto_server, s3_bucket)
    for number in (1, 3, 5):
        fill(moto_server, s3_bucket, tmp_path)
        injected = fault_proxy.injected[fault]
        fault_proxy.add(Rule(fault, method=method, after=number))
        code = main(words)
        assert fault_proxy.injected[fault] == injected + 1
        assert code in codes
        if code:
            assert main(words) == 0
            found = objects(moto_server, s3_bucket)
            assert comparable_after_part(found, before) == comparable_after_part(expected, before)
        else:
            assert comparable(objects(moto_server, s3_bucket)) == comparable(expected)
