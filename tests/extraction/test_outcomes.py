"""Hostile and damaged videos, end to end: each has its documented outcome, and the others are unaffected."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extraction.harness import QUICK, finish, published_rows, published_videos, run_here, start, stored, until
from tests.extraction.videos import write_video
from tests.video.corpus import make_corpus, sabotaged
from tests.video.misbehaving import COMMAND
from wsvad.extraction import indexing, job, worker
from wsvad.video import VideoReader
from wsvad.work import rounds

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """A loopback server that must not be called: its URL, and the calls."""
    calls: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/canary", calls
    server.shutdown()
    thread.join()
    server.server_close()


def test_corpus_of_bad_inputs(tmp_path, canary, capsys):
    """Every file has its documented outcome; the server is not called; valid videos have the same features as alone."""
    url, calls = canary
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    expected = make_corpus(folder, url)
    words = ("--clip-length", "16", "--json")
    code, summary = run_here(capsys, "extract", "--videos", str(folder), "--out", str(out), *words)
    assert code == 3
    assert calls == []
    videos = published_videos(out)
    assert videos.keys() == expected.keys()
    got = {}
    for name, want in expected.items():
        video = videos[name]
        result = {"complete": "clips", "partial": "gap"}.get(video["status"], video["status"])
        got[name] = (result, video["kind"] if result == "quarantined" else None, video["num_frames"])
        frames = video["num_frames"] if want.num_frames is None else want.num_frames
        assert got[name] == (want.result, want.kind, frames), name
    bad = sum(w.result == "quarantined" for w in expected.values())
    assert summary["quarantined"] == bad
    assert summary["videos_complete"] + summary["videos_partial"] + bad == len(expected)
    code, report = run_here(capsys, "verify", "--out", str(out), "--json")
    assert (code, report["faults"]) == (3, [])

    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy2(folder / "canary.mp4", alone)
    run_here(capsys, "extract", "--videos", str(alone), "--out", str(tmp_path / "alone-out"), *words)
    assert stored(str(tmp_path / "alone-out")).items() <= stored(str(out)).items()

    again = run_here(capsys, "extract", "--videos", str(folder), "--out", str(out), *words)
    assert (again[0], again[1]["units_to_do"], again[1]["quarantined"]) == (3, 0, bad)
    tolerant = run_here(capsys, "extract", "--videos", str(folder), "--out", str(out), *words, "--max-quarantine", "99")
    assert tolerant[0] == 0


@pytest.mark.parametrize(
    ("deed", "when", "kind"),
    [
        ("segfault", "clips", "decoder_crash"),
        ("segfault", "index", "decoder_crash"),
        ("hang", "clips", "decoder_hang"),
        ("hang", "index", "decoder_hang"),
        ("eat_memory", "clips", "decoder_memory"),
    ],
)
def test_decoder_failures_are_contained(tmp_path, capsys, monkeypatch, deed, when, kind):
    """A crash, a hang, exhausted memory: quarantined after a repetition in isolation; other videos are extracted."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "bad.mp4", "z.mp4"):
        write_video(folder / name, 8)
    (folder / "bad.mp4").write_bytes(sabotaged((folder / "bad.mp4").read_bytes(), deed, when))
    reader = functools.partial(VideoReader, _child_command=COMMAND)
    monkeypatch.setattr(worker, "VideoReader", reader)
    monkeypatch.setattr(indexing, "VideoReader", reader)
    stall_s = "3" if deed == "hang" else "60"
    words = ("--videos", str(folder), "--out", str(tmp_path / "out"), *QUICK, "--decoder-stall-s", stall_s)
    code, summary = run_here(capsys, "extract", *words)
    assert (code, summary["quarantined"], summary["videos_complete"]) == (3, 1, 2)
    assert [(p["video_id"], p["kind"]) for p in summary["problems"]] == [("bad.mp4", kind)]
    assert {row[0] for row in published_rows(tmp_path / "out")} == {"a.mp4", "z.mp4"}

    write_video(folder / "good.mp4", 8)
    shutil.copy(folder / "good.mp4", folder / "bad.mp4")
    code, summary = run_here(capsys, "extract", *words)
    assert (code, summary["videos_complete"]) == (0, 4), "a repaired file is new content"


