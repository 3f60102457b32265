"""What is printed fits terminals of any width, has no colour where none is wanted, and loses no text."""

from __future__ import annotations

import contextlib
import io
import re

import pytest
from rich.console import Console

from tests.extraction.videos import write_video
from tests.training.factories import QUICK, plant, planted_records
from wsvad.cli import main
from wsvad.cli.main import VERBS
from wsvad.work.summary import print_lines

WIDTHS = (60, 80, 200)
ESCAPE = "\x1b"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command at a width; return what it prints."""

    def run(width: int, *words: str) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        capsys.readouterr()
        with contextlib.suppress(SystemExit):  # that was help
            assert main(list(words)) == 0
        told = capsys.readouterr()
        assert ESCAPE not in told.out + told.err, "colour where standard output is no terminal"
        return told.out

    return run


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("verb", VERBS)
def test_help_fits(verb: str, width: int, printed):
    """No line is longer than the terminal; all widths show the same words."""
    text = printed(width, verb, "--help")
    assert max(map(len, text.splitlines())) <= width
    wide = printed(1000, verb, "--help")
    assert re.sub(r"\s+", " ", text) == re.sub(r"\s+", " ", wide)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    """A video, features, a run, scores."""
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "videos").mkdir()
    write_video(folder / "videos" / "a.mp4", 40)
    plant(folder, planted_records(), cuboids=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        data = ["--features", "features", "--manifest", "manifest.csv"]
        assert main(["train", *data, "--model", "st_mil", "--no-ray", *QUICK, "--out", "run"]) == 0
        assert main(["score", "--features", "features", "--checkpoint", "run/checkpoint", "--out", "scores"]) == 0
    return folder


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "words",
    [
        "extract --videos videos --out extracted --no-ray",
        "train --features features --manifest manifest.csv --model st_mil --no-ray --steps 12 --pairs 4 --segments 8 "
        "--eval-every 4 --save-every 5 --out run",
        "score --features features --checkpoint run/checkpoint --out scores",
        "evaluate --scores scores --manifest manifest.csv --out report --replace",
        "events --scores scores --out events",
        "verify --out features",
        "weights list",
        "tune --features features --manifest manifest.csv --space ltgs-short --trials 2 --out sweep --no-ray --dry-run",
    ],
    ids=lambda words: words.split()[0],
)
def test_summaries_lose_no_text(words: str, width: int, trained, printed, monkeypatch: pytest.MonkeyPatch):
    """Tables fold what does not fit: no cell is cut off, and every word of the wide form is in the narrow one."""
    monkeypatch.chdir(trained)
    printed(width, *words.split())  # afterwards there is nothing left to do, and both runs say the same
    text, wide = printed(width, *words.split()), printed(400, *words.split())
    assert "…" not in text
    squeezed = re.sub(r"\s+", "", text)
    for word in re.findall(r"[A-Za-z_]{4,}", wide):
        assert word in squeezed, word


LINES = [("videos", "8 (8 complete)"), ("features", f"s3://bucket/{'folder/' * 12}snapshots/00000001.json")]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_terminal_folds_what_does_not_fit(width: int):
    """Names stay whole, and long URIs go on in the next line."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    print_lines(LINES, console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert re.sub(r"\s+", "", text) == re.sub(r"\s+", "", "".join(map("".join, LINES)))


def test_a_log_has_a_line_for_each():
    """Where output is no terminal nothing is folded, so that grep finds a URI and tail shows what is above it."""
    console = Console(file=io.StringIO(), width=60)
    print_lines(LINES, console)
    assert console.file.getvalue().splitlines() == [f"videos   {LINES[0][1]}", f"features {LINES[1][1]}"]
