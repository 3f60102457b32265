"""Rounds: every unit gets exactly one receipt, and only units that fail again alone are quarantined."""

from collections import Counter
from types import SimpleNamespace

import pytest

from wsvad.work.receipt import Receipt
from wsvad.work.rounds import CRASH_KIND, run_rounds

DONE, FAILED, SUSPECT, BAD, LOST = "done", "failed", "suspect", "quarantined", None


def _run(script, *, nodes=lambda: frozenset({"a"})):
    """Run units whose attempts end as in ``script[unit]``, repeating the last entry; return receipts and rounds."""
    units = [SimpleNamespace(unit_id=u) for u in script]
    attempts, rounds, receipts = Counter(), [], {}

    def execute(batch, alone):
        rounds.append((tuple(u.unit_id for u in batch), alone))
        for unit in batch:
            outcomes = script[unit.unit_id]
            outcome = outcomes[min(attempts[unit.unit_id], len(outcomes) - 1)]
            attempts[unit.unit_id] += 1
            if outcome is not LOST:
                yield Receipt(unit.unit_id, outcome, kind="k")

    def on_receipt(unit, receipt):
        assert unit.unit_id not in receipts, "a unit got two receipts"
        receipts[unit.unit_id] = receipt

    run_rounds(units, execute, on_receipt, living_nodes=nodes, pause_s=0)
    return {u: (r.status, r.kind) for u, r in receipts.items()}, rounds


@pytest.mark.parametrize(
    ("attempts", "ends_as", "tries"),
    [
        ([DONE], (DONE, "k"), 1),
        ([BAD], (BAD, "k"), 1),
        ([LOST, LOST, DONE], (DONE, "k"), 3),
        ([LOST, LOST, LOST, DONE], (DONE, "k"), 4),
        ([LOST], (BAD, CRASH_KIND), 5),
        ([FAILED, DONE], (DONE, "k"), 2),
        ([FAILED], (FAILED, "k"), 3),
        ([LOST, LOST, FAILED], (FAILED, "k"), 3),
        ([SUSPECT, DONE], (DONE, "k"), 2),
        ([SUSPECT, SUSPECT], (BAD, "k"), 2),
        ([SUSPECT, FAILED], (FAILED, "k"), 2),
        ([LOST, SUSPECT, SUSPECT], (BAD, "k"), 3),
    ],
)
def test_the_final_status_of_a_unit(attempts, ends_as, tries):
    """A lost unit is retried, a store failure never quarantines, and a crash must repeat alone."""
    receipts, rounds = _run({"u": attempts, "other": [DONE]})
    assert receipts == {"u": ends_as, "other": (DONE, "k")}
    assert sum("u" in units for units, _ in rounds) == tries


def test_suspect_and_lost_units_run_alone():
    """One after the other; a unit with a result does not run again."""
    _, rounds = _run({"s": [SUSPECT], "l": [LOST], "m": [LOST, LOST, LOST, DONE], "t": [SUSPECT, DONE], "ok": [DONE]})
    assert [units for units, alone in rounds if alone] == [("s", "t"), ("l", "m"), ("l",)]


def test_a_unit_on_a_lost_node_is_not_quarantined():
    """If the node died while the unit ran alone, the unit failed."""
    alive = iter([frozenset({"a", "b"}), frozenset({"a"}), frozenset({"a"}), frozenset({"a"})])
    receipts, _ = _run({"u": [LOST]}, nodes=lambda: next(alive))
    assert receipts == {"u": (FAILED, "NodeLost")}


def test_without_units_no_round_runs():
    """``execute`` is not called."""
    assert _run({}) == ({}, [])
