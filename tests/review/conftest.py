"""Fixtures of review tests: a night of three cameras, and the command."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.extract.harness import run_here
from tests.extract.in_process import patch_all
from tests.nightly.footage import CAMERAS, bright_is_anomalous, write_first_night, write_scene
from tests.scoring.factories import write_checkpoint

Run = Callable[..., tuple[int, dict[str, Any]]]
DETAILS = """
[defaults]
purpose = "Entrance <b>theft</b>"
retention_days = 30000
"""


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ray, no network."""
    patch_all(monkeypatch)


@pytest.fixture
def night(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run ``wsvad rescore`` on an archive of three cameras, into ``root``."""
    write_first_night(tmp_path / "archive")
    write_scene(tmp_path / "archive" / "yard" / "20260301_130000.mp4", 40)
    (tmp_path / "cameras.toml").write_text(CAMERAS + DETAILS)
    model = write_checkpoint(tmp_path / "model", bright_is_anomalous())
    words = ("--archive", str(tmp_path / "archive"), "--root", str(tmp_path / "root"), "--checkpoint", model)
    more = ("--cameras", str(tmp_path / "cameras.toml"), "--smooth", "0", "--gap", "1", "--json", "--no-ray")
    return functools.partial(run_here, capsys, "rescore", *words, *more)


@pytest.fixture
def root(night: Run, tmp_path: Path) -> str:
    """The root of a nightly job after its first night."""
    assert night()[0] == 0
    return str(tmp_path / "root")


@pytest.fixture
def review(capsys: pytest.CaptureFixture[str], root: str, tmp_path: Path) -> Run:
    """Run ``wsvad review`` on the root."""
    return functools.partial(run_here, capsys, "review", "--root", root, "--out", str(tmp_path / "page"), "--json")


def document(folder: Path) -> dict[str, Any]:
    """The document inside of a page."""
    page = (folder / "index.html").read_text()
    found = re.search(r'<script type="application/json" id="review-data">(.*?)</script>', page, re.DOTALL)
    assert found
    document: dict[str, Any] = json.loads(found[1])
    return document
