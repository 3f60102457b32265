"""The worker stage: extracts a unit, stores one object and returns one small receipt."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Any, NamedTuple

import numpy as np

from wsvad.backbones.extractor import FeatureExtractor
from wsvad.dataset import layout
from wsvad.documents import DocumentError, build
from wsvad.errors import ObjectNotFound, StorageError, VideoError
from wsvad.extraction.units import Unit
from wsvad.features.config import FeatureConfig
from wsvad.features.encoding import ClipRows, decode_unit, encode_unit
from wsvad.features.pictures import MedianPicture, UnitPicture, write_picture
from wsvad.manifest.source import StoredVideo
from wsvad.storage import Created, Store, StoreOptions, open_store
from wsvad.video import ISOLATION_KINDS, Clip, DecodeReport, Limits, VideoReader, crop_flow
from wsvad.weights.resolve import LoadedWeights
from wsvad.work.receipt import Receipt
from wsvad.work.stored import DamagedUnit, check_shared_target


@dataclass(frozen=True)
class WorkerConfig:
    """Configuration of a worker; contains no secret, so it can be sent and logged."""

    features: FeatureConfig
    out_uri: str
    device: str = "cpu"
    threads: int = 1
    limits: Limits = field(default_factory=Limits)
    queue_clips: int = 4
    video_store: StoreOptions = field(default_factory=StoreOptions)
    out_store: StoreOptions = field(default_factory=StoreOptions)


class Timer:
    """Seconds spent in each of a unit's three kinds of work."""

    def __init__(self) -> None:
        self.decode_wait_s = self.model_s = self.store_s = 0.0


class _Views(NamedTuple):
    """A clip and its views for the network."""

    clip: Clip
    frames_VTHWC: np.ndarray | None
    flow_VTHWC: np.ndarray | None


