"""Units in this process: order, progress, and a new decoder for units that run alone."""

from wsvad.work.inline import InlineRunner
from wsvad.work.receipt import Receipt
from wsvad.work.rounds import run_rounds


class _Unit:
    def __init__(self, name):
        self.unit_id = name

    def to_row(self):
        return {"unit_id": self.unit_id}


class _Stage:
    """Records calls. Bad units are suspect on every attempt, flaky units on the first."""

    def __init__(self, config, payload, report):
        self._events, self._report = config, report
        self._tried = set()
        self._events.append("made")

    def __call__(self, row):
        name = row["unit_id"]
        self._events.append(name)
        self._report(name, 3)
        suspect = name == "bad" or (name == "flaky" and name not in self._tried)
        self._tried.add(name)
        return Receipt(name, "suspect" if suspect else "done", kind="decoder_crash" if suspect else "").to_row()

    def close(self):
        self._events.append("closed")


def test_suspects_run_alone_with_a_new_decoder():
    """Units that fail again are quarantined; the network is loaded once."""
    events, verdicts = [], {}
    runner = InlineRunner(_Stage, events, None)
    units = [_Unit(name) for name in ("bad", "good", "flaky")]
    run_rounds(
        units,
        runner,
        lambda unit, receipt: verdicts.__setitem__(unit.unit_id, (receipt.status, receipt.kind)),
        living_nodes=lambda: frozenset({"here"}),
    )
    assert verdicts == {"bad": ("quarantined", "decoder_crash"), "good": ("done", ""), "flaky": ("done", "")}
    assert events == ["made", "bad", "good", "flaky", "closed", "bad", "closed", "flaky"]
    assert runner.in_progress() == {"bad": 3, "good": 3, "flaky": 3}
    runner.close()
    assert events[-1] == "closed"


def test_without_units_no_stage_is_made():
    """No network is loaded and nothing is closed."""
    events = []
    runner = InlineRunner(_Stage, events, None)
    assert list(runner([], False)) == []
    runner.close()
    assert events == []
