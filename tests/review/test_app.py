"""The served page: access, allowed requests, and storage of verdicts before acknowledgement."""

from __future__ import annotations

import io
import json
import re
import shutil
import threading
import uuid
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.extraction.harness import run_here
from tests.review.live_server import TOKENS, Browser, serving
from wsvad.dataset.sealed import unseal
from wsvad.nightly import layout
from wsvad.review.access import Access
from wsvad.storage import Store, open_store


@pytest.fixture
def root(site, tmp_path):
    """A copy of the root of a nightly job."""
    return str(shutil.copytree(site / "root", tmp_path / "root"))


@pytest.fixture
def port(root):
    """Port of a server of the night."""
    with serving(root) as (port, _):
        yield port


def record(shown: dict[str, Any], event: dict[str, Any], value: str, **more: Any) -> dict[str, Any]:
    """Return a verdict as posted by the page."""
    return {
        "verdict_id": str(uuid.uuid4()), "review_id": shown["review_id"], "event_id": event["id"],
        "camera": shown["cameras"][event["camera"]]["name"], "verdict": value, "note": "", "kind": event["kind"],
        "model": shown["source"]["model"], "supersedes": None, "reviewer": "somebody else",
        **{name: event[name] for name in ("content_id", "video_id", "start_s", "end_s")}, **more,
    }  # fmt: skip


def audited(root: str) -> list[dict[str, Any]]:
    """Return the access log, ordered by time."""
    store = open_store(root)
    return [unseal(store.read(info.key), info.key, ()) for info in store.list(layout.AUDIT)]


def test_from_link_to_stored_verdict(port, root):
    """Token, page, document, clip, verdict, and their traces in the next document and the log."""
    ann = Browser(port, "ann")
    page = ann.get("/")
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]+'", policy)
    assert "unsafe" not in policy
    shown = ann.get("/api/review").json
    assert (shown["mode"], shown["reviewer"], len(shown["events"])) == ("served", "ann", 3)
    event = shown["events"][0]
    assert event["clip"] is None
    assert ann.get(f"/{event['heat']['src']}").body.startswith(b"\x89PNG")

    made = ann.post("/api/clip", {"event_id": event["id"]})
    assert made.status == 200, made.body
    clip = ann.get(f"/{made.json['clip']['src']}")
    assert (clip.status, clip.headers["content-type"]) == (200, "video/webm")
    part = ann.get(f"/{made.json['clip']['src']}", range="bytes=10-19")
    assert (part.status, part.body) == (206, clip.body[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(clip.body)}"
    assert ann.get(f"/{made.json['clip']['src']}", range="bytes=99999999-").status == 416

    verdict = record(shown, event, "true", note="=1+1 <b>")
    answer = ann.post("/api/verdicts", verdict)
    assert (answer.status, answer.json["reviewer"], answer.json["verdict"]) == (201, "ann", "true")
    stored = open_store(root).read(f"verdicts/{verdict['verdict_id']}.json")
    assert unseal(stored, "record", ()) == answer.json
    again = ann.post("/api/verdicts", answer.json)
    assert (again.status, again.json) == (200, answer.json)
    assert ann.post("/api/verdicts", {**answer.json, "verdict": "false"}).status == 409
    assert ann.get("/api/review").json["events"][0]["verdict"] == answer.json
    bob = Browser(port, "bob")
    assert bob.get("/api/review").json["events"][0]["verdict"] is None
    everyone = bob.get("/api/verdicts?since=0").json
    assert everyone == {"verdicts": [answer.json], "next": 1}
    assert bob.get("/api/verdicts?since=1").json["verdicts"] == []
    log = [(entry["reviewer"], entry["action"], entry["events"]) for entry in audited(root)]
    assert log.count(("ann", "opened", [])) == 2
    assert ("ann", "looked", [event["id"]]) in log
    assert not any(event["video_id"] in json.dumps(entry) for entry in audited(root))


GETS = ("/", "/api/review", "/api/verdicts", "/api/export?what=events&format=csv", "/media/" + "0" * 32 + "/strip.jpg")
POSTS = ("/api/verdicts", "/api/clip", "/api/media", "/api/case")


def test_access_requires_a_token(port):
    """No cookie, an invented one, one of another process, an expired one, a wrong token: 401."""
    stranger = Browser(port)
    other = Access.make(TOKENS, ["x"])
    own = Browser(port, "ann").cookie
    name, _, session = own.partition("=")
    assert name == f"wsvad-review-{port}", "two servers on one host keep their sessions"
    for cookie in (
        None, f"{name}=x", f"{name}=..", f"{name}={other.session('ann')}", own[:-1] + "x",
        own.replace("616e6e", "626f62"), f"{name}=" + "9" * 400 + ".zz.ff", f"wsvad-review-1={session}",
    ):  # fmt: skip
        for path in GETS:
            assert stranger.get(path, cookie=cookie).status == 401, (path, cookie)
        for path in POSTS:
            assert stranger.post(path, {}, cookie=cookie).status == 401, (path, cookie)
    for token in ("", "x", TOKENS["ann"][:-1], "é" * 40):
        assert stranger.get(f"/?token={quote(token)}").status == 401
    late = other.session("ann", now=0)
    assert other.reviewer_of_session(late, now=10) == "ann"
    assert other.reviewer_of_session(late) is None


def test_cookie_and_headers(port):
    """Cookies are out of reach of scripts and other sites; responses cannot be framed, sniffed or cached."""
    answer = Browser(port).get(f"/?token={TOKENS['ann']}")
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/"))
    assert TOKENS["ann"].encode() not in answer.body
    for path in (*GETS, "/nothing", "/api/review/x"):
        headers = Browser(port).get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{}", "", None])
def test_unknown_host_names_are_refused(port, host):
    """This prevents DNS rebinding."""
    ann = Browser(port, "ann")
    for path in GETS:
        assert ann.get(path, host=host and host.format(port)).status in (400, 421)
    assert ann.get("/api/review", host=f"LOCALHOST:{port}").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": None},
        {"origin": "null"},
        {"x_wsvad_request": None},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
    ids=str,
)
def test_cross_origin_posts_are_refused(port, headers):
    """A form or a script of another site with the reviewer's cookie."""
    ann = Browser(port, "ann")
    shown = ann.get("/api/review").json
    verdict = record(shown, shown["events"][0], "true")
    assert ann.post("/api/verdicts", verdict, **headers).status == 403
    assert ann.get("/api/verdicts").json["verdicts"] == []
    assert ann.get("/api/review", origin="http://evil.example").status == 403