def test_quarantine_is_tried_again_only_on_request(tmp_path, capsys, monkeypatch):
    """A quarantined unit is skipped until --retry-quarantined; then the better decoder's result counts."""
    folder = tmp_path / "in"
    folder.mkdir()
    for when in ("index", "clips"):
        write_video(folder / f"{when}.mp4", 8)
        path = folder / f"{when}.mp4"
        path.write_bytes(sabotaged(path.read_bytes(), "segfault", when))
    words = ("--videos", str(folder), "--out", str(tmp_path / "out"), *QUICK)
    with monkeypatch.context() as patch:
        reader = functools.partial(VideoReader, _child_command=COMMAND)
        patch.setattr(worker, "VideoReader", reader)
        patch.setattr(indexing, "VideoReader", reader)
        assert run_here(capsys, "extract", *words)[1]["quarantined"] == 2
    code, summary = run_here(capsys, "extract", *words)
    assert (code, summary["units_to_do"], summary["quarantined"]) == (3, 0, 2)
    code, summary = run_here(capsys, "extract", *words, "--retry-quarantined")
    assert (code, summary["quarantined"], summary["videos_complete"]) == (0, 0, 2)
    assert run_here(capsys, "extract", *words)[0] == 0


def test_a_video_changed_after_planning_is_not_quarantined(tmp_path, capsys, monkeypatch):
    """Exit code 4 and no quarantine; the next run extracts it."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    write_video(folder / "stays.mp4", 20)
    write_video(folder / "vanishes.mp4", 20)
    write_video(folder / "changes.mp4", 24)
    words = ("extract", "--videos", str(folder), "--out", str(out), *QUICK)
    claim = job.claim_dataset

    def after_the_plan(*args):
        os.unlink(folder / "vanishes.mp4")
        write_video(folder / "changes.mp4", 12)
        claim(*args)

    with monkeypatch.context() as patch:
        patch.setattr(job, "claim_dataset", after_the_plan)
        patch.setattr(rounds.time, "sleep", lambda s: None)
        code, summary = run_here(capsys, *words)
    assert (code, summary["quarantined"], summary["videos_complete"]) == (4, 0, 1)
    assert {p["kind"] for p in summary["problems"]} == {"ObjectNotFound", "ObjectChanged"}
    code, summary = run_here(capsys, *words)
    assert (code, summary["videos"], summary["videos_complete"]) == (0, 2, 2)


def test_a_replaced_video_is_reported_once(tmp_path, capsys, monkeypatch, caplog):
    """One line for all of its units, in the log and in the summary."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    write_video(folder / "changes.mp4", 260)
    words = ("extract", "--videos", str(folder), "--out", str(out), "--unit-s", "1", *QUICK)
    claim = job.claim_dataset

    def after_the_plan(*args):
        write_video(folder / "changes.mp4", 12)
        claim(*args)

    with monkeypatch.context() as patch:
        patch.setattr(job, "claim_dataset", after_the_plan)
        patch.setattr(rounds.time, "sleep", lambda s: None)
        code, summary = run_here(capsys, *words)
    assert code == 4
    assert summary["units_to_do"] >= 10
    (problem,) = summary["problems"]
    assert problem["kind"] == "ObjectChanged"
    assert problem["message"].endswith(f"(and {summary['units_to_do'] - 1} more units of this video)")
    assert len([r for r in caplog.records if "ObjectChanged" in r.getMessage()]) == 1


def test_unreadable_video_is_a_storage_failure(tmp_path, capsys):
    """A manifest with an unreachable video: the others are extracted, exit code 4, nothing quarantined."""
    write_video(tmp_path / "a.mp4", 8)
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    Path(tmp_path / "m.csv").write_text("uri\na.mp4\nfolder.mp4\nloop.mp4\ngone.mp4\n")
    words = ("--videos", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out"), *QUICK)
    code, summary = run_here(capsys, "extract", *words)
    assert (code, summary["videos_complete"], summary["videos_incomplete"], summary["quarantined"]) == (4, 1, 3, 0)


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_stopping_by_signal_is_clean_and_resumable(tmp_path, capsys, how):
    """Ctrl-C and SIGTERM end the run with their own exit codes; finished units are kept."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for i in range(2):
        write_video(folder / f"{i}.mp4", 120)
    words = ("--videos", str(folder), "--out", str(out), "--unit-s", "1", "--workers", "1", *QUICK)
    process = start("extract", *words)
    until(lambda: process.poll() is not None or list(out.glob("units/*/*.parquet")))
    process.send_signal(getattr(signal, how))
    code, _, log = finish(process, timeout=120)
    assert code == {"SIGINT": 130, "SIGTERM": 143}[how], log
    assert "run the same command again to continue" in log
    assert "Traceback" not in log
    kept = stored(str(out))
    code, summary = run_here(capsys, "extract", *words)
    assert (code, summary["units_done_before"]) == (0, len(kept)), log
    assert kept.items() <= stored(str(out)).items()
