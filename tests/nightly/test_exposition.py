"""Prometheus metrics: parsed with the official client, and sent to a Pushgateway."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from wsvad.errors import StorageError, UsageError
from wsvad.nightly.exposition import Metric, check_gateway, check_textfile, push, registry_of, write_textfile

Requests = list[tuple[str, str, dict[str, str], bytes]]
FIGURES = [Metric("events", "Events.", [({}, 1.0)])]


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=20), st.floats(-1e12, 1e12), min_size=1, max_size=5)
)
def test_label_values_can_be_any_text(values):
    """Quotes, newlines and backslashes in labels survive the round trip."""
    samples = [({"camera": text}, value) for text, value in values.items()]
    text = generate_latest(registry_of([Metric("events", "a\nb", samples)])).decode()
    families = list(text_string_to_metric_families(text))
    assert {s.labels["camera"]: s.value for f in families for s in f.samples} == values


def test_textfile_is_replaced_atomically(tmp_path):
    """The file is replaced atomically, and no temporary file is left."""
    path = tmp_path / "wsvad.prom"
    path.write_text("old")
    write_textfile(str(path), FIGURES)
    assert path.read_text().splitlines()[-1] == "wsvad_rescore_events 1.0"
    with pytest.raises(StorageError):
        write_textfile(str(tmp_path / "no" / "wsvad.prom"), FIGURES)
    assert [p.name for p in tmp_path.iterdir()] == ["wsvad.prom"]
    for wrong in (str(tmp_path / "wsvad.txt"), str(tmp_path / "no" / "wsvad.prom")):
        with pytest.raises(UsageError):
            check_textfile(wrong)


@pytest.fixture
def gateway() -> Iterator[tuple[str, Requests, list[int]]]:
    """A fake Pushgateway: its URL, the received requests, and the status codes of its next responses."""
    requests: Requests = []
    answers = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.command, self.path, dict(self.headers), body))
            self.send_response(answers[0])
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requests, answers
        server.shutdown()
        thread.join()


def test_push(gateway):
    """Uses POST, which keeps metrics that are not sent; the password is sent in a header and not in the path."""
    url, requests, _ = gateway
    push(url + "/", "wsvad_rescore", FIGURES)
    push(url.replace("//", "//me:PL%40NTED@"), "a/b", FIGURES)
    (method, path, headers, body), (_, odd, more, _) = requests
    assert (method, path) == ("POST", "/metrics/job/wsvad_rescore")
    assert b"wsvad_rescore_events 1.0" in body
    assert headers["Content-Type"].startswith("text/plain")
    assert odd == "/metrics/job@base64/" + base64.urlsafe_b64encode(b"a/b").decode()
    assert more["Authorization"] == "Basic " + base64.b64encode(b"me:PL@NTED").decode()


def test_failed_push(gateway):
    """A rejected push and an unreachable gateway raise an error without the password."""
    url, _, answers = gateway
    answers[0] = 400
    with pytest.raises(StorageError, match="returned 400"):
        push(url, "j", FIGURES)
    with pytest.raises(StorageError) as caught:
        push("http://me:PLANTED@127.0.0.1:9", "j", FIGURES)
    assert "PLANTED" not in str(caught.value)
    for wrong in ("127.0.0.1:9091", "ftp://a", "http://", "http://a/?b=c", "http://[1"):
        with pytest.raises(UsageError):
            check_gateway(wrong)
    check_gateway("https://gateway.example:9091")
