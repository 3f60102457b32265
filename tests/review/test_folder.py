"""A page in a folder: its content, its files, and idempotence."""

from __future__ import annotations

import io
import re
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.nightly.reader import digests
from tests.review.conftest import document
from wsvad.review.config import SourceOptions
from wsvad.review.media import MediaFolder
from wsvad.review.pictures import PictureMaker
from wsvad.review.reading import read_archive
from wsvad.storage import open_store


def test_page_shows_every_event_with_pictures(review, root, tmp_path):
    """Order, thresholds, curves, gaps, cameras; strip, poster and clip at their links."""
    code, summary = review()
    assert (code, summary["events"], summary["shown"], summary["pictures_now"]) == (0, 3, 3, 3)
    page = tmp_path / "page"
    shown = document(page)
    assert shown["source"]["night"] == 1
    assert [c["name"] for c in shown["cameras"]] == ["door", "front", "yard"]
    assert shown["cameras"][0]["purpose"] == "Entrance <b>theft</b>"
    assert shown["banner"] | {"notices": []} == {
        "notices": [], "scored_s": 100.0, "not_scored_s": 0, "events": 3, "shown": 3, "left_out": 0,
    }  # fmt: skip
    excess = [event["excess"] for event in shown["events"]]
    assert excess == sorted(excess, reverse=True)
    yard = next(e for e in shown["events"] if shown["cameras"][e["camera"]]["name"] == "yard")
    assert (yard["start_s"], yard["end_s"], yard["day"]) == (2.0, 6.0, "2026-03-01")
    assert yard["start_utc"] == "2026-03-01T12:00:02.000Z"
    assert yard["curve"]["t"] == [float(t) for t in range(20)]
    assert max(yard["curve"]["score"]) == pytest.approx(0.87, abs=0.02)
    assert yard["group"] == yard["id"]
    assert yard["media_error"] is None

    clip = page / yard["clip"]["src"]
    with av.open(str(clip)) as opened:
        frames = [(f.time, f.to_ndarray(format="rgb24").mean()) for f in opened.decode(video=0)]
        assert not opened.streams.audio
    assert yard["clip"]["start_s"] == 0.0
    assert [time for time, _ in frames] == pytest.approx(list(np.arange(0, 9.01, 0.25)))
    assert [mean > 128 for _, mean in frames] == [2 <= time < 6 for time, _ in frames]
    with Image.open(page / yard["poster"]) as poster:
        assert poster.size == (64, 64)
        assert np.asarray(poster).mean() > 200
    strip = yard["strip"]
    with Image.open(page / strip["src"]) as sheet:
        assert sheet.size == (strip["columns"] * strip["width"], strip["rows"] * strip["height"])
        bright = [
            np.asarray(sheet.crop((x := n % 6 * 64, y := n // 6 * 64, x + 64, y + 64))).mean() > 128
            for n in range(len(strip["times_s"]))
        ]
    assert bright == [2 <= time < 6 for time in strip["times_s"]]
    heat = yard["heat"]
    with Image.open(page / heat["src"]) as picture:
        assert (picture.mode, picture.size) == ("L", (7 * heat["clips"], 7))
        hot = np.asarray(picture).reshape(7, heat["clips"], 7).max(axis=(0, 2)) / 255
    assert [h > 0.5 for h in hot] == [2 <= start < 6 for start in heat["start_s"]]
    assert heat["view"] == [0.0, 0.0, 64.0, 64.0]


def test_second_run_writes_nothing(review, root, tmp_path):
    """A missing file recreates only the pictures of its event; events no longer shown are deleted."""
    review()
    before = digests(tmp_path / "page")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "page").rglob("*") if p.is_file()}
    code, summary = review()
    assert (code, summary["written"], summary["pictures_now"], summary["dropped"]) == (0, 0, 0, 0)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "page").rglob("*") if p.is_file()} == times
    event = document(tmp_path / "page")["events"][0]
    (tmp_path / "page" / event["clip"]["src"]).unlink()
    assert review()[1]["pictures_now"] == 1
    assert digests(tmp_path / "page") == before
    code, summary = review("--top", "1")
    assert (summary["shown"], summary["left_out"], summary["dropped"]) == (1, 2, 12)
    assert [n["code"] for n in document(tmp_path / "page")["banner"]["notices"]] == ["coverage"]
    assert len({path.parent for path in (tmp_path / "page" / "media").glob("*/*")}) == 1