class ClipNetwork:
    """Runs the backbone over decoded clips and returns rows of the features table.

    Args:
        features: Configuration that determines the rows.
        weights: Weights of the networks.
        device: Device to run on.
        threads: Threads of the network on a CPU; ``None`` leaves them unchanged.
    """

    def __init__(
        self, features: FeatureConfig, weights: LoadedWeights, *, device: str = "cpu", threads: int | None = None
    ) -> None:
        self.geometry = features.frames
        self.flow = features.flow
        self._streams = features.spec.streams
        self._cuboids = features.cuboids
        self._model = FeatureExtractor(*weights, precision=features.precision, device=device, threads=threads)

    def rows(
        self, clips: Iterator[Clip], timer: Timer, on_clip: Callable[[int], None] | None = None
    ) -> Iterator[ClipRows]:
        """Run the network over clips in fixed batches; frames are released to the decoder as soon as they are read.

        Args:
            clips: Clips from the reader.
            timer: Accumulates the seconds.
            on_clip: Called with the index of the last finished clip.
        """
        per_batch = max(1, self._model.batch_size // self.geometry.views)
        batch: list[_Views] = []
        started = time.perf_counter()
        for clip in clips:
            views = self._views(clip)
            if per_batch > 1:
                views = _Views(clip, _copied(views.frames_VTHWC), _copied(views.flow_VTHWC))
                clip.release()
            batch.append(views)
            timer.decode_wait_s += time.perf_counter() - started
            if len(batch) == per_batch:
                yield from self._run(batch, timer)
                if on_clip:
                    on_clip(batch[-1].clip.clip)
                batch = []
            started = time.perf_counter()
        if batch:
            yield from self._run(batch, timer)
            if on_clip:
                on_clip(batch[-1].clip.clip)

    def _views(self, clip: Clip) -> _Views:
        frames = self.geometry.crops(clip.frames_THWC) if "rgb" in self._streams else None
        if self.flow is None:
            return _Views(clip, frames, None)
        assert clip.flow_THWC is not None, "the reader must be called with flow"
        return _Views(clip, frames, crop_flow(self.geometry, clip.flow_THWC))

    def _run(self, batch: list[_Views], timer: Timer) -> Iterator[ClipRows]:
        started = time.perf_counter()
        frames, flow = _concatenated([v.frames_VTHWC for v in batch]), _concatenated([v.flow_VTHWC for v in batch])
        features = self._model(frames, flow)
        timer.model_s += time.perf_counter() - started
        count = self.geometry.views
        for i, (clip, *_) in enumerate(batch):
            clip.release()
            part = slice(i * count, (i + 1) * count)
            cuboids = features.cuboids[part] if self._cuboids else None
            yield ClipRows(
                clip.clip, clip.start_frame, clip.end_frame, clip.start_s, clip.end_s, features.pooled[part], cuboids
            )


def _copied(views: np.ndarray | None) -> np.ndarray | None:
    return None if views is None else views.copy()


def _concatenated(views: list[np.ndarray | None]) -> np.ndarray | None:
    """Concatenate the views of several clips; None if the stream does not exist."""
    there = [v for v in views if v is not None]
    return there[0] if len(there) == 1 else np.concatenate(there) if there else None


class UnitExtractor:
    """Extracts units. Columns read: those of ``Unit.to_row``; columns returned: those of ``Receipt``.

    It processes a unit from start to end: a child process decodes into a bounded queue, the network runs here, one
    object is written. Every failure of a unit is returned as its receipt, never raised.

    Args:
        config: See :class:`WorkerConfig`.
        weights: Weights of the networks.
        on_clips: Called with ``(unit_id, clips so far)`` as clips are finished, for progress.
    """

    def __init__(
        self, config: WorkerConfig, weights: LoadedWeights, on_clips: Callable[[str, int], None] | None = None
    ) -> None:
        self._config = config
        self._reader = VideoReader(limits=config.limits, queue_clips=config.queue_clips)
        self._out: Store = open_store(config.out_uri, config.out_store)
        self._target_found = False
        self._on_clips = on_clips
        self._network = ClipNetwork(config.features, weights, device=config.device, threads=config.threads)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Extract the unit in ``row``."""
        return self.extract(Unit.from_row(row)).to_row()

    def extract(self, unit: Unit) -> Receipt:
        """Extract one unit and return its receipt."""
        try:
            if not self._target_found:
                check_shared_target(self._out)
                self._target_found = True
            return self._existing_receipt(unit) or self._extract(unit)
        except VideoError as error:
            status = "suspect" if error.kind in ISOLATION_KINDS else "quarantined"
            kind, message = error.kind, str(error)
        except StorageError as error:
            status, kind, message = "failed", type(error).__name__, str(error)
        except Exception as error:  # a bug or a full machine: no evidence against the video, but reported
            status, kind, message = "failed", type(error).__name__, "".join(format_exception(error)[-3:])
        return Receipt(unit.unit_id, status, kind=kind, message=message, node=socket.gethostname())

    def close(self) -> None:
        """End the decode process."""
        self._reader.close()

    def _existing_receipt(self, unit: Unit) -> Receipt | None:
        """Return the receipt of a unit that is already stored: an earlier attempt wrote it and its reply was lost."""
        key = layout.unit_key(unit.unit_id)
        try:
            self._out.stat(key)
            return receipt_of(unit.unit_id, self._out.read(key))
        except ObjectNotFound:
            return None

    def _extract(self, unit: Unit) -> Receipt:
        timer = Timer()
        source = StoredVideo(unit.video, self._config.video_store)
        network = self._network
        clips = self._reader.clips(
            source,
            unit.index,
            unit.first_clip,
            unit.last_clip,
            self._config.features.clips,
            network.geometry,
            flow=network.flow,
        )

        def on_clip(last: int) -> None:
            if self._on_clips:
                self._on_clips(unit.unit_id, last + 1 - unit.first_clip)

        median = MedianPicture()
        rows = list(self._network.rows(median.watch(clips), timer, on_clip))
        report = self._reader.report
        if not rows:
            raise VideoError("no_clips", f"none of {unit.num_clips} clips is complete: {_errors(report)}")
        data = encode_unit(
            unit.video.video_id,
            rows,
            fingerprint=self._config.features.fingerprint,
            features=self._config.features.to_dict(),
            unit=_unit_record(unit, report, len(rows)),
        )
        started = time.perf_counter()
        # the picture is written before the unit, so that every stored unit has one
        write_picture(self._out, UnitPicture.of(unit.unit_id, unit.video.video_id, rows, median))
        outcome = self._out.create(layout.unit_key(unit.unit_id), data)
        if outcome is Created.DIFFERENT:  # another worker was first; its stored object is the valid one
            data = self._out.read(layout.unit_key(unit.unit_id))
        timer.store_s = time.perf_counter() - started
        return receipt_of(unit.unit_id, data, timer)


def _unit_record(unit: Unit, report: DecodeReport, clips: int) -> dict[str, Any]:
    return {
        "unit_id": unit.unit_id,
        "video_id": unit.video.video_id,
        "content_id": unit.video.content_id,
        "first_clip": unit.first_clip,
        "last_clip": unit.last_clip,
        "clips": clips,
        "expected_frames": report.expected_frames,
        "decoded_frames": report.decoded_frames,
        "missing": [list(span) for span in report.missing],
        "corrupt_frames": report.corrupt_frames,
        "errors": list(report.errors),
    }


def _errors(report: DecodeReport) -> str:
    return "; ".join(report.errors[:3]) or f"{report.decoded_frames} of {report.expected_frames} frames decoded"


@dataclass(frozen=True)
class _UnitStats:
    """The fields of a unit's record that a receipt contains."""

    clips: int
    decoded_frames: int
    missing: tuple[tuple[int, int], ...]
    corrupt_frames: int


def receipt_of(unit_id: str, data: bytes, timer: Timer | None = None) -> Receipt:
    """Return the receipt of a stored unit, given its bytes.

    Raises:
        DamagedUnit: The bytes are not a complete unit.
    """
    summary = decode_unit(data)
    try:
        stats = build(_UnitStats, summary.unit)
    except DocumentError as error:
        raise DamagedUnit(f"not a complete unit: {error}") from error
    timer = timer or Timer()
    return Receipt(
        unit_id,
        "done",
        clips=stats.clips,
        rows=summary.rows,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        decoded_frames=stats.decoded_frames,
        missing=json.dumps(stats.missing),
        corrupt_frames=stats.corrupt_frames,
        node=socket.gethostname(),
        decode_wait_s=timer.decode_wait_s,
        model_s=timer.model_s,
        store_s=timer.store_s,
    )
