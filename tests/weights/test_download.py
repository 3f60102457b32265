"""Downloads: resumption, verification, final naming, and error messages."""

from __future__ import annotations

import base64
import datetime
import errno
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.weights.server import Behaviour, WebServer
from wsvad.errors import AccessDenied, ObjectNotFound, StorageError, StoreUnavailable, UsageError, WeightsError
from wsvad.weights import download as downloads
from wsvad.weights.digests import Digest, file_digest, parse_digest
from wsvad.weights.download import RetryPolicy, download
from wsvad.weights.http import redacted_url

CONTENT = np.random.default_rng(0).bytes(1_000_000)
OTHER = np.random.default_rng(1).bytes(1_000_000)
DIGEST = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())
PATIENCE = RetryPolicy(attempts=3, timeout_s=5, first_wait_s=0.001)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Path of the file, in a folder that does not exist yet."""
    return tmp_path / "weights" / "rgb.pt"


def get(web: WebServer, target: Path, path: str = "/rgb.pt", **options: object) -> None:
    """Fetch the file with few, short retries."""
    download(web.url + path, target, DIGEST, retries=PATIENCE, **options)


def self_signed(path: Path) -> Path:
    """Write a self-signed certificate of ``localhost``, valid for an hour, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(pem) + secret)
    return path


def files_in_folder(target: Path) -> list[str]:
    """Return the names in the folder."""
    return sorted(path.name for path in target.parent.iterdir())


def requested_ranges(web: WebServer) -> list[str | None]:
    """Return the range of each request."""
    return [headers.get("Range") for _, headers in web.behaviour.requests]


def test_a_complete_download_reports_progress(web: WebServer, target: Path) -> None:
    """One request; only the file remains."""
    web.behaviour.content = CONTENT
    told: list[tuple[int, int | None]] = []
    get(web, target, progress=lambda here, total: told.append((here, total)))
    assert target.read_bytes() == CONTENT
    assert files_in_folder(target) == ["rgb.pt"]
    assert requested_ranges(web) == [None]
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_broken_connections_are_resumed(web: WebServer, target: Path) -> None:
    """More breaks than attempts, but each with new bytes; requests use the entity tag of the first response."""
    web.behaviour.content = CONTENT
    web.behaviour.break_after = [300_000, 1000, 1000, 1000, 1000, 500_000]
    get(web, target)
    assert target.read_bytes() == CONTENT
    assert requested_ranges(web)[:3] == [None, "bytes=300000-", "bytes=301000-"]
    assert {headers.get("If-Range") for _, headers in web.behaviour.requests[1:]} == {'"v1"'}


def test_the_next_run_resumes_the_partial_download(web: WebServer, target: Path) -> None:
    """After giving up, the partial file is kept, and only the rest is requested."""
    web.behaviour.content = CONTENT
    web.behaviour.break_after = [400_000, 0, 0, 0]
    with pytest.raises(StoreUnavailable, match="400000 bytes are kept, run the same command to resume"):
        get(web, target)
    assert files_in_folder(target) == ["rgb.pt.part", "rgb.pt.part.json"]
    web.behaviour.requests.clear()
    web.behaviour.break_after.clear()
    get(web, target)
    assert requested_ranges(web) == ["bytes=400000-"]
    assert target.read_bytes() == CONTENT
    assert files_in_folder(target) == ["rgb.pt"]


@pytest.mark.parametrize("what", ["another file", "no ranges", "no tag", "weak tag", "another URL", "note is rubbish"])
def test_an_unusable_partial_download_is_restarted(web: WebServer, target: Path, what: str) -> None:
    """The file changed, the server supports no ranges, or the origin of the partial file is unknown."""
    does = web.behaviour
    does.content, does.break_after = (
        OTHER if what in ("another file", "no tag", "weak tag") else CONTENT,
        [400_000, 0, 0, 0],
    )
    does.etag = {"no tag": "", "weak tag": 'W/"v1"'}.get(what, '"v1"')
    with pytest.raises(StoreUnavailable):
        get(web, target)
    does.break_after.clear()
    does.content = CONTENT
    does.ranges = what != "no ranges"
    does.etag = {"another file": '"v2"'}.get(what, does.etag)
    if what == "note is rubbish":
        (target.parent / "rgb.pt.part.json").write_text("[]")
    get(web, target, "/elsewhere/rgb.pt" if what == "another URL" else "/rgb.pt")
    assert target.read_bytes() == CONTENT
    assert files_in_folder(target) == ["rgb.pt"]


