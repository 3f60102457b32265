"""Fixtures: extraction without Ray, and a few small videos."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.extraction.harness import QUICK
from tests.extraction.in_process import patch_all
from tests.extraction.videos import write_video
from wsvad.cli import main


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands in this process, without Ray or a network; see ``tests.extraction.in_process``."""
    patch_all(monkeypatch)


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five small videos of 1 to 61 frames, H.264 and MPEG-4, one in a subfolder."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "sub").mkdir()
    for name, frames, codec in (
        ("long.mp4", 61, "libx264"),
        ("short.mp4", 17, "libx264"),
        ("exact.mkv", 16, "libx264"),
        ("one.mp4", 1, "libx264"),
        ("sub/old.avi", 30, "mpeg4"),
    ):
        write_video(folder / name, frames, codec=codec)
    (folder / "notes.txt").write_text("not a video")
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small finished data set with its videos, extracted in this process: ``(videos, out)``, 3 and 2 clips."""
    root = tmp_path_factory.mktemp("finished")
    (root / "in").mkdir()
    write_video(root / "in" / "a.mp4", 9)
    write_video(root / "in" / "b.mp4", 6)
    with pytest.MonkeyPatch.context() as patch:
        patch_all(patch)
        assert main(["extract", "--videos", str(root / "in"), "--out", str(root / "out"), *QUICK]) == 0
    return root / "in", root / "out"


@pytest.fixture
def dataset(finished: tuple[Path, Path], tmp_path: Path) -> tuple[Path, tuple[str, ...]]:
    """A copy of the data set that a test may damage, with the arguments that extract it again."""
    videos, out = finished
    shutil.copytree(out, tmp_path / "out")
    return tmp_path / "out", ("extract", "--videos", str(videos), "--out", str(tmp_path / "out"), *QUICK)
