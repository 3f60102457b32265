"""Encoding of a unit's events as a Parquet file whose bytes are a pure function of its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad import columns
from wsvad.documents import parse_object
from wsvad.events.config import EventsConfig
from wsvad.events.units import EventUnit
from wsvad.features.encoding import UnitSummary, check_columns
from wsvad.work.receipt import Receipt
from wsvad.work.stored import DamagedUnit


def encode_events(rows: Sequence[Mapping[str, Any]], unit: EventUnit, config: EventsConfig) -> bytes:
    """Encode the rows of a unit as Parquet bytes with the columns of ``EVENTS_SCHEMA``; absent values are null.

    The same input gives the same bytes: they contain no creation time, host or attempt.
    """
    header = {
        "unit_id": unit.unit_id,
        "video_id": unit.name,
        "content_id": unit.content_id,
        "clips": len(rows),
        "inputs": unit.inputs(),
    }
    schema = columns.EVENTS_SCHEMA.with_metadata(
        {
            columns.META_FINGERPRINT: config.fingerprint,
            columns.META_EVENTS: json.dumps(config.to_dict(), sort_keys=True),
            columns.META_UNIT: json.dumps(header, sort_keys=True),
        }
    )
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema))
    data: bytes = sink.getvalue().to_pybytes()
    return data


class StoredEvents(NamedTuple):
    """A decoded unit."""

    fingerprint: str
    unit: dict[str, Any]
    rows: list[dict[str, Any]]


def decode_events(data: bytes) -> StoredEvents:
    """Decode the bytes of :func:`encode_events`; every page is verified against its checksum.

    Raises:
        DamagedUnit: the bytes are not a valid unit of events.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        schema = file.schema_arrow  # pyarrow builds it again on each access
        metadata = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
        check_columns(schema, columns.EVENTS_SCHEMA)
        rows: list[dict[str, Any]] = file.read().to_pylist()
        unit = parse_object(metadata[columns.META_UNIT])
        if unit["clips"] != len(rows):  # the footer has no checksum
            raise ValueError(f"its footer states {unit['clips']!r} rows")
        return StoredEvents(metadata[columns.META_FINGERPRINT], unit, rows)
    except (pa.ArrowException, OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedUnit(f"not a complete unit of events: {error}") from error


def summarize_events(data: bytes) -> UnitSummary:
    """Summarise a unit for ``wsvad verify``; each row counts as a clip. Raises as :func:`decode_events`."""
    stored = decode_events(data)
    name = str(stored.unit["video_id"])
    keys = [(name, number, 0) for number in range(len(stored.rows))]
    return UnitSummary(stored.fingerprint, stored.unit, len(keys), keys, finite=True)


def receipt_of(unit_id: str, data: bytes, rows: int) -> Receipt:
    """Return the receipt of a stored unit.

    Args:
        unit_id: id of the unit.
        data: bytes of the unit, just encoded or decoded.
        rows: number of rows.
    """
    sha = hashlib.sha256(data).hexdigest()
    return Receipt(unit_id, "done", clips=rows, rows=rows, bytes=len(data), sha256=sha)


class Counts(NamedTuple):
    """Row counts and durations of a unit, for summaries; stored in the notes of its row in the table of videos."""

    events: int = 0
    scored_s: float = 0.0
    not_scored_s: float = 0.0
    not_scored: int = 0
    """Number of spans without scores, including those of unknown length."""

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Counts:
        """Count the rows of a unit."""
        seconds = {"event": 0.0, "scored": 0.0, "not_scored": 0.0}
        for row in rows:
            seconds[row["kind"]] += (row["end_s"] or row["start_s"]) - row["start_s"]
        spans = sum(row["kind"] == "not_scored" for row in rows)
        events = sum(row["kind"] == "event" for row in rows)
        return cls(events, round(seconds["scored"], 3), round(seconds["not_scored"], 3), spans)

    @property
    def notes(self) -> list[str]:
        """The counts as notes for a row of the table of videos."""
        return [f"{name}: {value}" for name, value in self._asdict().items()]

    @classmethod
    def from_notes(cls, notes: Sequence[str] | None) -> Counts | None:
        """Parse :attr:`notes`; return ``None`` if they have another form."""
        values = dict(note.split(": ", 1) for note in notes or () if ": " in note)
        try:
            return cls(*(type(default)(values[name]) for name, default in cls._field_defaults.items()))
        except (KeyError, ValueError):
            return None