def test_a_complete_partial_file_needs_no_more_bytes(web: WebServer, target: Path) -> None:
    """Killed between the last byte and the rename: the server reports that there is no more, and the digest matches."""
    web.behaviour.content = CONTENT
    target.parent.mkdir()
    (target.parent / "rgb.pt.part").write_bytes(CONTENT)
    note = {"url": f"{web.url}/rgb.pt", "validator": '"v1"'}
    (target.parent / "rgb.pt.part.json").write_text(json.dumps(note))
    get(web, target)
    assert target.read_bytes() == CONTENT
    web.behaviour.requests.clear()
    (target.parent / "rgb.pt.part").write_bytes(CONTENT)
    (target.parent / "rgb.pt.part.json").write_text(json.dumps(note))
    get(web, target, size=len(CONTENT))
    assert web.behaviour.requests == []


def test_other_content_is_removed_and_the_existing_file_kept(web: WebServer, target: Path) -> None:
    """Wrong digest: only the old file remains; the message states the expected digest and what was received."""
    target.parent.mkdir()
    target.write_bytes(b"old")
    web.behaviour.content = OTHER
    with pytest.raises(WeightsError, match=rf"expected {DIGEST}, got 1000000 bytes of other content; the download"):
        get(web, target)
    assert target.read_bytes() == b"old"
    assert files_in_folder(target) == ["rgb.pt"]
    web.behaviour.content = b"<!DOCTYPE html><p>Please log in"
    with pytest.raises(WeightsError, match="a web page"):
        get(web, target)


@pytest.mark.parametrize(
    ("status", "error", "message", "tries"),
    [
        (404, ObjectNotFound, "status 404, no such file", 1),
        (410, ObjectNotFound, "status 410", 1),
        (403, AccessDenied, "status 403, access denied", 1),
        (400, StorageError, "status 400", 1),
        (503, StoreUnavailable, "status 503, try again; 0 bytes are kept", 3),
        (429, StoreUnavailable, "status 429", 3),
    ],
)
def test_error_responses(web, target, status: int, error: type, message: str, tries: int) -> None:
    """Permanent errors are raised at once, others after some retries."""
    web.behaviour.statuses = [status] * 9
    with pytest.raises(error, match=message):
        get(web, target)
    assert len(web.behaviour.requests) == tries


def test_a_recovering_server_is_retried(web: WebServer, target: Path) -> None:
    """Two errors, then the file."""
    web.behaviour.content, web.behaviour.statuses = CONTENT, [503, 500]
    get(web, target)
    assert target.read_bytes() == CONTENT


