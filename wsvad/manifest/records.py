"""Manifests with full video records: label, split, and temporal and spatial ground truth."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad import columns as col
from wsvad.errors import ManifestError, ObjectNotFound, UsageError
from wsvad.manifest.ids import check_id, row_id
from wsvad.manifest.names import Split
from wsvad.manifest.table import read_columns
from wsvad.manifest.truth import (
    MAX_FRAMES,
    Box,
    Span,
    box_problem,
    cut_boxes,
    cut_spans,
    format_boxes,
    format_spans,
    parse_boxes,
    parse_spans,
    spans_problem,
)
from wsvad.storage import StoreOptions, open_object

__all__ = ["Box", "Span", "Split", "VideoRecord", "encode_records", "read_records", "write_records"]

log = logging.getLogger(__name__)

_READING_COLUMNS = {col.STREAM: pa.int32(), col.FRAME_RATE: pa.float64()}


@dataclass(frozen=True)
class VideoRecord:
    """One video of a data set. Raises ``ManifestError`` if its fields contradict each other."""

    video_id: str
    """Stable, safe id; features and scores of the video use the same."""
    uri: str
    """URI of the video as stated in the manifest: absolute, or relative to the manifest's folder."""
    label: int | None = None
    """0 normal, 1 anomalous, None unknown."""
    split: Split | None = None
    category: str | None = None
    """Category of the anomaly as named by the data set, e.g. ``Arson``; ``Normal`` for a normal video."""
    num_frames: int | None = None
    """Number of frames of the stored video; None if unknown before decoding."""
    width: int | None = None
    """Frame width in pixels that the boxes refer to."""
    height: int | None = None
    """Frame height in pixels that the boxes refer to."""
    spans: tuple[Span, ...] | None = None
    """Anomalous frames, half-open, sorted, disjoint; None: unknown; (): known to be none (any normal video)."""
    boxes: tuple[Box, ...] | None = None
    """Positions of the anomalies; None: unknown; (): known to be none (any normal video)."""
    stream: int | None = None
    """Index of the video stream to decode, from 0; None: the main one."""
    frame_rate: float | None = None
    """Frames per second, for files without time stamps; None: as stated in the file."""
    cut_off: str = field(default="", compare=False)
    """Which ground truth lay past the last frame and was removed; empty if none. Not stored in a manifest."""

    def __post_init__(self) -> None:
        if self.label == 0:
            object.__setattr__(self, "spans", self.spans or ())
            object.__setattr__(self, "boxes", self.boxes or ())
        problem = self._problem()
        if problem:
            raise ManifestError(f"video {self.video_id!r:.120}: {problem}")
        self._cut()

    def _cut(self) -> None:
        """Remove ground truth past the last frame, and record it in ``cut_off`` (``docs/metrics.md``)."""
        frames = self.num_frames
        if frames is None:
            return
        spans = None if self.spans is None else cut_spans(self.spans, frames)
        boxes = None if self.boxes is None else cut_boxes(self.boxes, frames)
        if (spans, boxes) == (self.spans, self.boxes):
            return
        last = max([end for _, end in self.spans or ()] + [box.end_frame for box in self.boxes or ()])
        object.__setattr__(self, "cut_off", f"its truth ends at frame {last}, the video has {frames} frames")
        object.__setattr__(self, "spans", spans)
        object.__setattr__(self, "boxes", boxes)

    def _problem(self) -> str | None:
        if self.label not in (0, 1, None):
            return f"label must be 0 (normal), 1 (anomalous) or empty, got {self.label!r}"
        if self.split not in (*get_args(Split), None):
            return f"split must be one of {', '.join(get_args(Split))} or empty, got {self.split!r}"
        for name in ("num_frames", "width", "height"):
            value = getattr(self, name)
            most = MAX_FRAMES if name == "num_frames" else (1 << 31) - 1
            if value is not None and not 1 <= value <= most:
                return f"{name} must be at least 1 and at most {most}, got {value}"
        if self.label == 0 and (self.spans or self.boxes):
            return "it is labelled normal (0) but has anomalous spans or boxes"
        if self.label == 1 and self.spans == ():
            return "it is labelled anomalous (1) but its spans are 'none'; leave spans empty if they are unknown"
        return spans_problem(self.spans or ()) or next(filter(None, map(box_problem, self.boxes or ())), None)


