"""``thresholds.json``: calibrated thresholds of one model, with the post-processing they are valid for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wsvad.cameras.config import Camera
from wsvad.dataset.sealed import is_sealed, seal, unseal
from wsvad.documents import DocumentError, build
from wsvad.errors import ObjectNotFound, UsageError
from wsvad.events.calibration import Calibration, Threshold
from wsvad.events.config import EventSettings
from wsvad.rates import LEVEL
from wsvad.storage import StoreOptions, open_object

VERSION = 1
FIELDS = ("thresholds_version", "checkpoint", "post_processing", "confidence", "footage", "pooled", "cameras")


@dataclass(frozen=True)
class PostProcessing:
    """Event settings other than ``high`` and ``low``; see :class:`wsvad.events.config.EventSettings`."""

    gap_s: float
    smooth_s: float
    min_length_s: float

    @classmethod
    def of(cls, settings: EventSettings) -> PostProcessing:
        """Extract them from event settings."""
        return cls(settings.gap_s, settings.smooth_s, settings.min_length_s)


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of all cameras of one model."""

    checkpoint: str
    """Digest of the checkpoint whose scores they apply to."""
    post_processing: PostProcessing
    calibration: Calibration
    footage: Mapping[str, Any] = field(default_factory=dict)
    """URI and digest of the scores of the normal footage, as JSON values."""

    def settings_of(self, camera: str | None) -> EventSettings:
        """Return the operating point of a camera; the pooled one for None and for cameras without their own."""
        pooled = self.calibration.pooled
        return _settings(pooled if camera is None else self.calibration.of(camera), self.post_processing)

    def apply_to(self, camera: Camera) -> Camera:
        """Return the camera with its threshold, unless the cameras file sets one."""
        if camera.high is not None or camera.name not in self.calibration.cameras:
            return camera
        own = self.calibration.cameras[camera.name]
        return replace(camera, high=own.high, low=own.low)

    def check_model(self, checkpoint: str) -> None:
        """Raise ``UsageError`` if scores come from another checkpoint: thresholds are valid for one model only."""
        if checkpoint != self.checkpoint:
            raise UsageError(
                f"the thresholds belong to checkpoint {self.checkpoint:.24}, but the scores come from "
                f"{checkpoint:.24}; calibrate thresholds on scores of this checkpoint"
            )

    def to_bytes(self) -> bytes:
        """Return the document with its checksum; the same thresholds give the same bytes."""
        own = self.calibration.cameras
        return seal(
            {
                "thresholds_version": VERSION,
                "checkpoint": self.checkpoint,
                "post_processing": dict(vars(self.post_processing)),
                "confidence": LEVEL,
                "footage": dict(self.footage),
                "pooled": self.calibration.pooled.to_dict(),
                "cameras": {camera: threshold.to_dict() for camera, threshold in own.items()},
            }
        )


def load_thresholds(uri: str, options: StoreOptions | None = None) -> tuple[Thresholds, str]:
    """Read a thresholds file and return it with its digest.

    Raises:
        UsageError: the file does not exist, or as :func:`read_thresholds`.
        DamagedError: the file is damaged.
    """
    store, key = open_object(uri, options)
    try:
        data = store.read(key)
    except ObjectNotFound as error:
        raise UsageError(f"the thresholds file does not exist: {error}") from error
    return read_thresholds(data, uri), f"sha256:{hashlib.sha256(data).hexdigest()}"


def read_thresholds(data: bytes, name: str) -> Thresholds:
    """Decode the bytes of :meth:`Thresholds.to_bytes`.

    Args:
        data: content of the file.
        name: name of the file, for messages.

    Raises:
        UsageError: the file is not a thresholds file, or has an unsupported version.
        DamagedError: the checksum does not match.
    """
    if not is_sealed(data):
        raise UsageError(f"{name} is not a thresholds file; create one with `wsvad events --calibrate`")
    plain = unseal(data, name, FIELDS, remedy="calibrate again")
    if plain["thresholds_version"] != VERSION:
        raise UsageError(f"{name} has version {plain['thresholds_version']!r:.20}, expected {VERSION}")
    try:
        post_processing = build(PostProcessing, plain["post_processing"])
        if not (isinstance(plain["cameras"], dict) and isinstance(plain["footage"], dict)):
            raise DocumentError("'cameras' and 'footage' should be objects")
        cameras = {camera: build(Threshold, fields) for camera, fields in plain["cameras"].items()}
        calibration = Calibration(build(Threshold, plain["pooled"]), cameras)
        for threshold in (calibration.pooled, *cameras.values()):
            _settings(threshold, post_processing)  # validates the values
    except (DocumentError, UsageError) as error:
        raise UsageError(f"{name} cannot be used: {error}") from error
    return Thresholds(str(plain["checkpoint"]), post_processing, calibration, plain["footage"])


def _settings(threshold: Threshold, post_processing: PostProcessing) -> EventSettings:
    return EventSettings(high=threshold.high, low=threshold.low, **vars(post_processing))
