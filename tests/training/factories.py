"""A small data set with a planted anomaly, and the training command on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.features.factories import write_features
from wsvad.cli import main
from wsvad.manifest.records import VideoRecord, write_records

DIM, CUBOIDS = 8, (4, 6)
QUICK = ("--steps", "12", "--pairs", "4", "--segments", "8", "--eval-every", "4", "--save-every", "5", "--json")
"""A run of twelve steps, which takes a second."""


class Planted(NamedTuple):
    """A features data set and its manifest."""

    features: str
    manifest: str

    @property
    def words(self) -> tuple[str, ...]:
        """The command-line options for both."""
        return ("--features", self.features, "--manifest", self.manifest)


def planted_records(videos: int = 24, tests: int = 6) -> list[VideoRecord]:
    """Videos of 6 to 20 clips, every other one anomalous in clips 2 to 4; the last ``tests`` are test videos."""
    records = []
    for number in range(videos):
        anomalous, test = number % 2, number >= videos - tests
        records.append(
            VideoRecord(
                f"v{number:02d}.mp4",
                f"file:///videos/v{number:02d}.mp4",
                label=anomalous,
                split="test" if test else "train",
                category="Fight" if anomalous else "Normal",
                num_frames=16 * (6 + number % 15),
                spans=((32, 80),) if anomalous and test else None,
            )
        )
    return records


def plant(
    folder: Path | str, records: list[VideoRecord], *, strength: float = 2.0, cuboids: bool = False, **options: Any
) -> Planted:
    """Write features of records: noise, shifted by ``strength`` standard deviations in anomalous clips."""
    rng = np.random.default_rng(0)
    pooled, parts = {}, {}
    for record in records:
        clips = (record.num_frames or 0) // 16
        pooled[record.video_id] = rng.standard_normal((clips, 1, DIM))
        parts[record.video_id] = rng.standard_normal((clips, 1, *CUBOIDS))
        if record.label:
            pooled[record.video_id][2:5] += strength
            parts[record.video_id][2:5, :, 1] += strength
    manifest = f"{folder}/manifest.csv"
    write_records(manifest, records)
    return Planted(write_features(f"{folder}/features", pooled, parts if cuboids else None, **options), manifest)


def run_train(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Run ``wsvad train`` in this process without Ray; return its exit code and its JSON."""
    capsys.readouterr()
    code = main(["train", *words, "--no-ray"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out.strip() else {}
