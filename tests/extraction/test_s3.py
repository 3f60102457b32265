"""The command from bucket to bucket, through a proxy that injects faults."""

import json
import os
import uuid

import pytest

from tests.extraction.harness import QUICK, finish, run_here, start, stored
from tests.services.fault_proxy import Fault, Rule
from tests.services.moto_server import CREDENTIALS
from wsvad.storage import StoreOptions, open_store

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def bucket(s3_bucket, moto_server, videos):
    """A bucket with the five videos below ``in/``."""
    store = open_store(f"s3://{s3_bucket}/in", StoreOptions(endpoint_url=moto_server.url))
    for path in videos.rglob("*"):
        if path.is_file():
            store.create(str(path.relative_to(videos)), path.read_bytes())
    return s3_bucket


def _extract(capsys, bucket, out, url, *more):
    words = ("--videos", f"s3://{bucket}/in", "--out", f"s3://{bucket}/{out}", "--s3-endpoint-url", url)
    return run_here(capsys, "extract", *words, *QUICK, *more)


def test_store_faults_do_not_change_the_result(bucket, moto_server, fault_proxy, capsys):
    """503, resets, lost replies, truncated and slow bodies: the same objects, byte for byte, as without faults."""
    code, calm = _extract(capsys, bucket, "calm", moto_server.url)
    assert (code, calm["clips"], calm["skipped"]) == (0, 34, 1)
    # one of each for certain, the rest by chance: there are only a few dozen requests
    fault_proxy.add(Rule(Fault.SLOW_DOWN, method="PUT", times=1), Rule(Fault.RESET, method="PUT", times=1))
    for method in ("GET", "PUT", "HEAD"):
        fault_proxy.add(Rule(Fault.SLOW_DOWN, method=method, probability=0.1, times=None))
    fault_proxy.add(
        Rule(Fault.RESET, probability=0.05, times=None),
        Rule(Fault.LOST_REPLY, method="PUT", path="units/", times=3),
        Rule(Fault.LOST_REPLY, method="PUT", path="snapshots/", times=1),
        Rule(Fault.TRUNCATE, method="GET", path="in/", times=3),
        Rule(Fault.TRICKLE, method="GET", path="in/", times=3, trickle_s=0.5),
    )
    code, stormy = _extract(capsys, bucket, "stormy", fault_proxy.url)
    assert (code, stormy["clips"], stormy["quarantined"]) == (0, 34, 0)
    for fault in (Fault.SLOW_DOWN, Fault.RESET, Fault.LOST_REPLY, Fault.TRUNCATE, Fault.TRICKLE):
        assert fault_proxy.injected[fault] > 0, fault
    options = StoreOptions(endpoint_url=moto_server.url)
    assert stored(f"s3://{bucket}/stormy", options) == stored(f"s3://{bucket}/calm", options)
    words = ("--out", f"s3://{bucket}/stormy", "--videos", f"s3://{bucket}/in", "--s3-endpoint-url", moto_server.url)
    code, report = run_here(capsys, "verify", *words, "--json")
    assert (code, report["faults"], report["clips"]) == (0, [], 34)


def test_a_store_outage_is_no_evidence_against_a_video(bucket, moto_server, fault_proxy, capsys):
    """Persistent failures of a unit's writes and a video's reads: exit code 4, nothing quarantined, then complete."""
    assert _extract(capsys, bucket, "plan", moto_server.url, "--dry-run")[0] == 0
    fault_proxy.add(
        Rule(Fault.SLOW_DOWN, method="GET", path="in/one.mp4", times=None),
        Rule(Fault.SLOW_DOWN, method="PUT", path="out/units/", times=None, after=2),
    )
    code, summary = _extract(capsys, bucket, "out", fault_proxy.url, "--s3-attempts", "2")
    assert (code, summary["quarantined"]) == (4, 0)
    assert summary["videos_incomplete"] >= 2
    assert {p["outcome"] for p in summary["problems"]} == {"failed"}
    assert summary["units_done_now"] == 2
    fault_proxy.clear()
    code, summary = _extract(capsys, bucket, "out", fault_proxy.url)
    assert (code, summary["units_done_before"], summary["clips"]) == (0, 2, 34)


