"""The training curve as CSV (exact) and as TensorBoard events."""

from __future__ import annotations

import csv
import io
import math
import struct

from tensorboardX.proto.event_pb2 import Event

from wsvad.loop.curve import Curve, tensorboard_events

ROWS = [[1, 0.1, math.nan], [2, 1 / 3, 0.75], [3, 1e-300, math.nan]]


def test_csv_round_trips_exactly():
    """Missing values are empty fields."""
    rows = list(csv.reader(io.StringIO(Curve(("step", "total", "val_auc"), ROWS).to_csv().decode())))
    assert rows[0] == ["step", "total", "val_auc"]
    assert [[float(v) if v else math.nan for v in row] for row in rows[1:]][1] == ROWS[1]
    assert [row[2] for row in rows[1:]] == ["", "0.75", ""]


def test_the_tensor_holds_the_curve():
    """States save it in this form."""
    curve = Curve(("step", "total", "val_auc"), ROWS)
    assert Curve(curve.columns, curve.to_tensor().tolist()).to_csv() == curve.to_csv()


def test_events_cover_the_new_steps_only():
    """Parsed record by record, as TensorBoard does: length, checksum, message, checksum."""
    data, events = tensorboard_events(Curve(("step", "total", "val_auc"), ROWS), after=1), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        events.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    assert events[0].file_version == "brain.Event:2"
    values = [(e.step, v.tag, v.simple_value) for e in events[1:] for v in e.summary.value]
    assert [v[:2] for v in values] == [(2, "loss/total"), (2, "val_auc"), (3, "loss/total")]
    assert values[1][2] == 0.75