def test_network_errors_are_named(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without an address, and a port without a listener."""

    def no_address(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/rgb.pt"
        with pytest.raises(StoreUnavailable, match="Connection refused"):
            download(url, target, DIGEST, retries=PATIENCE)
    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    with pytest.raises(StoreUnavailable, match=r"https://host\.invalid/rgb\.pt: cannot resolve the host name"):
        download("https://host.invalid/rgb.pt", target, DIGEST, retries=PATIENCE)


def test_redirects_are_followed_only_to_http(web: WebServer, target: Path, tmp_path: Path) -> None:
    """Another path is fine; a local file is not read."""
    web.behaviour.content, web.behaviour.location = CONTENT, "/rgb.pt"
    get(web, target, "/moved")
    assert target.read_bytes() == CONTENT
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    target.unlink()
    for location in (f"file://{secret}", "ftp://127.0.0.1/rgb.pt", "http://[::1/rgb.pt", "http://me:pw@127.0.0.1/"):
        web.behaviour.location = location
        with pytest.raises(StorageError, match="redirects to an invalid or non-http"):
            get(web, target, "/moved")
    assert not target.exists()


def test_redirect_loops_end(web: WebServer, target: Path) -> None:
    """A server with a redirect loop is not followed forever."""
    web.behaviour.content, web.behaviour.location = CONTENT, "/moved"
    with pytest.raises(StorageError, match="/moved: more than 10 redirects"):
        get(web, target, "/moved")
    assert 5 < len(web.behaviour.requests) < 20


@pytest.fixture
def proxy() -> Iterator[WebServer]:
    """A second server, which responds for any host."""
    with WebServer(Behaviour(content=CONTENT)).running() as server:
        yield server


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_proxy_of_the_environment_is_used(proxy: WebServer, target: Path, monkeypatch, scheme: str) -> None:
    """It receives the whole URL and its password; the host needs no address here."""
    host = proxy.url.removeprefix("http://")
    monkeypatch.setenv("http_proxy", f"{scheme}me:p%40ss@{host}")
    download("http://far.invalid/rgb.pt", target, DIGEST, retries=PATIENCE)
    ((path, headers),) = proxy.behaviour.requests
    assert path == "http://far.invalid/rgb.pt"
    (said,) = [value for name, value in headers.items() if name.lower() == "proxy-authorization"]
    assert base64.b64decode(said.removeprefix("Basic ")) == b"me:p@ss"
    assert target.read_bytes() == CONTENT


def test_each_redirect_uses_its_own_proxy(web: WebServer, proxy: WebServer, target: Path, monkeypatch) -> None:
    """A host without proxy is reached directly, and may redirect to one that needs it."""
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    web.behaviour.location = "http://far.invalid/rgb.pt"
    get(web, target, "/moved")
    assert [path for path, _ in web.behaviour.requests] == ["/moved"]
    assert [path for path, _ in proxy.behaviour.requests] == ["http://far.invalid/rgb.pt"]
    assert target.read_bytes() == CONTENT


def test_an_unreachable_proxy_is_reported_without_its_password(target: Path, monkeypatch) -> None:
    """The password of an invalid proxy is not repeated either."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://me:s3cret@127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(StoreUnavailable, match="Connection refused") as caught:
            download("http://far.invalid/rgb.pt", target, DIGEST, retries=PATIENCE)
    assert "s3cret" not in str(caught.value)
    for proxy in ("socks9://me:s3cret@127.0.0.1:1", "http://me:s3cret@127.0.0.1:port", "http://me:s3cret@[::1:80"):
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(StorageError, match="a proxy is http") as other:
            download("http://far.invalid/rgb.pt", target, DIGEST, retries=PATIENCE)
        assert "s3cret" not in str(other.value)


def test_a_silent_server_times_out(target: Path) -> None:
    """It accepts the connection and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/rgb.pt"
        with pytest.raises(StoreUnavailable, match="timeout"):
            download(url, target, DIGEST, retries=RetryPolicy(attempts=1, timeout_s=0.2, first_wait_s=0.001))


def test_an_untrusted_certificate_is_refused(web, target, tmp_path: Path, monkeypatch) -> None:
    """At once, without fetching; with the certificate in the environment, the file is fetched."""
    web.behaviour.content = CONTENT
    certificate = self_signed(tmp_path / "localhost.pem")
    web.use_tls(certificate)
    with pytest.raises(StorageError, match="certificate is not trusted"):
        get(web, target)
    assert web.behaviour.requests == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    get(web, target)
    assert target.read_bytes() == CONTENT


def test_too_large_files_are_not_written(web, target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with a too large size header, and one without end."""
    web.behaviour.content = CONTENT
    with pytest.raises(StorageError, match="expected at most 1000 bytes, got 1000000"):
        get(web, target, size=1000)
    web.behaviour.says_length = False
    monkeypatch.setattr(downloads, "MAX_BYTES", 500_000)
    with pytest.raises(StorageError, match="expected at most 500000 bytes, got more"):
        get(web, target)
    assert not target.exists()


def test_a_full_disk_is_reported(web: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the file and the remedy."""
    web.behaviour.content = CONTENT

    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(downloads, "_copy", full)
    with pytest.raises(StorageError, match=r"cannot write .*rgb\.pt\.part: No space left on device; free space"):
        get(web, target)


def test_a_second_download_into_the_folder_is_refused(web: WebServer, target: Path) -> None:
    """The message says to wait."""
    target.parent.mkdir()
    descriptor = os.open(target.parent, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(StorageError, match=r"another download into .* is running"):
        get(web, target)
    os.close(descriptor)


@pytest.mark.parametrize(
    "url", ["ftp://host/a.pt", "file:///etc/passwd", "http://", "https://me:pw@host/a.pt", "http://a b/c"]
)
def test_only_plain_http_urls_are_accepted(url: str, target: Path) -> None:
    """No other scheme, and no password, which is not repeated."""
    with pytest.raises(UsageError, match="expected http") as caught:
        download(url, target, DIGEST)
    assert "pw" not in str(caught.value)


def test_a_signature_in_a_url_is_not_shown() -> None:
    """Queries may be secret."""
    assert redacted_url("https://host/a.pt?X-Amz-Signature=s3cret") == "https://host/a.pt?…"


def test_digests_equal_those_of_git_and_sha256sum(tmp_path: Path) -> None:
    """``git hash-object`` of an empty file and of ``hello``, and the usual SHA-256."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert file_digest(path, "git").hex == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    path.write_bytes(b"hello\n")
    assert str(file_digest(path, "git")) == "git:ce013625030ba8dba906f756967f9e9ca394464a"
    assert parse_digest(file_digest(path, "sha256").hex).matches_file(path)
    assert parse_digest("GIT:CE013625030BA8DBA906F756967F9E9CA394464A").matches_bytes(b"hello\n")
    for text in ("", "sha256:12", "git:" + "0" * 64, "md5:" + "0" * 40, "0" * 41):
        with pytest.raises(UsageError, match="--digest must be"):
            parse_digest(text)
