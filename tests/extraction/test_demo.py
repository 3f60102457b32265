"""``wsvad demo``, the first command of a new user."""

import contextlib
import functools
import json

import pytest

from wsvad.cli import main
from wsvad.demo import run as demo
from wsvad.demo.render import render_demo

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Six videos of two seconds, four steps, no Ray: the arguments of the command."""
    monkeypatch.setattr(demo, "render_demo", functools.partial(render_demo, videos=6, seconds=2.0))
    monkeypatch.setattr(demo, "connected", lambda address, verbose: contextlib.nullcontext())
    monkeypatch.setattr(demo, "train", lambda options, notes, run=demo.train: run(_here(options), notes))
    monkeypatch.setattr(demo, "score", lambda options, notes, run=demo.score: run(_here(options), notes))
    monkeypatch.setattr(demo, "TRAINING", {**demo.TRAINING, "steps": 4})
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return ["demo", "--folder", str(tmp_path / "demo")]


def _here(options):
    object.__setattr__(options, "use_ray", False)
    return options


def test_demo_goes_from_videos_to_reports_and_then_has_nothing_to_do(small, tmp_path, capsys):
    """The first call reports results and their paths, the second that there is nothing to do."""
    assert main(small) == 0
    shown = capsys.readouterr().out
    assert "6 (6 complete)" in shown
    assert "\ncomplete\n" in shown
    assert str(tmp_path / "demo" / "features" / "snapshots" / "00000001.json") in shown
    assert "i3d-compact (sha256:" in shown
    assert "untrained" not in shown.lower()
    for model in demo.MODELS:
        page = tmp_path / "demo" / model / "report" / "report.html"
        assert f"file://{page}" in shown
        assert "<svg" in page.read_text()
    page = tmp_path / "demo" / "review" / "index.html"
    assert f"file://{page} in a browser" in shown
    assert b"review-data" in page.read_bytes()
    assert b"everybody is drawn" in page.read_bytes()
    assert main([*small, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["review"]["shown"] == told["review"]["pictures"] > 0
    assert (told["review"]["written"], told["review"]["pictures_now"]) == (0, 0)
    assert told["extract"]["units_done_now"] == 0
    assert all(told["models"][model]["train"]["nothing_to_do"] for model in demo.MODELS)
    assert all(told["models"][model]["evaluate"]["videos"]["evaluated"] == 2 for model in demo.MODELS)