def test_killed_run_resumes(review, root, tmp_path, monkeypatch):
    """After the first picture, and during the write of the second: only missing pictures are created."""
    made = PictureMaker.make
    calls: list[str] = []

    def interrupted(self, shown, curve):
        calls.append(shown.event_id)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return made(self, shown, curve)

    write = MediaFolder._write
    with monkeypatch.context() as patched:
        patched.setattr(PictureMaker, "make", interrupted)
        assert review()[0] == 130
    assert not (tmp_path / "page" / "index.html").exists()
    with monkeypatch.context() as patched:

        def half(self, key, data):
            if key.endswith("made.json"):
                raise KeyboardInterrupt
            write(self, key, data)

        patched.setattr(MediaFolder, "_write", half)
        assert review()[0] == 130
    code, summary = review()
    assert (code, summary["pictures"], summary["pictures_now"]) == (0, 3, 2)
    whole = digests(tmp_path / "page")
    assert review("--out", str(tmp_path / "other"))[0] == 0
    assert digests(tmp_path / "other") == whole


def test_missing_and_changed_videos(review, root, tmp_path):
    """The page is written and reports them; the exit code is 3."""
    (tmp_path / "archive" / "yard" / "20260301_120000.mp4").unlink()
    front = tmp_path / "archive" / "front" / "20260301_235930.mp4"
    front.write_bytes(front.read_bytes()[:900])
    code, summary = review()
    assert (code, len(summary["failed"]), summary["pictures"]) == (3, 3, 0)
    shown = document(tmp_path / "page")
    assert all(event["media_error"] and event["clip"] is None and event["heat"] for event in shown["events"])
    assert shown["banner"]["notices"][0]["level"] == "error"


def test_filters_and_folding(review, root, tmp_path):
    """By camera and by day; consecutive events of a camera form a group."""
    code, summary = review("--camera", "front", "--no-media", "--fold", "60")
    assert (code, summary["shown"], summary["left_out"]) == (0, 2, 1)
    events = document(tmp_path / "page")["events"]
    assert [e["group"] for e in events] == [events[0]["id"]] * 2
    assert events[0]["neighbours"] == [[events[1]["start_s"], events[1]["end_s"], events[1]["id"]]]
    review("--camera", "front", "--no-media", "--fold", "1")
    assert [e["group"] == e["id"] for e in document(tmp_path / "page")["events"]] == [True, True]
    assert review("--day", "2026-03-02", "--no-media")[1]["shown"] == 0
    for day in ("tomorrow", "20260301", "2026-W09-7"):
        assert review("--day", day, "--no-media")[0] == 2
    assert review("--camera", "frnt")[0] == 2


def test_control_spans(review, root, tmp_path):
    """Evenly over the cameras, without events, deterministic for a seed."""
    code, summary = review("--control", "5", "--no-media")
    assert (code, summary["controls"], summary["shown"]) == (0, 5, 3)
    shown = document(tmp_path / "page")
    controls = [e for e in shown["events"] if e["kind"] == "control"]
    cameras = [shown["cameras"][e["camera"]]["name"] for e in controls]
    assert sorted(cameras) == ["door", "front", "front", "yard", "yard"]
    events = [e for e in shown["events"] if e["kind"] == "event"]
    for control in controls:
        assert control["excess"] < 0
        assert control["end_s"] - control["start_s"] > 1
        for event in events:
            if event["video_id"] == control["video_id"]:
                assert event["end_s"] <= control["start_s"] or event["start_s"] >= control["end_s"]
    again = document(tmp_path / "page") if review("--control", "5", "--no-media")[1]["written"] == 0 else None
    assert again == shown
    review("--control", "5", "--seed", "1", "--no-media")
    assert document(tmp_path / "page") != shown


