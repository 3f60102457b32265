"""Arrow reads what was written, and the process ends normally."""

from __future__ import annotations

import io
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wsvad.arrow import owned_reader

ENDS = """
import os, sys
from wsvad.manifest.table import read_columns
data = open(sys.argv[1], "rb").read()
bad = 0
for _ in range(40):
    child = os.fork()
    if not child:
        assert read_columns(data, ["video_id", "uri"], name="m").num_rows == 1000
        sys.exit(0)
    bad += os.waitpid(child, 0)[1] != 0
print(bad)
"""


def test_the_reader_has_a_copy_of_the_bytes() -> None:
    """In memory that Python does not own."""
    data = bytes(range(256)) * 3
    reader = owned_reader(data)
    assert reader.read() == data
    assert owned_reader(b"").read() == b""


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_process_that_ends_soon_is_not_aborted(kind: str, tmp_path) -> None:
    """With ``io.BytesIO`` up to a third of the processes that read Parquet were, and some that read CSV."""
    path = tmp_path / f"manifest.{kind}"
    table = pa.table({"video_id": [f"v{i}" for i in range(1000)], "uri": ["x.mp4"] * 1000})
    if kind == "csv":
        path.write_text("video_id,uri\n" + "".join(f"v{i},x.mp4\n" for i in range(1000)))
    else:
        sink = io.BytesIO()
        pq.write_table(table, sink)
        path.write_bytes(sink.getvalue())
    done = subprocess.run([sys.executable, "-c", ENDS, path], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "0\n", done.stderr
