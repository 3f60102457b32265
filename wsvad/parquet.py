"""Read small Parquet tables from their bytes."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq


def decode_schema(data: bytes) -> pa.Schema:
    """Return a file's schema. Raises ``ArrowException``: it is no Parquet."""
    return pq.ParquetFile(pa.BufferReader(data)).schema_arrow


def decode_table(data: bytes, *, schema: pa.Schema | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a file's table.

    ``pyarrow.parquet.read_table`` leaves work to a thread that still wants the interpreter when the table is there: of
    processes that soon end, some are aborted with exit code 134. A ``ParquetFile`` of a buffer does not.

    Args:
        data: the file.
        schema: of the result: columns that the file lacks are null, others of it are left out.
        columns: to read, in the order of the result; all, where there is a schema or none are named.

    Raises:
        ArrowException: it is no Parquet, damaged, or has other types.
        OSError: likewise, of Parquet's own checks.
    """
    table = pq.ParquetFile(pa.BufferReader(data)).read(None if columns is None else list(columns))
    if columns is not None:
        table = table.select(list(columns))
    if schema is None:
        return table
    rows, there = table.num_rows, set(table.column_names)
    parts = [table[f.name].cast(f.type) if f.name in there else pa.nulls(rows, f.type) for f in schema]
    return pa.Table.from_arrays(parts, schema=schema)
