"""Reasons of refused requests reach the user, although replies to HEAD have no body; and unsigned requests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.services import terse_s3
from tests.services.fault_proxy import Fault, FaultProxy, Rule
from tests.services.moto_server import MotoServer
from tests.services.terse_s3 import Refusal, TerseS3
from wsvad.cli import main
from wsvad.errors import AccessDenied, ObjectNotFound, StorageError, StoreUnavailable, UnusablePlace, UsageError
from wsvad.storage import Store, StoreOptions, open_store


@pytest.fixture
def server(aws_environment: None) -> Iterator[TerseS3]:
    """A server that refuses everything, and credentials for it."""
    with TerseS3() as running:
        yield running


def refused(server: TerseS3, refusal: Refusal, **options: Any) -> Store:
    """A store whose bucket answers every request with that refusal."""
    server.refusals["bucket"] = refusal
    return open_store("s3://bucket/in", StoreOptions(endpoint_url=server.url, max_attempts=2, **options))


SAID = [
    (terse_s3.EXPIRED, AccessDenied, "400 ExpiredToken; the credentials have expired"),
    (terse_s3.CLOCK, AccessDenied, "403 RequestTimeTooSkewed; the clocks differ"),
    (terse_s3.MALFORMED, StorageError, r"wrong region \(expected eu-central-1\)"),
    (Refusal(400, "AuthorizationHeaderMalformed", "the region 'x' is wrong; expecting 'ap-south-2'"), StorageError,
     r"wrong region \(expected ap-south-2\)"),
    (terse_s3.ELSEWHERE, StorageError, r"301 PermanentRedirect; wrong region \(expected eu-west-1\)"),
    (Refusal(307, "TemporaryRedirect"), StorageError, "redirects every request.*check --s3-endpoint-url"),
    (Refusal(400, "IllegalLocationConstraintException"), StorageError, "wrong region: .*set --s3-region"),
    (terse_s3.KEY_DISABLED, StorageError, "400 KMS.DisabledException"),
    (Refusal(403, "InvalidAccessKeyId"), AccessDenied, "403 InvalidAccessKeyId; check the credentials"),
    (terse_s3.NO_BUCKET, UnusablePlace, "there is no such bucket"),
]  # fmt: skip


@pytest.mark.parametrize(("refusal", "kind", "said"), SAID, ids=lambda value: getattr(value, "code", ""))
@pytest.mark.parametrize("ask", ["stat", "list", "read", "create", "delete"])
def test_the_reason_is_reported(server: TerseS3, refusal: Refusal, kind: type, said: str, ask: str) -> None:
    """For all requests, including HEAD."""
    store = refused(server, refusal)
    acts = {"list": lambda: list(store.list()), "create": lambda: store.create("k", b"x")}
    with pytest.raises(StorageError, match=said) as caught:
        acts.get(ask, lambda: getattr(store, ask)("k"))()
    assert type(caught.value) is kind


@pytest.mark.parametrize("verb", ["extract", "verify", "manifest", "doctor", "import-features"])
def test_verbs_report_the_reason(server: TerseS3, capsys, caplog, tmp_path, verb):
    """For a single object and for a prefix: exit code 4, and a remedy."""
    server.refusals["bucket"] = terse_s3.EXPIRED
    words = {
        "extract": ["--videos", "s3://bucket/a.mp4", "--out", str(tmp_path / "out"), "--weights", "random"],
        "verify": ["--out", "s3://bucket/out"],
        "manifest": ["ucf-crime", "--root", "s3://bucket/ucf", "--out", str(tmp_path / "m.csv")],
        "doctor": ["--videos", "s3://bucket/a.mp4"],
        "import-features": ["--files", "s3://bucket/a.npy", "--out", str(tmp_path / "out"), "--source", "x"],
    }[verb]
    assert main([verb, *words, "--s3-endpoint-url", server.url]) == 4
    shown = capsys.readouterr()
    assert "the credentials have expired" in " ".join(f"{caplog.text} {shown.out} {shown.err}".split())


def test_a_missing_object_in_an_existing_bucket(server: TerseS3) -> None:
    """It is not reported as a missing bucket."""
    with pytest.raises(ObjectNotFound, match="there is no such object"):
        refused(server, terse_s3.NO_KEY).stat("k")


def test_throttling_is_retried(server: TerseS3) -> None:
    """Up to the number of attempts; HEAD is not followed by GET, because its status is sufficient."""
    for act in (Store.stat, Store.read):
        with pytest.raises(StoreUnavailable, match=r"503.* after 2 attempts"):
            act(refused(server, terse_s3.SLOW_DOWN), "k")
    assert server.requests == {("bucket", "HEAD"): 2, ("bucket", "GET"): 2}
    # a store that throttles with a status of its own
    with pytest.raises(StoreUnavailable, match="400 SlowDown, after 2 attempts"):
        refused(server, Refusal(400, "SlowDown")).stat("k")


def test_head_may_be_refused_although_get_is_allowed(
    moto_server: MotoServer, s3_bucket: str, fault_proxy: FaultProxy
) -> None:
    """A gateway that answers HEAD with 405 hides no object; a missing object is not found."""
    for key, data in {"k": b"0123456789", "one": b"1"}.items():
        moto_server.client.put_object(Bucket=s3_bucket, Key=key, Body=data)
    plain = open_store(f"s3://{s3_bucket}", StoreOptions(endpoint_url=moto_server.url))
    fault_proxy.add(Rule(Fault.FORBID, method="HEAD", times=None))
    store = open_store(f"s3://{s3_bucket}", StoreOptions(endpoint_url=fault_proxy.url))
    assert [store.stat("k"), store.stat("one")] == [plain.stat("k"), plain.stat("one")]
    with pytest.raises(ObjectNotFound):
        store.stat("absent")
    assert fault_proxy.injected[Fault.FORBID] == 3


def test_unsigned_requests(server: TerseS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is signed, and no credentials are looked up; the message of a refusal mentions it."""
    for name in [name for name in os.environ if name.startswith("AWS_") and "KEY" in name]:
        monkeypatch.delenv(name)
    with pytest.raises(AccessDenied, match=r"no usable AWS credentials.*--s3-anonymous"):
        refused(server, Refusal(403, "AccessDenied")).stat("k")
    assert not server.requests
    store = refused(server, Refusal(403, "AccessDenied"), anonymous=True)
    for act in (lambda: store.stat("k"), lambda: list(store.list()), lambda: store.create("k", b"x")):
        with pytest.raises(AccessDenied, match=r"403 AccessDenied; .* leave out --s3-anonymous"):
            act()
    assert server.requests
    assert server.signed == 0
    with pytest.raises(UsageError, match="--s3-profile"):
        StoreOptions(anonymous=True, profile="mine")


