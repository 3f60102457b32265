"""Text formats contain what the tables contain, whatever the names are, and other programs can parse them."""

import csv
import io
import json
import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.columns import EVENTS_SCHEMA
from wsvad.events.text_formats import CSV_COLUMNS, file_name, to_csv, to_icalendar, to_json, to_webvtt, write_text_files

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\r\nx",
    'a"b,c',
    "a\nb",
    "../../etc",
    "<script>",
    "--> x",
]
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))


def event(camera="gate", video_id="gate/x.mp4", start_s=1.0, end_s=2.5):
    """Return a row of an event, with every column."""
    row = dict.fromkeys(EVENTS_SCHEMA.names)
    part = {"video_id": video_id, "content_id": "c", "uri": "u", "start_s": start_s, "end_s": end_s}
    return row | {
        "kind": "event", "camera": camera, "day": date(2026, 6, 2), "event_id": "0123456789abcdef", "score": 0.75,
        "start_utc": datetime(2026, 6, 2, 1, 2, 3, 250000, tzinfo=UTC), "video_id": video_id, "start_s": start_s,
        "end_utc": datetime(2026, 6, 2, 1, 2, 9, tzinfo=UTC), "end_s": end_s, "clips": 3, "curve": [0.5, 0.75],
        "parts": [part | {"start_frame": 1, "end_frame": 2}], "content_id": "c", "uri": "u", "checkpoint": "k",
    }  # fmt: skip


@given(TEXT, TEXT)
def test_csv_round_trips_and_contains_no_formula(camera, video_id):
    """Parsed by Python's reader; no cell begins like a formula."""
    text = to_csv([event(camera, video_id)])
    assert text.count("\r\n") >= 2
    head, row = csv.reader(io.StringIO(text, newline=""))
    assert tuple(head) == CSV_COLUMNS
    cells = dict(zip(head, row, strict=True))
    for name, value in (("camera", camera), ("video_id", video_id)):
        assert cells[name] in (value, f"'{value}")
        assert (cells[name] != value) == value.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert (cells["start_utc"], cells["day"], cells["score"]) == ("2026-06-02T01:02:03.250000Z", "2026-06-02", "0.75")


@given(TEXT, TEXT)
def test_json_round_trips(camera, video_id):
    """All columns, times as text."""
    (row,) = json.loads(to_json([event(camera, video_id)]))["rows"]
    assert row.keys() == set(EVENTS_SCHEMA.names)
    assert (row["camera"], row["video_id"], row["curve"]) == (camera, video_id, [0.5, 0.75])
    assert row["start_utc"] == "2026-06-02T01:02:03.250000Z"


def unfolded(text):
    """Return the unfolded lines of a calendar (RFC 5545, 3.1)."""
    assert text.endswith("\r\n")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    return text.replace("\r\n ", "").split("\r\n")[:-1]


@given(TEXT, TEXT)
def test_calendar_names_stay_on_their_line(camera, video_id):
    """No name starts a line of its own; undoing the escapes gives the text."""
    lines = unfolded(to_icalendar([event(camera, video_id)]))
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-1] == "END:VCALENDAR"
    assert [line.partition(":")[0] for line in lines[3:-1]] == (
        "BEGIN UID DTSTAMP DTSTART DTEND SUMMARY LOCATION DESCRIPTION END".split()
    )
    assert "DTSTART:20260602T010203Z" in lines
    plain = camera.replace("\r\n", "\n").replace("\r", "\n")
    plain = "".join(c for c in plain if c in "\t\n" or ord(c) >= 32)
    escaped = lines[9].removeprefix("LOCATION:")
    assert re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), escaped, flags=re.DOTALL) == plain


@given(TEXT)
def test_subtitles_have_one_cue_per_event(camera):
    """No name ends a cue or is parsed as markup."""
    first, second = event(camera, start_s=3661.5, end_s=3662.0), event(camera, start_s=1.0, end_s=1.0)
    text = to_webvtt([(row, row["parts"][0]) for row in (first, second)])
    blocks = text.removesuffix("\n").split("\n\n")
    assert blocks[0] == "WEBVTT"
    assert [block.split("\n")[1] for block in blocks[1:]] == [
        "00:00:01.000 --> 00:00:01.001",
        "01:01:01.500 --> 01:01:02.000",
    ]
    for block in blocks[1:]:
        _, _, text = block.split("\n")
        assert "<" not in text
        assert "-->" not in text
        assert text.endswith(" 0.750")


@given(st.text(max_size=300))
def test_file_names_are_safe_and_unique(video_id):
    """One short path segment of safe characters."""
    name = file_name(video_id)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*~[0-9a-f]{16}", name)
    assert len(name) <= 80
    assert name != file_name(video_id + "x")


@pytest.mark.parametrize("video_id", ["../../up.mp4", "a/b/c.mp4", "\n", "x" * 500])
def test_files_stay_below_the_folder(video_id, tmp_path):
    """Also for ids that look like paths; writing the same events again changes no file."""
    rows = [event("../../cam", video_id)]
    write_text_files(str(tmp_path / "text"), rows)
    files = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file()}
    assert len(files) == 4
    assert all(p.is_relative_to(tmp_path / "text") for p in files)
    write_text_files(str(tmp_path / "text"), rows)
    assert files == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file()}
    write_text_files(str(tmp_path / "text"), [event("../../cam", video_id, end_s=9.0)])
    assert files != {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file()}
