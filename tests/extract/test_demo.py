"""``wsvad demo``: what a stranger runs first."""

import functools

import pytest

from wsvad.cli import demo, main
from wsvad.demo.render import render_demo

pytestmark = pytest.mark.usefixtures("in_process")


def test_demo_renders_extracts_verifies_and_then_has_nothing_to_do(tmp_path, capsys, monkeypatch):
    """Two calls: the first says what it did and where it is, the second that there is nothing to do."""
    monkeypatch.setattr(demo, "render_demo", functools.partial(render_demo, videos=2, seconds=2.0))
    words = ["demo", "--folder", str(tmp_path / "demo")]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "2 (2 complete)" in shown
    assert "\ncomplete\n" in shown
    assert str(tmp_path / "demo" / "features" / "snapshots" / "00000001.json") in shown
    assert "UNTRAINED" in shown
    assert main(words) == 0
    assert "nothing to do" in capsys.readouterr().out
