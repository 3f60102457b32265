"""Events of a unit as the bytes of its object: a Parquet file that is a pure function of its rows."""

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
    """Encode the rows of a unit as Parquet bytes: columns of ``EVENTS_SCHEMA``, zstd, absent values null.

    The same input gives the same bytes: no time of making, host or attempt is in them.
    """
    said = {
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
            columns.META_UNIT: json.dumps(said, sort_keys=True),
        }
    )
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema))
    data: bytes = sink.getvalue().to_pybytes()
    return data


class StoredEvents(NamedTuple):
    """A unit as it is read back."""

    fingerprint: str
    unit: dict[str, Any]
    rows: list[dict[str, Any]]


def decode_events(data: bytes) -> StoredEvents:
    """Undo :func:`encode_events`; every page is held against its checksum.

    Raises:
        DamagedUnit: the bytes are no unit of events, or not what was written.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        schema = file.schema_arrow  # made anew each time that it is asked for
        metadata = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
        check_columns(schema, columns.EVENTS_SCHEMA)
        rows: list[dict[str, Any]] = file.read().to_pylist()
        unit = parse_object(metadata[columns.META_UNIT])
        if unit["clips"] != len(rows):  # the footer has no checksum of its own
            raise ValueError(f"its footer says {unit['clips']!r} rows")
        return StoredEvents(metadata[columns.META_FINGERPRINT], unit, rows)
    except (pa.ArrowException, OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedUnit(f"no whole unit of events: {error}") from error


def summarize_events(data: bytes) -> UnitSummary:
    """Read a unit back for ``wsvad verify``: every row is a clip of the unit. Raises as :func:`decode_events`."""
    stored = decode_events(data)
    name = str(stored.unit["video_id"])
    keys = [(name, number, 0) for number in range(len(stored.rows))]
    return UnitSummary(stored.fingerprint, stored.unit, len(keys), keys, finite=True)


def receipt_of(unit_id: str, data: bytes, rows: int) -> Receipt:
    """Return the receipt of a stored unit.

    Args:
        unit_id: of the unit.
        data: its bytes, which were just encoded or decoded.
        rows: how many they hold.
    """
    sha = hashlib.sha256(data).hexdigest()
    return Receipt(unit_id, "done", clips=rows, rows=rows, bytes=len(data), sha256=sha)


class Counts(NamedTuple):
    """What a unit holds, for summaries; kept in the notes of its row in the table of videos."""

    events: int = 0
    scored_s: float = 0.0
    not_scored_s: float = 0.0
    not_scored: int = 0
    """Spans without scores, those of unknown length among them."""

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
        """As notes of a row of the table of videos."""
        return [f"{name}: {value}" for name, value in self._asdict().items()]

    @classmethod
    def from_notes(cls, notes: Sequence[str] | None) -> Counts | None:
        """Undo :attr:`notes`; ``None`` where they say something else."""
        said = dict(note.split(": ", 1) for note in notes or () if ": " in note)
        try:
            return cls(*(type(default)(said[name]) for name, default in cls._field_defaults.items()))
        except (KeyError, ValueError):
            return None
