"""Events in text formats: CSV, JSON, WebVTT and iCalendar. Names are escaped, so that they are never read as syntax."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any

from wsvad.columns import EVENTS_SCHEMA
from wsvad.storage import Created, StoreOptions, open_store

_NESTED = ("boxes", "cuboid_scores", "parts", "curve_s", "curve", "curve_smooth", "notes")
CSV_COLUMNS = tuple(name for name in EVENTS_SCHEMA.names if name not in _NESTED)
"""Columns of the CSV file: those with scalar values. Parquet and JSON have all columns."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_SLUG = re.compile(r"[^A-Za-z0-9._-]+")


def write_text_files(uri: str, rows: Sequence[Mapping[str, Any]], options: StoreOptions | None = None) -> None:
    """Write ``events.csv``, ``events.json``, ``events.ics`` and ``vtt/*.vtt``; unchanged files are not rewritten.

    Args:
        uri: URI of the folder or prefix.
        rows: rows of all units.
        options: settings of the store.

    Raises:
        StorageError: the store failed.
    """
    store = open_store(uri, options)
    texts = {"events.csv": to_csv(rows), "events.json": to_json(rows), "events.ics": to_icalendar(rows)}
    for video_id, parts in _by_video(rows).items():
        texts[f"vtt/{file_name(video_id)}.vtt"] = to_webvtt(parts)
    for key, text in texts.items():
        data = text.encode("utf-8", "backslashreplace")
        if store.create(key, data) is Created.DIFFERENT:
            store.replace(key, data)


def file_name(video_id: str) -> str:
    """Return a safe, unique file name for a video: a readable stem and a digest of the id."""
    stem = _SLUG.sub("_", PurePosixPath(video_id).name).strip("._-")[:60] or "video"
    return f"{stem}~{hashlib.sha256(video_id.encode(errors='surrogateescape')).hexdigest()[:16]}"


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = CSV_COLUMNS) -> str:
    """Return rows as CSV (RFC 4180).

    Text that a spreadsheet would evaluate as a formula (it begins with ``= + - @``, tab or a line break) is prefixed
    with ``'``.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else value


def to_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return all rows with all columns as one JSON object, ``{"rows": [...]}``; times are ISO 8601 in UTC."""
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    return json.dumps({"rows": plain}, allow_nan=False, indent=1) + "\n"


def _by_video(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]]:
    """Return, by video, the events and the part of each in that video; an empty list for a video without events."""
    found: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = defaultdict(list)
    for row in rows:
        found[row["video_id"]] += []
        for part in row["parts"] or ():
            found[part["video_id"]].append((row, part))
    return dict(sorted(found.items()))


def to_webvtt(parts: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str:
    """Return the events of one video as WebVTT cues, at times of that video.

    Args:
        parts: event rows, each with its part in the video.
    """
    cues = ["WEBVTT\n"]
    for row, part in sorted(parts, key=lambda pair: (pair[1]["start_s"], pair[0]["event_id"])):
        times = f"{_clock(part['start_s'])} --> {_clock(max(part['end_s'], part['start_s'] + 0.001))}"
        cues.append(f"{row['event_id']}\n{times}\n{_cue(row['camera'])} {row['score']:.3f}\n")
    return "\n".join(cues)


def _clock(seconds: float) -> str:
    ms = max(0, round(seconds * 1000))
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _cue(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def to_icalendar(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the events with a known time as an iCalendar file (RFC 5545)."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//wsvad//events//EN"]
    for row in rows:
        if row["kind"] == "event" and row["start_utc"]:
            start, end = (row[name].strftime("%Y%m%dT%H%M%SZ") for name in ("start_utc", "end_utc"))
            lines += ["BEGIN:VEVENT", f"UID:{row['event_id']}@wsvad", f"DTSTAMP:{start}", f"DTSTART:{start}"]
            lines += [f"DTEND:{end}"] if end > start else []
            lines += [f"SUMMARY:{_ics(row['camera'])} {row['score']:.3f}", f"LOCATION:{_ics(row['camera'])}"]
            lines += [f"DESCRIPTION:{_ics(row['video_id'])}", "END:VEVENT"]
    return "".join(f"{folded}\r\n" for line in [*lines, "END:VCALENDAR"] for folded in _folded(line))


def _ics(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r\n", "\\n"), ("\n", "\\n"), ("\r", "\\n")):
        text = text.replace(plain, escaped)
    return "".join(c for c in text if c == "\t" or ord(c) >= 32)


def _folded(line: str) -> Iterator[str]:
    """Fold a line at 75 octets, never within a character; continuation lines begin with a space."""
    piece = ""
    for c in line:
        if len((piece + c).encode("utf-8", "backslashreplace")) > 75:
            yield piece
            piece = " "
        piece += c
    yield piece
