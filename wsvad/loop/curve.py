"""The training curve: one row per step, as numbers, CSV and TensorBoard events."""

from __future__ import annotations

import csv
import io
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

STEP, VAL_AUC, TEST_AUC = "step", "val_auc", "test_auc"


class Curve:
    """Rows of named numbers, one per step, numbered from 1 without gaps. NaN marks missing numbers."""

    def __init__(self, columns: Sequence[str] = (), rows: Sequence[Sequence[float]] = ()) -> None:
        self.columns = tuple(columns)
        self.rows = [list(row) for row in rows]

    def add(self, row: Mapping[str, float]) -> None:
        """Append the row of a step. All rows have the same names, ``step`` first."""
        if not self.columns:
            self.columns = tuple(row)
        assert tuple(row) == self.columns, f"expected the columns {self.columns}, got {tuple(row)}"
        assert row[STEP] == len(self.rows) + 1, f"expected step {len(self.rows) + 1}, got {row[STEP]}"
        self.rows.append(list(row.values()))

    def column(self, name: str) -> list[tuple[int, float]]:
        """Return ``(step, value)`` of every step with a value in the column; empty for an unknown name."""
        if name not in self.columns:
            return []
        at = self.columns.index(name)
        return [(int(row[0]), row[at]) for row in self.rows if not math.isnan(row[at])]

    def to_tensor(self) -> Tensor:
        """Return the rows, float64 [steps, columns]."""
        return torch.tensor(self.rows, dtype=torch.float64).reshape(len(self.rows), len(self.columns))

    def to_csv(self) -> bytes:
        """Return the curve as CSV. Numbers round-trip exactly; NaN becomes an empty field."""
        sink = io.StringIO()
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(self.columns)
        for step, *values in self.rows:
            writer.writerow([int(step), *("" if math.isnan(v) else repr(v) for v in values)])
        return sink.getvalue().encode()


def tensorboard_events(curve: Curve, after: int) -> bytes:
    """Return a TensorBoard event file of the steps after step ``after``."""
    # imported here, because tensorboardX inspects the machine when it is imported
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.record_writer import RecordWriter

    now = time.time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events"
        writer = RecordWriter(str(path))
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for step, *values in curve.rows[after:]:
            named = zip(curve.columns[1:], values, strict=True)
            summary = Summary(value=[Summary.Value(tag=_tag(n), simple_value=v) for n, v in named if not math.isnan(v)])
            writer.write(Event(wall_time=now, step=int(step), summary=summary).SerializeToString())
        writer.close()
        return path.read_bytes()


def _tag(column: str) -> str:
    return column if column in (VAL_AUC, TEST_AUC, "grad_norm") else f"loss/{column}"
