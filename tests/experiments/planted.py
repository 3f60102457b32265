"""Features and annotations with an anomaly of known strength, in time and space."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.features.factories import HEIGHT, WIDTH, write_features
from wsvad.manifest.records import Box, VideoRecord, write_records

DIM, SIDE, CHANNELS = 8, 7, 32
CLIPS, FIRST, LAST = 16, 5, 9
"""Clips per video, and the clips ``[FIRST, LAST)`` with the anomaly in an anomalous video."""


class Planted(NamedTuple):
    """Paths of the data set."""

    features: str
    manifest: str


def plant(folder: Path, strength: float, *, train: int = 40, test: int = 24, seed: int = 0) -> Planted:
    """Write a data set: standard normal features, shifted by ``strength`` in one direction at the anomaly.

    The anomaly is in four clips of an anomalous video, in a block of 2x2 cuboids at a different place in each video.
    Pooled features show it in the same clips. Half of the videos of each split are anomalous.
    """
    rng = np.random.default_rng(seed)
    pooled, cuboids, records = {}, {}, []
    for number in range(train + test):
        name, label = f"v{number:03d}.mp4", number % 2
        pooled[name] = rng.standard_normal((CLIPS, 1, DIM))
        cuboids[name] = rng.standard_normal((CLIPS, 1, SIDE, SIDE, CHANNELS))
        row, column = rng.integers(0, SIDE - 1, 2)
        if label:
            pooled[name][FIRST:LAST, :, 0] += strength
            cuboids[name][FIRST:LAST, :, row : row + 2, column : column + 2, 0] += strength
        cell = (WIDTH / SIDE, HEIGHT / SIDE)
        corner = (
            column * cell[0] + 1,
            row * cell[1] + 1,
        )  # one pixel inside, so that rounding does not affect neighbours
        box = Box(16 * FIRST, 16 * LAST, *corner, corner[0] + 2 * cell[0] - 2, corner[1] + 2 * cell[1] - 2, track=0)
        records.append(
            VideoRecord(
                name,
                f"file:///videos/{name}",
                label=label,
                split="train" if number < train else "test",
                num_frames=16 * CLIPS,
                width=WIDTH,
                height=HEIGHT,
                spans=((16 * FIRST, 16 * LAST),) if label else (),
                boxes=(box,) if label else (),
            )
        )
    write_records(f"{folder}/manifest.parquet", records)
    tensors = {name: values.reshape(CLIPS, 1, SIDE * SIDE, CHANNELS) for name, values in cuboids.items()}
    return Planted(write_features(f"{folder}/features", pooled, tensors), f"{folder}/manifest.parquet")
