"""Tables from bytes: as they were written, or an error of Arrow's; and the process ends as it should."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wsvad.parquet import decode_columns, decode_schema, decode_table

TABLE = pa.table({"a": [1, 2], "b": ["x", None], "c": [0.5, 1.5]})

ENDS = """
import os, sys
from wsvad.parquet import decode_columns
data = open(sys.argv[1], "rb").read()
bad = 0
for _ in range(40):
    child = os.fork()
    if not child:
        decode_columns(data, ["b", "a"])
        sys.exit(0)
    bad += os.waitpid(child, 0)[1] != 0
print(bad)
"""


def encoded(table: pa.Table) -> bytes:
    """As a file's bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def test_columns_come_in_the_order_that_is_asked_for() -> None:
    """And the schema says which there are."""
    data = encoded(TABLE)
    assert decode_columns(data, ["c", "a"]).equals(TABLE.select(["c", "a"]))
    assert decode_schema(data).names == ["a", "b", "c"]


def test_a_schema_is_kept() -> None:
    """What the file lacks is null, what it has beside is left out, types are the schema's, rows are counted."""
    schema = pa.schema([("new", pa.list_(pa.int64())), ("a", pa.int32()), ("b", pa.string())])
    expected = {"new": [None, None], "a": [1, 2], "b": ["x", None]}
    assert decode_table(encoded(TABLE), schema).equals(pa.table(expected, schema=schema))


def test_what_does_not_fit_is_an_error() -> None:
    """No column of a name, several, values of another type."""
    twice = pa.Table.from_arrays([TABLE["a"], TABLE["b"]], names=["a", "a"])
    with pytest.raises(pa.ArrowException, match="0 columns are named 'z'"):
        decode_columns(encoded(TABLE), ["a", "z"])
    with pytest.raises(pa.ArrowException, match="2 columns are named 'a'"):
        decode_columns(encoded(twice), ["a"])
    with pytest.raises(pa.ArrowException):
        decode_table(encoded(TABLE), pa.schema([("b", pa.int64())]))


@pytest.mark.parametrize("keep", [0, 3, 100, -9])
def test_damage_is_an_error(keep: int) -> None:
    """Of the kinds that callers expect."""
    data = encoded(TABLE)[:keep]
    for read in (lambda: decode_columns(data, ["a"]), lambda: decode_table(data, TABLE.schema)):
        with pytest.raises((pa.ArrowException, OSError)):
            read()


def test_a_process_that_soon_ends_is_not_aborted(tmp_path) -> None:
    """With ``read_table`` up to a third were: a thread of Arrow's asked for an interpreter that was gone."""
    path = tmp_path / "table.parquet"
    path.write_bytes(encoded(pa.table({"a": list(range(1000)), "b": ["x"] * 1000})))
    done = subprocess.run([sys.executable, "-c", ENDS, path], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "0\n", done.stderr
