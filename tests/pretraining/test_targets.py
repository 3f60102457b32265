"""The targets of a clip, for bodies with known motion."""

from __future__ import annotations

import numpy as np
import pytest

from wsvad.backbones.compact import LABELS, MEASURES
from wsvad.pretraining.actors import Body
from wsvad.pretraining.targets import CAMERA, Placed, Targets, measure

STILL = dict.fromkeys(CAMERA, 0.0)


def _body(start: tuple[float, float], velocity: tuple[float, float], *, size: float = 50.0, **labels: float) -> Placed:
    """Return a point of 400 pixels with constant velocity."""
    number = np.arange(18)[:, None]
    points = (np.array(start) + (number - 1) * np.array(velocity))[:, None]
    speed = np.broadcast_to(np.array(velocity, float), points.shape)
    return Placed(Body(points, np.array([400.0]), size, labels), points, speed, size, np.ones((18, 1), bool))


def _value(targets: Targets, name: str, row: int, column: int, window: int = 0) -> float:
    return float(targets.motion_WYXM[window, row, column, MEASURES.index(name)])


def test_measures_equal_the_motion_of_the_body() -> None:
    """Velocity, speed, mass, acceleration and crossing of a single body."""
    found = measure([_body((100, 40), (0.5, 1.0))], STILL)
    row, column = 1, 3
    assert _value(found, "right", row, column) == pytest.approx(np.log1p(0.5), abs=2e-3)
    assert _value(found, "down", row, column) == pytest.approx(np.log1p(1.0), abs=2e-3)
    assert _value(found, "speed", row, column) == pytest.approx(np.log1p(np.hypot(0.5, 1)), abs=2e-3)
    assert _value(found, "mass", row, column) == pytest.approx(np.log1p(4 * 400 / 40), abs=2e-3)
    assert _value(found, "body_speed", row, column) == pytest.approx(np.log1p(30 * np.hypot(0.5, 1) / 50), abs=2e-3)
    assert _value(found, "change", row, column) == pytest.approx(0, abs=1e-3)
    assert _value(found, "crossing", row, column) == pytest.approx(0, abs=1e-3)


def test_other_cells_have_no_motion() -> None:
    """Only the cell of the body is non-zero."""
    motion = measure([_body((100, 40), (0.5, 0.0))], STILL).motion_WYXM.copy()
    motion[:, 1, 3] = 0
    assert not motion.any()


def test_opposite_directions_give_crossing() -> None:
    """Two bodies with opposite directions in one cell."""
    found = measure([_body((100, 40), (1.0, 0.0)), _body((110, 50), (-1.0, 0.0))], STILL)
    assert _value(found, "crossing", 1, 3) == pytest.approx(1, abs=1e-3)
    assert _value(found, "spread", 1, 3) == pytest.approx(np.log1p(1), abs=2e-3)


def test_static_and_outside_bodies_have_no_motion() -> None:
    """They contribute to no cell."""
    found = measure([_body((100, 40), (0.0, 0.0)), _body((-90, 40), (2.0, 0.0))], STILL)
    assert not found.motion_WYXM.any()
    assert found.clip[-1] == 0  # log(1 + moving bodies)


def test_labels_are_in_the_cell_of_the_body() -> None:
    """The clip's labels are the union over cells."""
    found = measure([_body((100, 40), (0.1, 0.0), fight=1.0), _body((10, 200), (0.1, 0.0), walk=1.0)], STILL)
    where = np.argwhere(found.labels_YXL)
    assert {(int(y), int(x), LABELS[i]) for y, x, i in where} == {(1, 3, "fight"), (6, 0, "walk")}
    assert found.clip[LABELS.index("fight")] == 1
    assert found.clip[LABELS.index("drive")] == 0


def test_camera_motion_is_part_of_the_targets() -> None:
    """Even without bodies."""
    assert measure([], STILL | {"pan": 1.0}).clip[len(LABELS) + CAMERA.index("pan")] == 1