def test_path_traversal(port, root, tmp_path):
    """Only pictures of the page can be downloaded, by their names."""
    ann = Browser(port, "ann")
    name = "a" * 32
    for path in (
        "/media/../cameras.toml", f"/media/{name}/../../../cameras.toml", f"/media/{name}/%2e%2e%2fabout.json",
        f"/media/{name}/about.json", f"/media/{name}/made.json", f"/media/{name}/clip.webm%00.jpg",
        "/media//etc/passwd", f"/media/{name.upper()}/clip.webm", "/current/00000001.json", "/verdicts/", "//media",
        "/static/../../etc/passwd",
    ):  # fmt: skip
        answer = ann.get(path)
        assert answer.status in (403, 404, 401), path
        assert b"retention" not in answer.body


def test_links_are_personal_and_expire(port, root, monkeypatch):
    """Forwarded, altered and expired links (15 minutes) are refused; a page gets new ones."""
    ann, bob = Browser(port, "ann"), Browser(port, "bob")
    event = ann.get("/api/review").json["events"][0]
    src = f"/{event['heat']['src']}"
    assert ann.get(src).status == 200
    assert bob.get(src).status == 403
    assert ann.get(src[:-1] + ("0" if src[-1] != "0" else "1")).status == 403
    assert ann.get(src.replace("e=", "e=9")).status == 403
    assert ann.get(src.partition("?")[0]).status == 403
    access = Access.make(TOKENS, ["x"])
    query = access.sign("ann", "n", "clip.webm", now=1000.0)
    expires, signature = re.fullmatch(r"e=(\d+)&s=(\w+)", query).groups()
    assert 1000 + 600 <= int(expires) <= 1000 + 900
    monkeypatch.setattr("wsvad.review.access.time.time", lambda: 1000.0)
    assert access.is_signed("ann", "n", "clip.webm", expires, signature)
    monkeypatch.setattr("wsvad.review.access.time.time", lambda: 1901.0)
    assert not access.is_signed("ann", "n", "clip.webm", expires, signature)
    monkeypatch.undo()
    fresh = ann.post("/api/media", {"event_id": event["id"]}).json
    assert ann.get(f"/{fresh['heat']['src']}").status == 200


def test_invalid_requests(port, root):
    """Garbage in bodies and queries gives a status below 500, a message, and no record."""
    ann = Browser(port, "ann")
    shown = ann.get("/api/review").json
    good = record(shown, shown["events"][0], "true")
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 5000, b'{"event_id": 1e999}', b"{}", b" " * (2 << 20)):
        for path in POSTS:
            answer = ann.post(path, body)
            assert 400 <= answer.status < 500, (path, body[:20])
            assert answer.json["error"]
    for change in ({"verdict": "perhaps"}, {"note": "x" * 3000}, {"verdict_id": "../x"}, {"start_s": "now"}):
        assert ann.post("/api/verdicts", good | change).status == 400
    for change in ({"video_id": "other.mp4"}, {"content_id": "0"}, {"camera": "other"}):
        assert ann.post("/api/verdicts", good | change).status == 409, "a purge finds records by their video"
    span = good | {"kind": "missed", "event_id": None, "verdict": "missed", "video_id": "other.mp4"}
    assert ann.post("/api/verdicts", span).status == 409
    for query in ("since=-1", "since=x", "since=" + "9" * 50):
        assert ann.get(f"/api/verdicts?{query}").status == 400
    for query in ("", "what=events", "what=passwd&format=csv", "what=events&format=exe"):
        assert ann.get(f"/api/export?{query}").status == 400
    assert ann.post("/api/clip", {"event_id": "f" * 16}).status == 404
    assert ann.post("/api/case", {"event_ids": ["f" * 16]}).status == 404
    assert ann.get("/api/verdicts").json["verdicts"] == []
    assert not list(open_store(root).list("verdicts/"))


