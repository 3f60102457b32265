"""Credentials never leave the AWS environment of the process: not in messages, logs, repr, pickles or tracebacks."""

from __future__ import annotations

import logging
import pickle
import stat
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from wsvad.errors import AccessDenied, StorageError, UsageError
from wsvad.storage import Store, StoreOptions, normalize_uri, open_object, open_store

KEY_ID, SECRET, TOKEN = "AKIACANARYCANARY", "canary-secret/with+slash", "canary-session-token"
CANARIES = (KEY_ID, SECRET, TOKEN, "Signature=", "canary")


class EchoingHandler(BaseHTTPRequestHandler):
    """Refuses everything, and repeats all headers of the request in the reply."""

    protocol_version = "HTTP/1.1"
    status, code = 403, "AccessDenied"

    def refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        words = "; ".join(f"{name}: {value}" for name, value in self.headers.items())
        body = f"<Error><Code>{self.code}</Code><Message>{words}</Message></Error>".encode()
        self.send_response_only(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = refuse


@pytest.fixture
def echoing_url() -> Iterator[str]:
    """URL of a store that refuses and echoes."""
    with ThreadingHTTPServer(("127.0.0.1", 0), EchoingHandler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def canary_environment(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that can be searched for."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


def everything_shown(store: Store, caplog: pytest.LogCaptureFixture) -> tuple[str, list[StorageError]]:
    """Fail in every way, logging at DEBUG; return all output and the errors."""
    shown, errors = [], []
    with caplog.at_level(logging.DEBUG):
        for act in (
            store.probe,
            lambda: store.stat("k"),
            lambda: store.read("k"),
            lambda: store.read_range("k", 0, 5),
            lambda: list(store.list()),
            lambda: store.create("k", b"x"),
            lambda: store.replace("k", b"x"),
            lambda: store.delete("k"),
        ):
            with pytest.raises(StorageError) as caught:
                act()
            errors.append(caught.value)
            shown += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
            shown += traceback.format_exception(caught.value)
            logging.getLogger("test").error("failed", exc_info=caught.value)
    shown += [repr(store), repr(store.options), repr(pickle.dumps(store)), caplog.text]
    return "\n".join(shown), errors


@pytest.mark.usefixtures("canary_environment")
def test_a_store_that_echoes_the_request_reveals_nothing(echoing_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal that repeats signature, key id and session token becomes AccessDenied without any of them."""
    store = open_store("s3://bucket/prefix", StoreOptions(endpoint_url=echoing_url))
    shown, errors = everything_shown(store, caplog)
    assert all(type(error) is AccessDenied for error in errors)
    assert "check the credentials and their permissions" in shown
    assert "s3://bucket/prefix/k" in shown
    assert [canary for canary in CANARIES if canary in shown] == []


@pytest.mark.usefixtures("canary_environment")
@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (400, "ExpiredToken", AccessDenied, "have expired"),
        (403, "RequestTimeTooSkewed", AccessDenied, "clock"),
        (403, "SignatureDoesNotMatch", AccessDenied, "check the credentials"),
        (400, "AuthorizationHeaderMalformed", StorageError, "another region"),
        (400, "Authorization: AWS4 canary", StorageError, "400 unnamed"),
        (405, "MethodNotAllowed", StorageError, "405 MethodNotAllowed"),
    ],
)
def test_refusals_have_remedies(
    echoing_url: str, monkeypatch: pytest.MonkeyPatch, status: int, code: str, kind: type[StorageError], words: str
) -> None:
    """Each kind of refusal has its error and remedy; an unusual code is not shown."""
    monkeypatch.setattr(EchoingHandler, "status", status)
    monkeypatch.setattr(EchoingHandler, "code", code)
    store = open_store("s3://bucket", StoreOptions(endpoint_url=echoing_url))
    with pytest.raises(StorageError, match=words) as caught:
        store.read("k")
    assert type(caught.value) is kind
    assert [canary for canary in CANARIES if canary in "".join(traceback.format_exception(caught.value))] == []


@pytest.mark.usefixtures("aws_environment")
def test_missing_credentials_are_reported(
    echoing_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every operation raises AccessDenied with the remedy."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    _, errors = everything_shown(open_store("s3://bucket", StoreOptions(endpoint_url=echoing_url)), caplog)
    assert all(type(error) is AccessDenied for error in errors)
    assert all("set AWS_PROFILE, or AWS_ACCESS_KEY_ID" in str(error) for error in errors)


@pytest.mark.usefixtures("aws_environment")
def test_output_of_a_credential_helper_is_not_shown(
    echoing_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A credential_process that fails with a secret on stderr raises AccessDenied without that text."""
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\necho {SECRET} >&2\nexit 1\n")
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "config").write_text(f"[profile helped]\ncredential_process = {helper}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = open_store("s3://bucket", StoreOptions(endpoint_url=echoing_url, profile="helped"))
    shown, errors = everything_shown(store, caplog)
    assert all(type(error) is AccessDenied for error in errors)
    assert SECRET not in shown


@pytest.mark.usefixtures("aws_environment")
def test_an_unknown_profile_is_a_usage_error() -> None:
    """A missing profile is detected before any request."""
    with pytest.raises(UsageError, match="check the profile"):
        open_store("s3://bucket", StoreOptions(profile="no-such-profile")).read("k")


@pytest.mark.parametrize(
    "uri",
    [
        f"s3://{KEY_ID}:{SECRET}@bucket/key",
        f"s3://{KEY_ID}:canary@bucket/key",
        f"s3://{KEY_ID}:canary/with@bucket",
        "s3://canary@bucket/key",
        "file://user:canary@host/path",
        f"https://{KEY_ID}:canary@host/video.mp4?X-Amz-Signature=canary",
    ],
)
def test_credentials_in_a_uri_are_refused_and_not_shown(uri: str) -> None:
    """A URI with userinfo is a usage error whose message contains no part of it."""
    for act in (open_store, open_object, normalize_uri):
        with pytest.raises(UsageError) as caught:
            act(uri)
        assert [canary for canary in CANARIES if canary in str(caught.value)] == []


@pytest.mark.usefixtures("aws_environment")
@pytest.mark.parametrize("endpoint", ["http://user:canary@127.0.0.1:1", "http://127.0.0.1:1/?sig=canary"])
def test_credentials_in_an_endpoint_are_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Neither option nor environment may have a password in the endpoint, and neither is shown."""
    with pytest.raises(UsageError) as caught:
        StoreOptions(endpoint_url=endpoint)
    assert "canary" not in str(caught.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(UsageError) as caught:
        open_store("s3://bucket").read("k")
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.usefixtures("canary_environment")
def test_the_environment_is_read_when_a_store_connects(echoing_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a store that was made before the environment changed."""
    store = open_store("s3://bucket", StoreOptions(max_attempts=1))
    monkeypatch.setenv("AWS_ENDPOINT_URL", echoing_url)
    with pytest.raises(AccessDenied):
        store.read("k")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError, match="after 1 attempts"):
        store.read("k")