def test_a_store_without_conditional_writes_is_detected(bucket, moto_server, capsys, caplog):
    """A store that ignores If-None-Match causes a warning, and a check before every write."""
    from tests.services.fault_proxy import FaultProxy

    with FaultProxy(moto_server.url, drop_headers=("If-None-Match",)) as proxy:
        capsys.readouterr()
        code, summary = _extract(capsys, bucket, "loose", proxy.url)
        assert (code, summary["clips"]) == (0, 34)
        assert _extract(capsys, bucket, "loose", proxy.url)[1]["units_to_do"] == 0


def test_credentials_are_never_written(bucket, moto_server):
    """A canary secret is in no output, no record, no object."""
    secret = f"canary-{uuid.uuid4().hex}"
    env = {**CREDENTIALS, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": f"token-{secret}"}
    words = ("--videos", f"s3://{bucket}/in/one.mp4", "--out", f"s3://{bucket}/secret", *QUICK, "--verbose")
    process = start("extract", "--ray", *words, "--s3-endpoint-url", moto_server.url, env=env)
    code, summary, log = finish(process)
    assert code == 0, log
    assert secret not in log + json.dumps(summary)
    store = open_store(f"s3://{bucket}/secret", StoreOptions(endpoint_url=moto_server.url))
    keys = [info.key for info in store.list()]
    assert any(k.startswith("runs/") for k in keys)
    assert all(secret.encode() not in store.read(k) for k in keys)


def test_a_missing_bucket_is_a_usage_error(bucket, moto_server, capsys):
    """Exit code 2 at once: waiting does not help."""
    assert "AWS_ACCESS_KEY_ID" in os.environ
    words = (
        "--videos",
        "s3://no-such-bucket-here/in",
        "--out",
        f"s3://{bucket}/x",
        "--s3-endpoint-url",
        moto_server.url,
    )
    assert run_here(capsys, "extract", *words, *QUICK)[0] == 2


def test_keys_with_empty_segments(s3_bucket, moto_server, videos, tmp_path, capsys):
    """Keys are literal: objects below ``//`` are extracted and verified like others, and found by their own URI."""
    sources = {"dbl//cam8/a.mp4": "short.mp4", "dbl/cam8//b.mkv": "exact.mkv", "dbl/cam8/a.mp4": "one.mp4"}
    for key, name in sources.items():
        moto_server.client.put_object(Bucket=s3_bucket, Key=key, Body=(videos / name).read_bytes())
    words = ("--out", str(tmp_path / "out"), "--s3-endpoint-url", moto_server.url)
    code, summary = run_here(capsys, "extract", "--videos", f"s3://{s3_bucket}/dbl", *words, *QUICK)
    assert (code, summary["videos_complete"], summary["clips"], summary["skipped"]) == (0, 3, 10, 0)
    code, report = run_here(capsys, "verify", "--videos", f"s3://{s3_bucket}/dbl", *words, "--json")
    assert (code, report["videos_complete"]) == (0, 3)
    words = ("--out", str(tmp_path / "single"), "--s3-endpoint-url", moto_server.url)
    code, summary = run_here(capsys, "extract", "--videos", f"s3://{s3_bucket}/dbl//cam8/a.mp4", *words, *QUICK)
    assert (code, summary["videos_complete"], summary["clips"]) == (0, 1, 5)


def test_results_are_not_written_below_an_empty_segment(bucket, moto_server, capsys, caplog):
    """A double slash in --out is refused before any work."""
    assert _extract(capsys, bucket, "out//x", moto_server.url)[0] == 2
    assert "leave out the second slash" in caplog.text


def test_a_public_bucket_without_credentials(s3_bucket, moto_server, videos, tmp_path, capsys, caplog, monkeypatch):
    """--s3-anonymous reads it; without the option the error names the missing credentials and the option."""
    moto_server.client.put_bucket_acl(Bucket=s3_bucket, ACL="public-read")
    data = (videos / "short.mp4").read_bytes()
    moto_server.client.put_object(Bucket=s3_bucket, Key="in/a.mp4", Body=data, ACL="public-read")
    for name in [name for name in os.environ if name.startswith("AWS_") and "KEY" in name]:
        monkeypatch.delenv(name)
    words = ("--videos", f"s3://{s3_bucket}/in", "--out", str(tmp_path / "out"), "--s3-endpoint-url", moto_server.url)
    assert run_here(capsys, "extract", *words, *QUICK)[0] == 4
    assert "public buckets can be read with --s3-anonymous" in caplog.text
    code, summary = run_here(capsys, "extract", *words, *QUICK, "--s3-anonymous")
    assert (code, summary["clips"]) == (0, 5)
