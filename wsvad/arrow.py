"""Hand bytes to Arrow's readers."""

from __future__ import annotations

import pyarrow as pa


def owned_reader(data: bytes) -> pa.BufferReader:
    """Return a file of a copy of ``data`` that is Arrow's own.

    Arrow's readers work in threads, which let go of the file a little after the table is there. Where Python owns it
    (``io.BytesIO(data)``, ``pa.BufferReader(data)``), they need the interpreter for that, and a process that soon ends
    has none any more: it is aborted, with exit code 134. The copy is for tables, which are small; not for features.
    """
    sink = pa.BufferOutputStream()
    sink.write(data)
    return pa.BufferReader(sink.getvalue())