def test_data_sets_without_a_night(capsys, root, tmp_path):
    """Events and their scores; other scores are refused."""
    from tests.extraction.harness import run_here

    events = next((tmp_path / "root" / "events").iterdir())
    scores = next((tmp_path / "root" / "scores").iterdir())
    page = tmp_path / "page"
    words = ("review", "--events", str(events), "--scores", str(scores), "--out", str(page), "--json")
    code, summary = run_here(capsys, *words)
    assert (code, summary["shown"], summary["pictures"]) == (0, 3, 3)
    assert document(page)["source"]["night"] is None
    manifest = tmp_path / "truth.csv"
    manifest.write_text("uri,video_id,label,spans\narchive/yard/20260301_120000.mp4,yard/20260301_120000.mp4,1,8-24\n")
    run_here(capsys, *words, "--manifest", str(manifest))
    truth = {e["video_id"]: e["truth"] for e in document(page)["events"]}
    assert truth == {"yard/20260301_120000.mp4": [[2.0, 6.0]], "front/20260301_235930.mp4": None}


def test_refused_folders(review, root, tmp_path, caplog):
    """Data sets, roots, and folders that a purge would not search."""
    for out in (tmp_path / "root", tmp_path / "root" / "page", next((tmp_path / "root" / "events").iterdir())):
        assert review("--out", str(out))[0] in (2, 5)
    assert review("--out", str(tmp_path / "root" / "review" / "pages" / "today"), "--no-media")[0] == 0


def test_page_does_not_overwrite_other_data(review, root, tmp_path):
    """Neither a page nor a case may be among the videos, where clips would be scored, or replace other pages."""
    before = digests(tmp_path / "archive"), digests(tmp_path / "root")
    for out in (tmp_path / "archive", tmp_path / "archive" / "page", tmp_path / "root" / ".." / "archive" / "x"):
        assert review("--out", str(out))[0] == 2
    event = read_archive(SourceOptions(root=root)).events[0]["event_id"]
    for out in (tmp_path / "archive", tmp_path / "root", tmp_path / "root" / "x"):
        assert review("--out", str(out), "--case", event, "--zip", str(tmp_path / "case.zip"))[0] in (2, 5)
    assert (digests(tmp_path / "archive"), digests(tmp_path / "root")) == before
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<h1>Our home</h1>")
    assert review("--out", str(site))[0] == 5
    assert [path.name for path in site.iterdir()] == ["index.html"]
    assert (site / "index.html").read_text() == "<h1>Our home</h1>"


def test_unusual_titles(review, root, tmp_path):
    """Markup is escaped; undecodable bytes from the shell do not crash."""
    assert review("--no-media", "--title", "</title><script>alert(1)</script>")[0] == 0
    assert "<script>alert" not in (tmp_path / "page" / "index.html").read_text()
    assert review("--no-media", "--title", "\udcff")[0] == 0
    assert document(tmp_path / "page")["events"]


def test_page_is_self_contained(review, root, tmp_path):
    """All URLs are those of its own media, and every named file exists."""
    review()
    text = re.sub(r"<script.*?</script>", "", (tmp_path / "page" / "index.html").read_text(), flags=re.DOTALL)
    assert all(url.startswith("data:") for url in re.findall(r'(?:src|href|action)\s*=\s*["\']?([^"\'\s>]+)', text))
    store = open_store(str(tmp_path / "page"))
    for event in document(tmp_path / "page")["events"]:
        for src in (event["heat"]["src"], event["strip"]["src"], event["poster"], event["clip"]["src"]):
            assert not Path(src).is_absolute()
            assert io.BytesIO(store.read(src)).getbuffer().nbytes
