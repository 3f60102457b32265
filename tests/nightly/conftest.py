"""Fixtures of the nightly tests: an archive, models, and a pixel-mean model in place of the network."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.extraction.harness import run_here
from tests.extraction.in_process import patch_all
from tests.nightly.footage import CAMERAS, bright_is_anomalous, write_first_night
from tests.scoring.factories import write_checkpoint

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run without Ray and without a network."""
    patch_all(monkeypatch)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The footage of the first night, with a cameras file beside it."""
    write_first_night(tmp_path / "archive")
    (tmp_path / "cameras.toml").write_text(CAMERAS)
    return tmp_path / "archive"


@pytest.fixture
def model(tmp_path: Path) -> str:
    """The checkpoint of the first model."""
    return write_checkpoint(tmp_path / "model", bright_is_anomalous())


@pytest.fixture
def night(capsys: pytest.CaptureFixture[str], tmp_path: Path, archive: Path, model: str) -> Run:
    """Run ``wsvad rescore`` on the archive, into ``root``."""
    words = ("--archive", str(archive), "--root", str(tmp_path / "root"), "--checkpoint", model, "--json", "--no-ray")
    cameras = ("--cameras", str(tmp_path / "cameras.toml"), "--smooth", "0", "--gap", "1")
    return functools.partial(run_here, capsys, "rescore", *words, *cameras)