def test_a_public_bucket_is_read_without_credentials(
    moto_server: MotoServer, aws_environment: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the store and by the verbs; a private bucket is not."""
    public, private = moto_server.make_bucket(), moto_server.make_bucket()
    moto_server.client.put_bucket_acl(Bucket=public, ACL="public-read")
    moto_server.client.put_object(Bucket=public, Key="cam/a.mp4", Body=b"0123456789", ACL="public-read")
    moto_server.client.put_object(Bucket=private, Key="cam/a.mp4", Body=b"x")
    for name in [name for name in os.environ if name.startswith("AWS_") and "KEY" in name]:
        monkeypatch.delenv(name)
    options = StoreOptions(endpoint_url=moto_server.url, anonymous=True)
    store = open_store(f"s3://{public}/cam", options)
    (info,) = store.list()
    assert store.read_range("a.mp4", 2, 5, expect=info) == b"234"
    assert store.read("a.mp4") == b"0123456789"
    assert store.stat("a.mp4") == info
    with pytest.raises(AccessDenied):
        open_store(f"s3://{private}/cam", options).read("a.mp4")
    words = ["doctor", "--videos", f"s3://{public}/cam", "--s3-endpoint-url", moto_server.url, "--json"]
    capsys.readouterr()
    assert main([*words, "--s3-anonymous"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert (checks["videos"]["status"], checks["credentials"]["status"]) == ("ok", "ok")
    assert main(words) == 4
