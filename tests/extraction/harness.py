"""Run the real command, in this process or in a separate one, and compare what it stored."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from wsvad.cli import main
from wsvad.storage import StoreOptions, open_store

REPO = Path(__file__).resolve().parents[2]
QUICK = ("--weights", "random", "--clip-length", "4", "--clip-stride", "4", "--precision", "fp32", "--json")
"""The small network, untrained, on four frames a clip: a hundredth of the work of full I3D, the same code."""


def run_here(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Run a command in this process, on the tests' Ray; return its exit code and its JSON."""
    capsys.readouterr()
    code = main(list(words))
    out = capsys.readouterr().out
    return code, json.loads(out) if out.strip() else {}


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*words: str, env: dict[str, str] | None = None, stderr: Any = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start the command in its own process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "wsvad", *words],
        cwd=REPO,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
        # a suite that runs in the background of a shell has Ctrl-C ignored, and children inherit that
        preexec_fn=_heed_ctrl_c,
    )


def finish(process: subprocess.Popen[str], timeout: float = 300) -> tuple[int, dict[str, Any], str]:
    """Wait for a command; return its exit code, JSON and log."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, json.loads(out) if out.strip().startswith("{") else {}, err


def stored(uri: str, options: StoreOptions | None = None) -> dict[str, str]:
    """Return the SHA-256 of every unit by key: equal results mean equal features."""
    store = open_store(uri, options or StoreOptions())
    return {info.key: hashlib.sha256(store.read(info.key)).hexdigest() for info in store.list("units/")}


def visible(folder: Path) -> Iterator[str]:
    """Yield every file that a reader could take for a result: all except scratch space."""
    for path in folder.rglob("*"):
        if path.is_file() and ".tmp" not in path.relative_to(folder).parts:
            yield str(path.relative_to(folder))


def published_videos(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of the newest snapshot's lists by video id, read as a user would."""
    newest = sorted((folder / "snapshots").glob("*.json"))[-1]
    lists = [folder / ref["key"] for ref in json.loads(newest.read_text())["lists"]]
    return {row["video_id"]: row for path in lists for row in pq.read_table(path).to_pylist()}


def published_keys(folder: Path) -> list[str]:
    """Return the keys of the newest snapshot's objects, by video id and clip."""
    return [o["key"] for row in published_videos(folder).values() for o in row["objects"]]


def published_rows(folder: Path) -> list[tuple[str, int, int]]:
    """Return ``(video_id, clip, crop)`` of every row of the newest snapshot, read as a user would."""
    rows: list[tuple[str, int, int]] = []
    for key in published_keys(folder):
        table = pq.read_table(folder / key, columns=["video_id", "clip", "crop"])
        rows += zip(*(table[c].to_pylist() for c in table.column_names), strict=True)
    return rows


def until(condition: Any, timeout: float = 180, every: float = 0.05) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(every)


def pooled(folder: Path) -> np.ndarray:
    """Return the pooled features of a data set, in the order of the newest snapshot."""
    parts = [pq.read_table(folder / key)["pooled"] for key in published_keys(folder)]
    return np.concatenate([c.to_numpy_ndarray() for p in parts for c in p.chunks])
