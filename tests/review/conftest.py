"""Fixtures of the review tests: a night with three cameras, and the command."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.extraction.harness import run_here
from tests.extraction.in_process import patch_all
from tests.nightly.footage import CAMERAS, bright_is_anomalous, write_first_night, write_scene
from tests.scoring.factories import write_checkpoint
from wsvad.cli import main

Run = Callable[..., tuple[int, dict[str, Any]]]
DETAILS = """
[defaults]
purpose = "Entrance <b>theft</b>"
retention_days = 30000
"""


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run without Ray and without a network."""
    patch_all(monkeypatch)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the root of a nightly job, which tests copy; they do not change the archive."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patched:
        patch_all(patched)
        assert main([*rescore_command(folder), "--json"]) == 0
    return folder


def rescore_command(folder: Path) -> list[str]:
    """Write an archive with three cameras; return the command line of its nights, into ``root``."""
    write_first_night(folder / "archive")
    write_scene(folder / "archive" / "yard" / "20260301_130000.mp4", 40)
    (folder / "cameras.toml").write_text(CAMERAS + DETAILS)
    model = write_checkpoint(folder / "model", bright_is_anomalous())
    words = ["rescore", "--archive", str(folder / "archive"), "--root", str(folder / "root"), "--checkpoint", model]
    return [*words, "--cameras", str(folder / "cameras.toml"), "--smooth", "0", "--gap", "1", "--no-ray"]


@pytest.fixture
def night(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run ``wsvad rescore`` on an archive with three cameras, into ``root``."""
    return functools.partial(run_here, capsys, *rescore_command(tmp_path), "--json")


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
    """Return the document of a page, with the details of its data blocks."""
    page = (folder / "index.html").read_text()
    blocks = dict(re.findall(r'<script type="application/json" id="([a-z0-9-]+)">(.*?)</script>', page, re.DOTALL))
    document: dict[str, Any] = json.loads(blocks.pop("review-data"))
    more = [event for number in range(len(blocks)) for event in json.loads(blocks[f"review-part-{number}"])]
    for event, rest in zip(document["events"], more, strict=False):
        event.update(rest)
    return document
