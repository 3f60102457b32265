"""Figures for Prometheus: read back by its own client's parser where there is one, and sent to a gateway."""

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
from wsvad.nightly.exposition import Figure, check_gateway, check_textfile, push, registry_of, write_textfile

Requests = list[tuple[str, str, dict[str, str], bytes]]
FIGURES = [Figure("events", "Events.", [({}, 1.0)])]


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=20), st.floats(-1e12, 1e12), min_size=1, max_size=5)
)
def test_label_values_are_any_text(values):
    """What Prometheus reads is what was meant: quotes, newlines and backslashes stay data."""
    samples = [({"camera": text}, value) for text, value in values.items()]
    text = generate_latest(registry_of([Figure("events", "a\nb", samples)])).decode()
    families = list(text_string_to_metric_families(text))
    assert {s.labels["camera"]: s.value for f in families for s in f.samples} == values


def test_a_textfile_is_there_whole_or_not(tmp_path):
    """Replaced at once, and nothing is left behind."""
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
    """A gateway: its URL, what it was sent, and the status of its next answers."""
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


def test_a_push(gateway):
    """POST, which leaves what is not sent as it was; a password goes into a header and not into the path."""
    url, requests, _ = gateway
    push(url + "/", "wsvad_rescore", FIGURES)
    push(url.replace("//", "//me:PL%40NTED@"), "a/b", FIGURES)
    (method, path, headers, body), (_, odd, more, _) = requests
    assert (method, path) == ("POST", "/metrics/job/wsvad_rescore")
    assert b"wsvad_rescore_events 1.0" in body
    assert headers["Content-Type"].startswith("text/plain")
    assert odd == "/metrics/job@base64/" + base64.urlsafe_b64encode(b"a/b").decode()
    assert more["Authorization"] == "Basic " + base64.b64encode(b"me:PL@NTED").decode()


def test_a_push_that_fails(gateway):
    """Refused, or nobody there: an error without the password."""
    url, _, answers = gateway
    answers[0] = 400
    with pytest.raises(StorageError, match="answered 400"):
        push(url, "j", FIGURES)
    with pytest.raises(StorageError) as caught:
        push("http://me:PLANTED@127.0.0.1:9", "j", FIGURES)
    assert "PLANTED" not in str(caught.value)
    for wrong in ("127.0.0.1:9091", "ftp://a", "http://", "http://a/?b=c", "http://[1"):
        with pytest.raises(UsageError):
            check_gateway(wrong)
    check_gateway("https://gateway.example:9091")
