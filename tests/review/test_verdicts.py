"""Records of verdicts: validation, storage, current records, and matching to events."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import pytest

from tests.review.verdict_records import verdict, write_file
from wsvad.errors import ConflictError, UsageError
from wsvad.manifest.ids import id_problem
from wsvad.nightly.tombstones import add_tombstones
from wsvad.review.matching import match_verdicts
from wsvad.review.verdicts import VerdictStore, current_verdicts, parse_verdict, read_file, verdict_key
from wsvad.storage import open_store

HOSTILE: list[dict[str, Any]] = [
    {"verdict_id": "../../current/00000001"},
    {"verdict_id": "A" * 36},
    {"verdict_id": None},
    {"supersedes": "x"},
    {"event_id": "../x"},
    {"event_id": 7},
    {"content_id": "'; drop"},
    {"review_id": "javascript:1"},
    {"model": ""},
    {"video_id": "../../etc/passwd"},
    {"video_id": "a\nb"},
    {"reviewer": ""},
    {"reviewer": "x" * 1000},
    {"reviewer": "a\x1b[31m"},
    {"camera": "\u202eabc"},
    {"note": "x" * 2001},
    {"note": "\ud800"},
    {"start_s": -1},
    {"start_s": 9.0, "end_s": 8.0},
    {"end_s": 1e300},
    {"end_s": "soon"},
    {"verdict": "perhaps"},
    {"verdict": "missed"},
    {"kind": "missed"},
    {"kind": "missed", "event_id": None, "verdict": "true"},
    {"time_utc": "yesterday"},
    {"time_utc": "2026-03-02T08:00:00"},
    {"time_utc": "2026-03-02T08:00:00+02:00"},
    {"format": 2},
]


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: f"{change!a:.40}")
def test_invalid_verdicts(change):
    """Each raises ``UsageError`` with a message."""
    plain = verdict().to_dict()
    assert parse_verdict(plain).to_dict() == plain
    with pytest.raises(UsageError):
        parse_verdict(plain | change)
    with pytest.raises(UsageError):
        parse_verdict({name: value for name, value in plain.items() if name != "video_id"})


def test_names_and_notes_are_stored_verbatim():
    """Including text that a spreadsheet, a browser or a shell would interpret."""
    for text in ("=cmd|'/c calc'!A1", "<script>alert(1)</script>", "__proto__", "$(rm -rf /)", "東京 🎥"):
        assert verdict(note=text, reviewer=text, camera=text).note == text


def test_records_are_append_only(tmp_path):
    """Idempotent; a second record with an existing id is refused; damage is reported and hides nothing else."""
    store = VerdictStore(open_store(str(tmp_path)))
    first, second = verdict("true"), verdict("false", time_utc="2026-03-01T08:00:00Z")
    assert store.add(first)
    assert not store.add(first)
    assert store.add(second)
    with pytest.raises(ConflictError, match="belongs to another verdict"):
        store.add(verdict("unsure", verdict_id=first.verdict_id))
    assert store.read_all() == ([second, first], [])
    path = tmp_path / verdict_key(second.verdict_id)
    path.write_bytes(path.read_bytes().replace(b"false", b"trues"))
    good, damaged = store.read_all()
    assert good == [first]
    assert len(damaged) == 1
    assert second.verdict_id in damaged[0]


def test_concurrent_writers(tmp_path):
    """Different records, and the same record from several writers: each is stored once."""
    store = VerdictStore(open_store(str(tmp_path)))
    records = [verdict(reviewer=f"r{n % 4}", event_id=f"{n:016x}") for n in range(60)]
    threads = [threading.Thread(target=lambda: [store.add(r) for r in records]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {v.verdict_id for v in store.read_all()[0]} == {r.verdict_id for r in records}


def test_verdict_on_a_purged_video_is_refused(tmp_path):
    """Even one that was already being written."""
    root = open_store(str(tmp_path))
    add_tombstones(root, ["front/a.mp4"], "2026-03-02T08:00:00Z")
    with pytest.raises(ConflictError, match="purged"):
        VerdictStore(root).add(verdict())
    assert not list(root.list("verdicts/"))


def test_current_records():
    """The last of each reviewer and subject without undone ones; equal times are ordered by supersession."""
    one = verdict("true")
    two = verdict("false", time_utc="2026-03-02T09:00:00Z", supersedes=one.verdict_id)
    assert current_verdicts([two, one]) == [two]
    undone = verdict("withdrawn", time_utc="2026-03-02T10:00:00Z", supersedes=two.verdict_id)
    assert current_verdicts([one, two, undone]) == []
    again = verdict("true", time_utc=undone.time_utc, supersedes=undone.verdict_id)
    assert current_verdicts([again, undone, two, one]) == [again]
    assert current_verdicts([undone, again, two, one]) == [again]
    other = verdict("false", reviewer="bob")
    assert {v.verdict_id for v in current_verdicts([one, other])} == {one.verdict_id, other.verdict_id}
    span = {"event_id": None, "kind": "missed"}
    missed = [verdict("missed", **span), verdict("missed", **span, start_s=30.0, end_s=33.0)]
    assert {v.start_s for v in current_verdicts(missed)} == {2.0, 30.0}
    gone = verdict("withdrawn", **span, time_utc="2026-03-02T09:00:00Z", supersedes=missed[0].verdict_id)
    assert current_verdicts([*missed, gone]) == missed[1:]


def test_superseded_records_are_never_current():
    """Clocks of machines differ, and the superseded record may refer to an event of an earlier model."""
    one = verdict("true", time_utc="2026-03-02T09:00:00Z")
    behind = verdict("false", time_utc="2026-03-02T08:55:00Z", supersedes=one.verdict_id)
    assert current_verdicts([one, behind]) == [behind]
    earlier = verdict("true", event_id="a" * 16)
    undone = verdict("withdrawn", event_id="b" * 16, time_utc="2026-03-02T10:00:00Z", supersedes=earlier.verdict_id)
    assert current_verdicts([earlier, undone]) == []
    foreign = verdict("false", reviewer="bob", supersedes=earlier.verdict_id)
    assert {v.verdict_id for v in current_verdicts([earlier, foreign])} == {earlier.verdict_id, foreign.verdict_id}
    nameless = verdict("true", reviewer="unnamed")
    later = verdict("false", reviewer="ann", supersedes=nameless.verdict_id, time_utc="2026-03-02T10:00:00Z")
    assert current_verdicts([nameless, later]) == [later]
    name = str(uuid.uuid4())
    itself = verdict(verdict_id=name, supersedes=name)
    assert current_verdicts([itself]) == [itself]


@pytest.mark.parametrize("name", ["Café\xa0Nord", "\u3000入口", "é" * 100, "x" * 200])
def test_camera_names(name):
    """Verdicts accept every valid name of a camera or folder."""
    assert id_problem(name.strip()) is None
    assert verdict(camera=name.strip()).camera == name.strip()


def row(event_id: str, start_s: float, end_s: float, content_id: str = "c1") -> dict[str, Any]:
    """Return a row of an event."""
    part = {"content_id": content_id, "start_s": start_s, "end_s": end_s, "video_id": "front/a.mp4"}
    return {"event_id": event_id, "parts": [part]}


def test_matching_of_verdicts_to_events():
    """By id in the same content, otherwise by overlap; verdicts with too little overlap are lost."""
    same = match_verdicts([verdict("false")], [row("0" * 16, 2, 6), row("1" * 16, 3, 6)])
    assert {e: [a.value for a in by.values()] for e, by in same.by_event.items()} == {"0" * 16: ["false"]}
    moved = match_verdicts([verdict("false")], [row("1" * 16, 4, 20), row("2" * 16, 0, 3)])
    (found,) = moved.by_event["1" * 16].values()
    assert (found.reattached, found.to_dict()["reattached"]) == (True, True)
    assert match_verdicts([verdict()], [row("1" * 16, 5, 20)]).lost
    assert match_verdicts([verdict()], [row("1" * 16, 2, 6, "c2")]).lost
    span = {"event_id": None, "kind": "missed"}
    assert match_verdicts([verdict("missed", **span)], [row("1" * 16, 30, 40)]).missed
    (found,) = match_verdicts([verdict("missed", **span)], [row("1" * 16, 2, 9)]).by_event["1" * 16].values()
    assert found.value == "true"
    both = [verdict("true", event_id="a" * 16, end_s=4.0), verdict("false", event_id="b" * 16, start_s=5.0)]
    merged = match_verdicts(both, [row("1" * 16, 2, 6)])
    assert [a.value for a in merged.by_event["1" * 16].values()] == ["true"]


def test_files_of_verdicts(tmp_path):
    """A file is read completely or refused."""
    records = [verdict(), verdict("false")]
    path = tmp_path / "verdicts.json"
    write_file(path, records)
    assert read_file(path.read_bytes(), "x") == records
    plain = json.loads(path.read_text())
    plain["verdicts"][1]["verdict"] = "perhaps"
    for bad in (
        b"", b"[]", b"{", b'{"kind": "wsvad-verdicts"}', b"[" * 100_000, json.dumps(plain).encode(),
        json.dumps({**plain, "verdicts": [7]}).encode(), json.dumps({**plain, "kind": "other"}).encode(),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            read_file(bad, "x")
    assert uuid.UUID(records[0].verdict_id).version == 4
