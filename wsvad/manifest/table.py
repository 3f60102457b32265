"""Reads the columns of a CSV or Parquet manifest."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from wsvad.arrow import owned_reader
from wsvad.columns import FRAME_RATE, STREAM, URI, VIDEO_ID
from wsvad.errors import ManifestError
from wsvad.suggest import did_you_mean


@dataclass(frozen=True)
class ManifestRow:
    """The columns of a manifest row that extraction needs."""

    uri: str
    video_id: str | None
    where: str
    """File and row number, for messages."""
    stream: int | None = None
    """Index of the video stream to decode, from 0."""
    frame_rate: float | None = None
    """Frames per second, for files without time stamps."""


def read_manifest(data: bytes, *, name: str) -> list[ManifestRow]:
    """Decode the rows of a manifest.

    Args:
        data: content of the file; Parquet if it begins with ``PAR1``, else CSV with a header line.
        name: name of the file, for messages.

    Raises:
        ManifestError: the file cannot be parsed, or has no ``uri`` column, no rows or an empty ``uri``.
    """
    table = read_columns(data, (VIDEO_ID, URI, STREAM, FRAME_RATE), name=name)
    if not table.num_rows:
        raise ManifestError(f"{name}: the manifest has no rows")
    uris = table[URI].to_pylist()
    ids = table[VIDEO_ID].to_pylist() if VIDEO_ID in table.column_names else [None] * len(uris)
    rows = []
    streams, rates = (_numbers(table, column, name) for column in (STREAM, FRAME_RATE))
    for number, (uri, video_id) in enumerate(zip(uris, ids, strict=True), start=1):
        where = f"{name}, row {number}"
        if not isinstance(uri, str) or not uri.strip():
            raise ManifestError(f"{where}: the uri is empty")
        if uri.strip().endswith("/"):
            raise ManifestError(f"{where}: the uri {uri.strip()!r:.200} is a folder, expected a file")
        if video_id is not None and not isinstance(video_id, str):
            raise ManifestError(f"{where}: video_id must be text, got {type(video_id).__name__}")
        stream = streams[number - 1]
        if stream is not None and not stream.is_integer():
            raise ManifestError(f"{where}: stream must be a whole number, got {stream:g}")
        whole = None if stream is None else int(stream)
        rows.append(ManifestRow(uri.strip(), video_id or None, where, whole, rates[number - 1]))
    return rows


def _numbers(table: pa.Table, column: str, name: str) -> list[float | None]:
    """Return a column of numbers, which may be stored as text; None where a value or the column is missing."""
    if column not in table.column_names:
        return [None] * table.num_rows
    found: list[float | None] = []
    for number, value in enumerate(table[column].to_pylist(), start=1):
        try:
            found.append(float(value) if str(value or "").strip() or value == 0 else None)
        except (TypeError, ValueError) as error:
            raise ManifestError(f"{name}, row {number}: {column} must be a number, got {value!r:.80}") from error
        last = found[-1]
        if last is not None and not math.isfinite(last):
            raise ManifestError(f"{name}, row {number}: {column} must be finite, got {value!r:.80}")
    return found


def read_columns(data: bytes, wanted: Sequence[str], *, name: str) -> pa.Table:
    """Parse those of the wanted columns that exist; CSV columns are parsed as text even if they look like numbers."""
    try:
        if data[:4] == b"PAR1":
            names = pq.read_schema(owned_reader(data)).names
        else:
            names = next(csv.reader(io.StringIO(data.split(b"\n", 1)[0].decode("utf-8-sig"))), [])
        if URI not in names:
            raise ManifestError(f"{name}: a manifest needs a column 'uri'; found {names[:20]!r:.300}{_hint(names)}")
        columns = [c for c in wanted if c in names]
        if data[:4] == b"PAR1":
            return pq.read_table(owned_reader(data), columns=columns)
        # Other columns are only skipped, so their content cannot cause an error.
        types = pacsv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pa.string()))
        # A single block: a row of a long video with many boxes exceeds the default block size.
        block = pacsv.ReadOptions(block_size=min(max(len(data), 1 << 20), 1 << 30))
        return pacsv.read_csv(owned_reader(data), read_options=block, convert_options=types)
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{name}: cannot be read as a manifest: {error}") from error


def _hint(names: Sequence[str]) -> str:
    """Return a hint for the header of a CSV file without a ``uri`` column."""
    for delimiter, label in ((";", "';'"), ("\t", "tabs"), ("|", "'|'")):
        parts = [name.strip().strip('"').lower() for name in delimiter.join(names).split(delimiter)]
        if len(parts) > len(names) and {URI, VIDEO_ID} & set(parts):
            return f". Its columns are separated by {label}; save it with commas as separators"
    return did_you_mean(URI, names)
