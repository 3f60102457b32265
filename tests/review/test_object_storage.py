"""Root, page and verdicts in a bucket."""

from __future__ import annotations

from tests.extraction.harness import run_here
from tests.review.live_server import Browser, serving
from tests.review.test_app import record
from tests.review.verdict_records import write_file
from wsvad.review.verdicts import VerdictStore
from wsvad.storage import open_store


def test_everything_in_a_bucket(capsys, site, s3_bucket, moto_server, monkeypatch, tmp_path):
    """Written once, served with ranges, verdicts stored and counted, purged as in a folder."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.url)
    root = open_store(f"s3://{s3_bucket}/root")
    for path in sorted((site / "root").rglob("*")):
        if path.is_file():
            root.create(str(path.relative_to(site / "root")), path.read_bytes())
    page = f"s3://{s3_bucket}/page"
    words = ("review", "--root", root.uri, "--out", page, "--json")
    code, first = run_here(capsys, *words)
    assert (code, first["pictures_now"]) == (0, 3)
    code, second = run_here(capsys, *words)
    assert (code, second["written"], second["pictures"]) == (0, 0, 3)
    with serving(root.uri) as (port, _):
        ann = Browser(port, "ann")
        shown = ann.get("/api/review").json
        yard = next(e for e in shown["events"] if e["video_id"].startswith("yard"))
        clip = ann.post("/api/clip", {"event_id": yard["id"]}).json["clip"]
        whole = ann.get(f"/{clip['src']}").body
        assert ann.get(f"/{clip['src']}", range="bytes=-9").body == whole[-9:]
        assert ann.post("/api/verdicts", record(shown, yard, "true")).status == 201
    verdicts, damaged = VerdictStore(root).read_all()
    assert (len(verdicts), damaged) == (1, [])
    file = write_file(tmp_path / "again.json", verdicts)
    code, summary = run_here(capsys, "verdicts", "--root", root.uri, "--import", file, "--json")
    assert (code, summary["known"], summary["precision"]["value"]) == (0, 1, 1.0)
    purge = ("purge", "--root", root.uri, "--video", yard["video_id"], "--apply", "--force", "--json")
    assert run_here(capsys, *purge)[0] == 0
    assert not list(root.list("verdicts/"))
    assert not [info for info in root.list("review/") if info.key.endswith("clip.webm")]
