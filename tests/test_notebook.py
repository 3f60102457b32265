"""What a notebook shows of summaries, scores and an inferencer."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from tests.extraction.videos import write_video
from tests.training.factories import QUICK, plant, planted_records
from wsvad.cli.main import main
from wsvad.extraction.summary import ExtractSummary
from wsvad.notebook import NotebookView, curve_html
from wsvad.pipelines.inferencer import Inferencer
from wsvad.scores.table import VideoScores
from wsvad.work.summary import Summary


def scores(video_id: str, values: list[float]) -> VideoScores:
    """Scores of clips of 16 frames at 25 frames a second."""
    start = np.arange(len(values), dtype=np.int64) * 16
    return VideoScores(
        video_id, np.arange(len(values), dtype=np.int32), start, start + 16, start / 25, (start + 16) / 25,
        np.array(values, np.float32), None, 16 * len(values), 320, 240,
    )  # fmt: skip


def test_a_summary_shows_what_the_terminal_shows():
    """The same text; nothing of it is markup of the page."""

    class Told(NotebookView):
        def show(self, console: Console) -> None:
            console.print("a <b>name</b> & 3 clips", markup=False, highlight=False)

    page = Told()._repr_html_()
    assert "a &lt;b&gt;name&lt;/b&gt; &amp; " in page
    assert "<b>" not in page
    assert issubclass(Summary, NotebookView)
    assert issubclass(ExtractSummary, NotebookView)


def test_scores_show_their_curve():
    """Title with the peak, a step for every clip; names are text."""
    page = scores("<script>.mp4", [0.1, 0.9, 0.2])._repr_html_()
    assert "&lt;script&gt;.mp4: 3 clips, 0.0 to 1.9 s, highest score 0.900 at 0.6 s" in page
    assert "<script>" not in page
    points = page.partition('points="')[2].partition('"')[0].split()
    assert [float(point.split(",")[1]) for point in points] == pytest.approx([72, 72, 8, 8, 64, 64])
    assert "no clips" in scores("v.mp4", [])._repr_html_()


def test_a_curve_stays_in_its_frame():
    """Values outside [0, 1] are drawn at the border."""
    points = curve_html("t", [-1.0, 2.0]).partition('points="')[2].partition('"')[0].split()
    assert {float(point.split(",")[1]) for point in points} == {0.0, 80.0}


def test_an_inferencer_says_what_it_is(tmp_path, monkeypatch):
    """Model, backbone with weights, device."""
    monkeypatch.chdir(tmp_path)
    plant(tmp_path, planted_records(), cuboids=True)
    (tmp_path / "videos").mkdir()
    for number in range(4):
        write_video(tmp_path / "videos" / f"{number}.mp4", 40)
    rows = [f"{n}.mp4,videos/{n}.mp4,{n % 2},train" for n in range(4)]
    (tmp_path / "m.csv").write_text("\n".join(["video_id,uri,label,split", *rows]) + "\n")
    assert main(["extract", "--videos", "videos", "--out", "f", "--no-ray"]) == 0
    words = ["--features", "f", "--manifest", "m.csv", "--model", "st_mil", "--no-ray", *QUICK[:-1], "--pairs", "1"]
    assert main(["train", *words, "--val-fraction", "0", "--out", "run"]) == 0
    with Inferencer.load("run/checkpoint") as inferencer:
        page = inferencer._repr_html_()
        assert "i3d-compact, weights sha256:" in page
        assert "StMilConfig" in page
        assert "<svg" in inferencer.score_video("videos/1.mp4")._repr_html_()
