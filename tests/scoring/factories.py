"""Small scores data sets, written as the scoring job writes them, and checkpoints of tiny models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.features.factories import CONFIG as FEATURES
from tests.features.factories import HEIGHT, WIDTH, video_row
from wsvad.checkpoint import Checkpoint, save_checkpoint
from wsvad.dataset import layout
from wsvad.dataset.publish import publish
from wsvad.dataset.snapshots import SnapshotObject, claim_dataset
from wsvad.dataset.training_ids import encode_training_ids
from wsvad.features.config import FeatureConfig
from wsvad.models.registry import build_model, default_config
from wsvad.scores.config import ScoreConfig
from wsvad.scores.table import VideoScores, encode_scores
from wsvad.storage import open_store

CONFIG = ScoreConfig("sha256:test", {"name": "test"}, FEATURES.fingerprint, FEATURES.to_dict(), 4096)


def make_scores(
    video_id: str,
    scores_T: Sequence[float] | np.ndarray,
    cuboid_scores_TK: np.ndarray | None = None,
    *,
    num_frames: int | None = None,
    width: int = WIDTH,
    height: int = HEIGHT,
    fps: float = 25.0,
) -> VideoScores:
    """Return scores of clips of 16 frames at stride 16; the last clip ends at ``num_frames``."""
    count = len(scores_T)
    start = 16 * np.arange(count, dtype=np.int64)
    frames = 16 * count if num_frames is None else num_frames
    end = np.minimum(start + 16, frames)
    cuboids = None if cuboid_scores_TK is None else np.asarray(cuboid_scores_TK, np.float32)
    scores = np.asarray(scores_T, np.float32)
    clip = np.arange(count, dtype=np.int32)
    return VideoScores(video_id, clip, start, end, start / fps, end / fps, scores, cuboids, frames, width, height)


def write_scores(
    folder: Path | str,
    videos: Mapping[str, tuple[Sequence[float] | np.ndarray, np.ndarray | None]],
    *,
    num_frames: Mapping[str, int] | None = None,
    training_ids: Sequence[str] = (),
    sizes: Mapping[str, tuple[int, int]] | None = None,
    config: ScoreConfig = CONFIG,
) -> str:
    """Write and publish a scores data set; return its URI. More videos can be added by another call.

    Args:
        folder: where it goes; a local folder or any URI.
        videos: by video id, scores of the clips ``[T]`` and of their cuboids ``[T, K]`` or ``None``.
        num_frames: of videos whose last clip is not whole.
        training_ids: ids of the training videos of the checkpoint.
        sizes: width and height of videos that are not 320x240.
        config: what the data set says it was made with.
    """
    store = open_store(str(folder))
    ids, digests = encode_training_ids(training_ids)
    claim_dataset(store, config, digests)
    store.create(layout.TRAINING_IDS, ids)
    objects: list[SnapshotObject] = []
    rows: list[dict[str, Any]] = []
    for video_id, (scores_T, cuboids) in videos.items():
        width, height = (sizes or {}).get(video_id, (WIDTH, HEIGHT))
        scores = make_scores(
            video_id, scores_T, cuboids, num_frames=(num_frames or {}).get(video_id), width=width, height=height
        )
        count = len(scores.clip)
        data = encode_scores(
            scores, fingerprint=config.fingerprint, config=config.to_dict(), unit={"clips": count, "unit_id": ""}
        )
        sha = hashlib.sha256(data).hexdigest()
        row = video_row(video_id, scores.num_frames, count) | {"width": width, "height": height}
        key = layout.unit_key(layout.unit_id(row["content_id"], 0, count, sha))
        store.create(key, data)
        objects.append(SnapshotObject(key, video_id, row["content_id"], 0, count, count, count, len(data), sha))
        rows.append(row)
    publish(
        store,
        config.fingerprint,
        config.to_dict(),
        objects,
        rows,
        replaced_videos=frozenset(videos),
        run_id="test",
        created_utc="2026-01-01T00:00:00+00:00",
    )
    return store.uri


def make_checkpoint(
    name: str = "sultani",
    input_dim: int = 8,
    *,
    seed: int = 0,
    features: FeatureConfig = FEATURES,
    training_ids: Sequence[str] = ("seen-1", "seen-2"),
    scale: float = 1.0,
    **settings: Any,
) -> Checkpoint:
    """Return a checkpoint of an untrained model; ``scale`` multiplies its weights."""
    config = default_config(name, input_dim, **settings)
    state = build_model(config, seed=seed).state_dict()
    state = {name: tensor * scale if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    return Checkpoint(
        model_config=config,
        state=state,
        features_config=features.to_dict(),
        features_fingerprint=features.fingerprint,
        training_ids=tuple(training_ids),
        training={"seed": seed},
    )


def write_checkpoint(folder: Path | str, checkpoint: Checkpoint) -> str:
    """Save a checkpoint and return its URI."""
    store = open_store(str(folder))
    save_checkpoint(store, "", checkpoint)
    return store.uri
