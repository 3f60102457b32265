"""Every example in a docstring of the package runs, and prints what it says."""

from __future__ import annotations

import csv
import doctest
import importlib
import pkgutil
import warnings
from pathlib import Path

import pytest

import wsvad
from tests.extraction.videos import write_video
from wsvad.cli.main import main

ROOT = Path(wsvad.__file__).parent


def modules_with_examples() -> list[str]:
    """Return the modules of the package that have examples, without importing the others."""
    names = [wsvad.__name__, *(m.name for m in pkgutil.walk_packages([str(ROOT)], "wsvad."))]
    found = []
    for name in names:
        path = ROOT.joinpath(*name.split(".")[1:])
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if ">>> " in source.read_text(encoding="utf-8"):
            found.append(name)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples start from: eight videos and a manifest; those of the package make the rest."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "videos").mkdir()
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["video_id", "uri", "label", "split", "spans"])
        for number in range(8):
            name = f"cam{number}.mp4"
            write_video(folder / "videos" / name, 70)
            spans = "20-50" if number % 2 else ""
            rows.writerow([name, f"videos/{name}", number % 2, "test" if number > 5 else "train", spans])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run("wsvad").failed == 0
        assert main(["events", "--scores", "scores", "--out", "events"]) == 0
    return folder


def run(name: str) -> doctest.TestResults:
    """Run the examples of a module in the working directory."""
    with warnings.catch_warnings():
        return doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """In a folder that has what the package's own examples make."""
    monkeypatch.chdir(folder)
    results = run(name)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_front_door_has_examples():
    """The package, its classes and its metrics."""
    classes = {"wsvad.features.reading", "wsvad.scores.reading", "wsvad.events.reading", "wsvad.pipelines.inferencer"}
    assert {"wsvad", *classes} <= set(modules_with_examples())
