"""The worker: scores the features of one video, stores the result as one object, and returns a small receipt."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Any, NamedTuple

from wsvad.checkpoint import Checkpoint
from wsvad.dataset import layout
from wsvad.errors import ObjectNotFound, StorageError, VideoError
from wsvad.features.decoding import UnitFeatures
from wsvad.features.reading import FeatureSet
from wsvad.scores.config import ScoreConfig
from wsvad.scores.table import VideoScores, decode_scores, encode_scores
from wsvad.scoring.scorer import Scorer
from wsvad.scoring.units import ScoreUnit, unit_of
from wsvad.storage import Created, StoreOptions, open_store
from wsvad.work.receipt import Receipt
from wsvad.work.stored import check_shared_target


@dataclass(frozen=True)
class WorkerConfig:
    """Configuration of a worker, without secrets, so that it can be sent and logged."""

    scores: ScoreConfig
    out_uri: str
    device: str = "cpu"
    threads: int = 1
    out_store: StoreOptions = field(default_factory=StoreOptions)


class Payload(NamedTuple):
    """Large objects that are sent to each node once."""

    checkpoint: Checkpoint
    features: FeatureSet
    """Features of the snapshot that was planned."""


class VideoScorer:
    """Score units. Input columns are those of ``ScoreUnit.to_row``, output columns those of ``Receipt``.

    Failures are reported in the receipt of a unit, never raised.

    Args:
        config: configuration of the worker.
        payload: checkpoint and features.
        on_clips: called with ``(unit_id, clips so far)``, for progress.
    """

    def __init__(
        self, config: WorkerConfig, payload: Payload, on_clips: Callable[[str, int], None] | None = None
    ) -> None:
        self._config = config
        self._features = payload.features
        self._out = open_store(config.out_uri, config.out_store)
        self._target_found = False
        self._on_clips = on_clips
        self._scorer = Scorer(
            payload.checkpoint, window=config.scores.window, device=config.device, threads=config.threads
        )

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Score the unit of ``row``."""
        return self.score(unit_of(self._features, row["video_id"], self._config.scores.fingerprint)).to_row()

    def score(self, unit: ScoreUnit) -> Receipt:
        """Score one unit and return its receipt."""
        try:
            if not self._target_found:
                check_shared_target(self._out)
                self._target_found = True
            return self._stored(unit) or self._score(unit)
        except VideoError as error:
            status, kind, message = "quarantined", error.kind, str(error)
        except StorageError as error:
            status, kind, message = "failed", type(error).__name__, str(error)
        except Exception as error:  # a bug or a full disk: reported in the summary
            status, kind, message = "failed", type(error).__name__, "".join(format_exception(error)[-3:])
        return Receipt(unit.unit_id, status, kind=kind, message=message, node=socket.gethostname())

    def _stored(self, unit: ScoreUnit) -> Receipt | None:
        """Return the receipt of a unit that is stored already, because the reply of an earlier attempt was lost."""
        key = layout.unit_key(unit.unit_id)
        try:
            self._out.stat(key)
            return receipt_of(unit.unit_id, self._out.read(key))
        except ObjectNotFound:
            return None

    def _score(self, unit: ScoreUnit) -> Receipt:
        started = time.perf_counter()
        wait = _Wait()
        stream = self._features.stream([unit.video_id], cuboids=self._scorer.uses_cuboids)
        row = self._features.videos[unit.video_id]

        def on_clips(clips: int) -> None:
            if self._on_clips:
                self._on_clips(unit.unit_id, clips)

        values: dict[str, Any] = self._scorer.score_units(unit.video_id, wait.over(stream), unit.num_clips, on_clips)
        frames = values["end_frame"][-1] if row["num_frames"] is None else row["num_frames"]
        scores = VideoScores(**values, num_frames=int(frames), width=row["width"], height=row["height"])
        model_s = time.perf_counter() - started - wait.seconds
        config = self._config.scores
        data = encode_scores(
            scores, fingerprint=config.fingerprint, config=config.to_dict(), unit=self._record(unit, len(scores.clip))
        )
        started = time.perf_counter()
        if self._out.create(layout.unit_key(unit.unit_id), data) is Created.DIFFERENT:  # a concurrent worker wrote it
            data = self._out.read(layout.unit_key(unit.unit_id))
        store_s = time.perf_counter() - started
        return receipt_of(unit.unit_id, data, wait.seconds, model_s, store_s)

    def _record(self, unit: ScoreUnit, clips: int) -> dict[str, Any]:
        return {
            "unit_id": unit.unit_id,
            "video_id": unit.video_id,
            "content_id": self._features.videos[unit.video_id]["content_id"],
            "features_digest": self._features.digest([unit.video_id]),
            "first_clip": unit.first_clip,
            "last_clip": unit.last_clip,
            "clips": clips,
        }


class _Wait:
    """Measures the seconds spent waiting for features."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def over(self, units: Iterable[UnitFeatures]) -> Iterator[UnitFeatures]:
        source = iter(units)
        while True:
            started = time.perf_counter()
            unit = next(source, None)
            self.seconds += time.perf_counter() - started
            if unit is None:
                return
            yield unit


def receipt_of(unit_id: str, data: bytes, wait_s: float = 0.0, model_s: float = 0.0, store_s: float = 0.0) -> Receipt:
    """Return the receipt of a stored unit.

    Raises:
        DamagedUnit: the bytes are not a complete unit of scores.
    """
    stored = decode_scores(data)
    clips = len(stored.values["clip"])
    return Receipt(
        unit_id,
        "done",
        clips=clips,
        rows=clips,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        node=socket.gethostname(),
        decode_wait_s=wait_s,
        model_s=model_s,
        store_s=store_s,
    )
