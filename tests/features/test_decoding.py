"""Units are checked against their snapshot when they are decoded."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.features.factories import CONFIG, unit_bytes, zero_rows
from wsvad.dataset.snapshots import SnapshotObject
from wsvad.errors import StorageError
from wsvad.features.decoding import UnitFeatures, decode_features


def decode(data: bytes, clips: int, views: int = 1, rows: int | None = None) -> UnitFeatures:
    """Decode an object of video ``bad`` whose digest is correct."""
    digest, rows = hashlib.sha256(data).hexdigest(), clips * views if rows is None else rows
    described = SnapshotObject("units/00/0.parquet", "bad", "c", 0, clips, clips, rows, len(data), digest)
    return decode_features(data, described, uri="file:///f/0.parquet", fingerprint=CONFIG.fingerprint)


def edited(data: bytes, edit) -> bytes:
    """Return the same unit with its table edited."""
    sink = pa.BufferOutputStream()
    table = pq.read_table(pa.BufferReader(data))
    pq.write_table(edit(table).replace_schema_metadata(table.schema.metadata), sink)
    return sink.getvalue().to_pybytes()


def not_finite(value: float) -> bytes:
    """Return three clips, the second of which has a value that is not finite."""
    rows = zero_rows([0, 1, 2])
    rows[1].pooled_VD[0, 3] = value
    return unit_bytes("bad", rows)


THREE = zero_rows([0, 1, 2])
TWO_CROPS = unit_bytes("bad", zero_rows([0, 1, 2], views=2))
BAD = {
    "nan": (not_finite(float("nan")), {}, "NaN or infinite pooled, first in clip 1"),
    "inf": (not_finite(float("-inf")), {}, "NaN or infinite pooled, first in clip 1"),
    "other video": (unit_bytes("good", THREE), {}, r"rows of other videos: \['good'\]"),
    "clip twice": (
        unit_bytes("bad", zero_rows([0, 1, 1])),
        {},
        "around clip 1, expected 3 clips with crops 0 to 0 each",
    ),
    "clip outside": (unit_bytes("bad", zero_rows([0, 1, 5])), {}, r"clips 0 to 5, expected \[0, 3\)"),
    "clip missing": (unit_bytes("bad", zero_rows([0, 1])), {}, "expected 3 rows of 3 clips, got 2"),
    "crop missing": (edited(TWO_CROPS, lambda t: t.slice(0, 5)), {"views": 2, "rows": 5}, "expected 5 rows of 3 clips"),
    "crop twice": (
        edited(TWO_CROPS, lambda t: t.take([0, 1, 2, 2, 4, 5])),
        {"views": 2},
        "around clip 1, expected 3 clips with crops 0 to 1 each, once",
    ),
    "column missing": (
        edited(unit_bytes("bad", THREE), lambda t: t.drop_columns(["crop"])),
        {},
        "not a features table",
    ),
    "not Parquet": (b"PAR1 and then nothing", {}, "not a features table"),
}


@pytest.mark.parametrize("case", BAD)
def test_damaged_rows_are_detected(case: str) -> None:
    """Errors under a correct digest, each reported with the video's name."""
    data, options, message = BAD[case]
    with pytest.raises(StorageError, match=f"features of 'bad' in file://.* are damaged: {message}"):
        decode(data, 3, **options)


def test_rows_in_any_order_are_sorted() -> None:
    """Another program may have rewritten the table."""
    rows = zero_rows([0, 1, 2], views=2)
    for row in rows:
        row.pooled_VD[:] = [[row.clip], [row.clip + 10]]
    data = edited(unit_bytes("bad", rows), lambda t: t.take([5, 0, 3, 1, 4, 2]))
    video = decode(data, 3, views=2)
    assert video.clip.tolist() == [0, 1, 2]
    assert video.pooled_TVD[:, :, 0].tolist() == [[0, 10], [1, 11], [2, 12]]
    assert video.start_frame.tolist() == [0, 16, 32]
