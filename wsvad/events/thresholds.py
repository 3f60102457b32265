"""``thresholds.json``: calibrated thresholds of one model, with the post-processing that they belong to."""

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
    """What events depend on besides ``high`` and ``low``; see :class:`wsvad.events.config.EventSettings`."""

    gap_s: float
    smooth_s: float
    min_length_s: float

    @classmethod
    def of(cls, settings: EventSettings) -> PostProcessing:
        """Take it out of settings."""
        return cls(settings.gap_s, settings.smooth_s, settings.min_length_s)


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the cameras of one model."""

    checkpoint: str
    """Digest of the checkpoint whose scores they are for."""
    post_processing: PostProcessing
    calibration: Calibration
    footage: Mapping[str, Any] = field(default_factory=dict)
    """Where the scores of the normal footage are, and their digest; JSON values."""

    def settings_of(self, camera: str | None) -> EventSettings:
        """Return the operating point of a camera; the pooled one for None, and for cameras without their own."""
        pooled = self.calibration.pooled
        return _settings(pooled if camera is None else self.calibration.of(camera), self.post_processing)

    def given_to(self, camera: Camera) -> Camera:
        """Return the camera with its threshold; one that a person gave it in the file of cameras stays."""
        if camera.high is not None or camera.name not in self.calibration.cameras:
            return camera
        own = self.calibration.cameras[camera.name]
        return replace(camera, high=own.high, low=own.low)

    def check_model(self, checkpoint: str) -> None:
        """Raise ``UsageError`` where scores come from another checkpoint: thresholds do not carry over."""
        if checkpoint != self.checkpoint:
            raise UsageError(
                f"the thresholds are of checkpoint {self.checkpoint:.24}, the scores of {checkpoint:.24}; thresholds "
                "of one model mean nothing for another: calibrate on scores of this one"
            )

    def to_bytes(self) -> bytes:
        """Return the sealed document; the same thresholds give the same bytes."""
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
    """Read a file of thresholds; with the digest of the file.

    Raises:
        UsageError, DamagedError: there is no such file, or as :func:`read_thresholds`.
    """
    store, key = open_object(uri, options)
    try:
        data = store.read(key)
    except ObjectNotFound as error:
        raise UsageError(f"no file of thresholds there: {error}") from error
    return read_thresholds(data, uri), f"sha256:{hashlib.sha256(data).hexdigest()}"


def read_thresholds(data: bytes, name: str) -> Thresholds:
    """Undo :meth:`Thresholds.to_bytes`.

    Args:
        data: the file.
        name: of the file, for messages.

    Raises:
        UsageError: no file of thresholds, or one of a later version.
        DamagedError: the bytes are not what was written.
    """
    if not is_sealed(data):
        raise UsageError(f"{name} is no file of thresholds; `wsvad events --calibrate` writes one")
    plain = unseal(data, name, FIELDS, remedy="calibrate again")
    if plain["thresholds_version"] != VERSION:
        raise UsageError(f"{name} is of version {plain['thresholds_version']!r:.20}; this program reads {VERSION}")
    try:
        post_processing = build(PostProcessing, plain["post_processing"])
        if not (isinstance(plain["cameras"], dict) and isinstance(plain["footage"], dict)):
            raise DocumentError("'cameras' and 'footage' should be objects")
        cameras = {camera: build(Threshold, fields) for camera, fields in plain["cameras"].items()}
        calibration = Calibration(build(Threshold, plain["pooled"]), cameras)
        for threshold in (calibration.pooled, *cameras.values()):
            _settings(threshold, post_processing)  # checks the bounds
    except (DocumentError, UsageError) as error:
        raise UsageError(f"{name} cannot be used: {error}") from error
    return Thresholds(str(plain["checkpoint"]), post_processing, calibration, plain["footage"])


def _settings(threshold: Threshold, post_processing: PostProcessing) -> EventSettings:
    return EventSettings(high=threshold.high, low=threshold.low, **vars(post_processing))