def test_concurrent_reviewers(port, root, capsys):
    """Two post as fast as they can, a third reads: every acknowledged record is stored and read once, in order."""
    shown = Browser(port, "ann").get("/api/review").json
    acknowledged: dict[str, list[str]] = {"ann": [], "bob": []}

    def judge(name: str) -> None:
        browser = Browser(port, name)
        for number in range(25):
            answer = browser.post("/api/verdicts", record(shown, shown["events"][number % 3], "true"))
            if answer.status == 201:
                acknowledged[name].append(answer.json["verdict_id"])

    threads = [threading.Thread(target=judge, args=(name,)) for name in acknowledged]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    following, reader = 0, Browser(port, "bob")
    while any(thread.is_alive() for thread in threads) or following < 50:
        found = reader.get(f"/api/verdicts?since={following}").json
        seen += [v["verdict_id"] for v in found["verdicts"]]
        following = found["next"]
    every = [i for ids in acknowledged.values() for i in ids]
    assert len(every) == 50
    assert sorted(seen) == sorted(every)
    stored = {info.key for info in open_store(root).list("verdicts/")}
    assert stored == {f"verdicts/{i}.json" for i in every}


def test_failing_store(port, root, monkeypatch):
    """A record that cannot be stored is not acknowledged; a view that cannot be logged is not served."""
    ann = Browser(port, "ann")
    shown = ann.get("/api/review").json
    verdict = record(shown, shown["events"][0], "true")

    def fail(self: Store, key: str, data: bytes) -> None:
        from wsvad.errors import StoreFull

        raise StoreFull("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "create", fail)
        assert ann.post("/api/verdicts", verdict).status == 503
        assert ann.get("/api/review").status == 503
        assert ann.get("/api/export?what=events&format=csv").status == 503
    assert ann.get("/api/verdicts").json["verdicts"] == []
    assert ann.post("/api/verdicts", verdict).status == 201


def test_exports_and_cases(port, root):
    """Tables of the page, and a case with the existing pictures; both are logged."""
    ann = Browser(port, "ann")
    shown = ann.get("/api/review").json
    event = shown["events"][0]
    ann.post("/api/clip", {"event_id": event["id"]})
    ann.post("/api/verdicts", record(shown, event, "true", note="=cmd()"))
    table = ann.get("/api/export?what=events&format=csv")
    assert table.headers["content-disposition"] == 'attachment; filename="wsvad-events.csv"'
    assert len(table.body.splitlines()) == 4
    assert b"'=cmd()" in ann.get("/api/export?what=verdicts&format=csv").body
    assert ann.get("/api/export?what=verdicts&format=json").json["verdicts"][0]["note"] == "=cmd()"
    case = ann.post("/api/case", {"event_ids": [event["id"]]})
    with zipfile.ZipFile(io.BytesIO(case.body)) as packed:
        names = {Path(name).name for name in packed.namelist()}
    assert names >= {"index.html", "clip.webm", "strip.jpg", "heat.png", "events.csv", "verdicts.json", "case.json"}
    assert [e["action"] for e in audited(root)].count("exported") == 3
    assert [e["action"] for e in audited(root)].count("case") == 1


def test_undecodable_video(night, tmp_path):
    """The page gets the message; the server continues."""
    assert night()[0] == 0
    root = str(tmp_path / "root")
    (tmp_path / "archive" / "yard" / "20260301_120000.mp4").unlink()
    with serving(root, prepare=10) as (port, _):
        ann = Browser(port, "ann")
        events = ann.get("/api/review").json["events"]
        for event in events:
            answer = ann.post("/api/clip", {"event_id": event["id"]})
            assert answer.status == (422 if event["video_id"].startswith("yard") else 200), answer.body


def test_purge_takes_effect_at_once(capsys, root):
    """The page shows the newest night, without pictures and records of a purged video."""
    with serving(root, prepare=10) as (port, desk):
        ann = Browser(port, "ann")
        shown = ann.get("/api/review").json
        yard = next(e for e in shown["events"] if e["video_id"].startswith("yard"))
        src = ann.post("/api/clip", {"event_id": yard["id"]}).json["clip"]["src"]
        assert ann.post("/api/verdicts", record(shown, yard, "true")).status == 201
        words = ("purge", "--root", root, "--video", yard["video_id"], "--apply", "--force", "--json")
        assert run_here(capsys, *words)[0] == 0
        assert ann.get(f"/{src}").status == 404
        now = ann.get("/api/review").json
        assert len(now["events"]) == 2
        assert ann.post("/api/verdicts", record(shown, yard, "true")).status == 409
        desk._checked_s = -100.0
        assert ann.get("/api/verdicts").json["verdicts"] == []
        assert not list(open_store(root).list("verdicts/"))
