"""Progress bar and log lines while units run."""

import io
import logging
import time

from rich.console import Console

from tests.extraction.factories import CONFIG, make_index, make_video
from tests.extraction.harness import until
from wsvad import display
from wsvad.extraction.units import plan_units
from wsvad.work.progress import ProgressView
from wsvad.work.receipt import Receipt


def _units():
    return [u for name in ("a", "b") for u in plan_units(make_video(name), make_index(160), CONFIG)]


def test_counts_come_from_receipts_and_running_units():
    """Clips of running units count immediately, clips of settled units once."""
    a, b = _units()
    running = {a.unit_id: 4}
    with ProgressView(20, {"a": 1, "b": 1}, lambda: running, Console(file=io.StringIO())) as view:
        until(lambda: view.clips == 4, timeout=5)
        assert view.first_clip_s is not None
        view.add(a, Receipt(a.unit_id, "done", clips=10))
        until(lambda: view.clips == 10, timeout=5)
        view.add(b, Receipt(b.unit_id, "quarantined", kind="k"))
        assert (view.clips, view.videos, view.quarantined) == (20, 2, 1)
        assert view.line().startswith("20/20 clips, 2/2 videos")
        assert view.line().endswith("1 quarantined")


def test_without_a_terminal_lines_are_logged_periodically(monkeypatch, caplog):
    """A failing progress query ends nothing."""
    monkeypatch.setattr(display, "LINE_EVERY_S", 0.3)
    monkeypatch.setattr(logging.getLogger("wsvad"), "propagate", True)

    def lost():
        raise ConnectionError("the node is gone")

    with caplog.at_level("INFO", "wsvad"), ProgressView(20, {"a": 1}, lost, Console(file=io.StringIO())):
        until(lambda: len(caplog.messages) >= 2, timeout=5)
    assert caplog.messages[0] == "0/20 clips, waiting for the first worker to finish a clip"


def test_bar_on_a_terminal_shows_counts():
    """The bar shows clips, videos, rate and quarantined units."""
    a, _ = _units()
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with ProgressView(20, {"a": 1, "b": 1}, dict, console) as view:
        view.add(a, Receipt(a.unit_id, "quarantined"))
        time.sleep(0.7)
    assert "10/20 clips  1/2 videos" in screen.getvalue()
    assert "1 quarantined" in screen.getvalue()
