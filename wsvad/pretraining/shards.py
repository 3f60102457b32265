"""Rendered clips on disk, in shards that processes render in parallel and a trainer reads as they become available."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from wsvad.pretraining.clips import render_clip

RENDERER = 1
"""Incremented if the same seed gives other clips, so that shards of an older renderer are not used."""
_FIELDS = ("frames", "motion", "labels", "clip")


def render_shard(folder: Path, seed: int, number: int, clips: int) -> Path:
    """Render one shard unless it exists; it appears only when complete, under a name that identifies its content.

    Args:
        folder: An existing folder.
        seed: Seed of the data set.
        number: Index of the shard, from 0.
        clips: Clips per shard; shard ``n`` holds the clips from ``n * clips`` on.
    """
    path = folder / f"renderer-{RENDERER}-seed-{seed}-clips-{clips}-{number:05d}.npz"
    if path.exists():
        return path
    cv2.setNumThreads(1)
    made = [render_clip(seed, number * clips + index) for index in range(clips)]
    unfinished = folder / f".{path.name}.{os.getpid()}"
    with unfinished.open("wb") as target:
        np.savez(
            target,
            frames=np.stack([clip.frames_THW for clip in made]),
            motion=np.stack([clip.targets.motion_WYXM for clip in made]),
            labels=np.stack([clip.targets.labels_YXL for clip in made]),
            clip=np.stack([clip.targets.clip for clip in made]),
        )
    unfinished.replace(path)
    return path


def read_shard(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read a shard: ``frames`` ``[N, 16, 224, 224]`` uint8, ``motion``, ``labels``, ``clip`` as in ``Targets``."""
    with np.load(path) as stored:
        return {name: stored[name] for name in _FIELDS}