def log_cut_off(records: Iterable[VideoRecord], name: str) -> None:
    """Log a warning with the number of videos whose ground truth past the last frame was removed."""
    cut = [record for record in records if record.cut_off]
    if cut:
        log.warning(
            "%s: ground truth past the last frame was removed for %d videos, e.g. %s: %s",
            name, len(cut), cut[0].video_id, cut[0].cut_off,
        )  # fmt: skip


def read_records(uri: str, options: StoreOptions | None = None) -> list[VideoRecord]:
    """Read a CSV or Parquet manifest; the order of rows is kept.

    Columns: ``uri``, and optionally ``video_id, label, split, category, num_frames, width, height, spans, boxes,
    stream, frame_rate``; others are ignored. Without ``video_id`` the id is derived from the URI, as in
    ``wsvad extract``.

    Raises:
        ManifestError: the manifest does not exist, cannot be parsed, has no ``uri`` column or no rows, or has an
            invalid value, an unsafe id or a repeated id.
        StorageError: the file cannot be read.
    """
    store, key = open_object(uri, options or StoreOptions())
    try:
        data = store.read(key)
    except ObjectNotFound as error:
        raise ManifestError(f"the manifest does not exist: {error}") from error
    return decode_records(data, name=uri)


def write_records(uri: str, records: Sequence[VideoRecord], options: StoreOptions | None = None) -> None:
    """Write a manifest, replacing an existing one; the extension of the URI selects the format.

    Raises:
        UsageError: the extension is neither ``.csv`` nor ``.parquet``.
        StorageError: the store failed.
    """
    data = encode_records(records, suffix=PurePosixPath(uri).suffix.lower())
    store, key = open_object(uri, options or StoreOptions())
    store.replace(key, data)


def decode_records(data: bytes, *, name: str) -> list[VideoRecord]:
    """Decode the records of a manifest; ``name`` is used in messages. Raises ``ManifestError``."""
    table = read_columns(data, (*col.MANIFEST_SCHEMA.names, *_READING_COLUMNS), name=name)
    if not table.num_rows:
        raise ManifestError(f"{name}: the manifest has no rows")
    records = []
    for number, row in enumerate(table.to_pylist(), start=1):
        where = f"{name}, row {number}"
        try:
            records.append(_record(row, where))
        except ManifestError as error:
            raise ManifestError(str(error) if where in str(error) else f"{where}: {error}") from error
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise ManifestError(f"{where} ({row.get(col.VIDEO_ID) or row[col.URI]!r:.120}): {error}") from error
    check_unique(records, name)
    log_cut_off(records, name)
    return records


def check_unique(records: Iterable[VideoRecord], name: str) -> None:
    """Raise ``ManifestError`` if two records share an id."""
    repeated = [i for i, n in Counter(r.video_id for r in records).items() if n > 1]
    if repeated:
        raise ManifestError(f"{name}: video ids must be unique; {len(repeated)} are not, e.g. {repeated[0]!r:.120}")


def _record(row: Mapping[str, Any], where: str) -> VideoRecord:
    uri = _text(row, col.URI)
    if uri is None:
        raise ManifestError(f"{where}: the uri is empty")
    return VideoRecord(
        video_id=row_id(row.get(col.VIDEO_ID), uri, where),
        uri=uri,
        label=_integer(row, col.LABEL),
        split=_split(_text(row, col.SPLIT)),
        category=_text(row, col.CATEGORY),
        num_frames=_integer(row, col.NUM_FRAMES),
        width=_integer(row, col.WIDTH),
        height=_integer(row, col.HEIGHT),
        spans=_spans(row.get(col.SPANS)),
        boxes=_boxes(row.get(col.BOXES)),
        stream=_integer(row, col.STREAM),
        frame_rate=_number(row, col.FRAME_RATE),
    )


