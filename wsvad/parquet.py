"""Read small Parquet tables from their bytes.

``pyarrow.parquet.read_table`` leaves work to a thread that still wants the interpreter when the table is there: of
processes that soon end, some are aborted with exit code 134. A ``ParquetFile`` of a buffer does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq


def decode_schema(data: bytes) -> pa.Schema:
    """Return a file's schema. Raises ``ArrowException``: it is no Parquet."""
    return pq.ParquetFile(pa.BufferReader(data)).schema_arrow


def decode_columns(data: bytes, names: Sequence[str]) -> pa.Table:
    """Return columns of a file, in that order.

    Raises:
        ArrowException: it is no Parquet, is damaged, or has no or several columns of a name.
        OSError: it is damaged, by Parquet's own checks.
    """
    table = pq.ParquetFile(pa.BufferReader(data)).read(list(names))
    for name in names:
        if (found := table.column_names.count(name)) != 1:
            raise pa.ArrowInvalid(f"{found} columns are named {name!r:.200}")
    return table.select(list(names))


def decode_table(data: bytes, schema: pa.Schema) -> pa.Table:
    """Return a file's table with a schema: columns that the file lacks are null, others of it are left out.

    Raises:
        ArrowException: as ``decode_columns``, or its values cannot have the schema's types.
        OSError: it is damaged, by Parquet's own checks.
    """
    there = set(decode_schema(data).names)
    table = decode_columns(data, [name for name in schema.names if name in there])
    parts = [table[f.name].cast(f.type) if f.name in there else pa.nulls(len(table), f.type) for f in schema]
    return pa.Table.from_arrays(parts, schema=schema)
