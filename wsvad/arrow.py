"""Pass bytes to Arrow's readers safely."""

from __future__ import annotations

import pyarrow as pa


def owned_reader(data: bytes) -> pa.BufferReader:
    """Return a reader of a copy of ``data`` in memory owned by Arrow.

    Arrow's readers use threads that release the file shortly after the table is returned. Memory owned by Python
    (``io.BytesIO(data)``, ``pa.BufferReader(data)``) needs the interpreter for that. If the process is about to end,
    the interpreter is gone, and the process aborts with exit code 134. Use the copy for small tables, not for features.
    """
    sink = pa.BufferOutputStream()
    sink.write(data)
    return pa.BufferReader(sink.getvalue())
