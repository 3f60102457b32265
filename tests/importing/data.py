"""Helpers of import tests: feature files as others publish them, and the command that imports them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wsvad.cli import main

SOURCE = "made by a test"


def features(clips: int, crops: int = 10, dim: int = 6, seed: int = 0) -> np.ndarray:
    """Return random non-negative float32 features, ``[T, V, D]``, like those after ReLU and average pooling."""
    return np.abs(np.random.default_rng(seed).standard_normal((clips, crops, dim))).astype(np.float32)


def save(folder: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Save arrays by file name below a folder; return the folder."""
    for name, array in arrays.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
    return str(folder)


def save_crops(folder: Path, name: str, values_TVD: np.ndarray) -> str:
    """Save every crop as a separate file, ``NAME__0.npy`` etc."""
    return save(folder, {f"{name}__{crop}.npy": values_TVD[:, crop] for crop in range(values_TVD.shape[1])})


def save_text(path: Path, values_TD: np.ndarray) -> str:
    """Save one line of numbers per segment; return the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(" ".join(f"{value:.6f}" for value in row) + "\n" for row in values_TD))
    return str(path.parent)


def manifest(path: Path, lengths: Mapping[str, int | None]) -> str:
    """Write a manifest with ids and numbers of frames."""
    rows = "".join(f"{name},{name},{'' if frames is None else frames}\n" for name, frames in lengths.items())
    path.write_text(f"video_id,uri,num_frames\n{rows}")
    return str(path)


def run_import(capsys: pytest.CaptureFixture[str], files: str, out: object, *words: str) -> tuple[int, dict[str, Any]]:
    """Run ``wsvad import-features`` in this process; return its exit code and its JSON."""
    capsys.readouterr()
    code = main(["import-features", "--files", files, "--out", str(out), "--source", SOURCE, "--json", *words])
    printed = capsys.readouterr().out
    return code, json.loads(printed) if printed.strip() else {}