def _text(row: Mapping[str, Any], column: str) -> str | None:
    value = row.get(column)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{column} must be text, got {value!r:.80}")
    return (value or "").strip() or None


def _integer(row: Mapping[str, Any], column: str) -> int | None:
    """Return an integer or None; other programs write ``1`` as ``1.0`` and a missing value as NaN."""
    value = row.get(column)
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        return None
    try:
        whole = int(float(value))
    except (ValueError, OverflowError):
        raise ValueError(f"{column} must be a whole number, got {value!r:.80}") from None
    if whole != float(value):
        raise ValueError(f"{column} must be a whole number, got {value!r}")
    return whole


def _number(row: Mapping[str, Any], column: str) -> float | None:
    value = row.get(column)
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{column} must be a number, got {value!r:.80}") from None


def _split(text: str | None) -> Split | None:
    for split in get_args(Split):
        if text == split:
            known: Split = split
            return known
    if text is not None:
        raise ValueError(f"split must be one of {', '.join(get_args(Split))} or empty, got {text!r:.80}")
    return None


def _spans(value: Any) -> tuple[Span, ...] | None:
    if isinstance(value, str):
        return parse_spans(value) if value.strip() else None
    return None if value is None else tuple((int(s[col.START_FRAME]), int(s[col.END_FRAME])) for s in value)


def _boxes(value: Any) -> tuple[Box, ...] | None:
    if isinstance(value, str):
        return parse_boxes(value) if value.strip() else None
    return None if value is None else tuple(Box(**box) for box in value)


def encode_records(records: Sequence[VideoRecord], *, suffix: str) -> bytes:
    """Encode records as ``.parquet`` or ``.csv``; :func:`decode_records` restores them exactly.

    Raises:
        ManifestError: an id is unsafe or repeated.
        UsageError: the suffix is neither.
    """
    for number, record in enumerate(records, start=1):
        check_id(record.video_id, f"record {number}")
    check_unique(records, "manifest")
    check_suffix(suffix)
    return _encode_csv(records) if suffix == ".csv" else _encode_parquet(records)


def check_suffix(name: str) -> None:
    """Raise ``UsageError`` if the name of a manifest to be written does not end with ``.csv`` or ``.parquet``."""
    if not name.lower().endswith((".csv", ".parquet")):
        raise UsageError(f"a manifest must be a .csv or .parquet file, got {name!r:.200}")


def _encode_csv(records: Sequence[VideoRecord]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    schema = _schema(records)
    writer.writerow(schema.names)
    for record in records:
        values = {name: getattr(record, name) for name in schema.names}
        values[col.SPANS] = None if record.spans is None else format_spans(record.spans)
        values[col.BOXES] = None if record.boxes is None else format_boxes(record.boxes)
        writer.writerow(values.values())
    return text.getvalue().encode()


def _schema(records: Iterable[VideoRecord]) -> pa.Schema:
    """Return the columns of a manifest; ``stream`` and ``frame_rate`` only if any record sets them."""
    schema = col.MANIFEST_SCHEMA
    for name, kind in _READING_COLUMNS.items():
        if any(getattr(record, name) is not None for record in records):
            schema = schema.append(pa.field(name, kind))
    return schema


def _encode_parquet(records: Sequence[VideoRecord]) -> bytes:
    rows, schema = [], _schema(records)
    for record in records:
        values = {name: getattr(record, name) for name in schema.names}
        if record.spans is not None:
            values[col.SPANS] = [{col.START_FRAME: start, col.END_FRAME: end} for start, end in record.spans]
        if record.boxes is not None:
            values[col.BOXES] = [box._asdict() for box in record.boxes]
        rows.append(values)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    return sink.getvalue()
