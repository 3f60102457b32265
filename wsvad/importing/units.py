"""Converts the stored values of a unit into the unit's object, and checks them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from wsvad.dataset import layout
from wsvad.errors import UsageError
from wsvad.features.encoding import ClipRows, decode_unit, encode_unit
from wsvad.features.imported import ImportedConfig
from wsvad.importing.plan import ImportUnit
from wsvad.storage import Created, Store
from wsvad.work.receipt import Receipt
from wsvad.work.stored import DamagedUnit

MAX_VALUE = float(np.finfo(np.float16).max)
"""Largest value of float16: 65,504."""


def to_float16(values_TVD: np.ndarray, uri: str, first_clip: int) -> np.ndarray:
    """Round features to float16.

    Args:
        values_TVD: floats of any width and byte order.
        uri: URI of the file, for messages.
        first_clip: index of the first clip, for messages.

    Raises:
        UsageError: a value is NaN, infinite or out of the range of float16.
    """
    with np.errstate(invalid="ignore"):
        bad_TVD = ~(np.abs(values_TVD) <= MAX_VALUE)
    if bad_TVD.any():
        clip, crop, index = (int(i) for i in np.argwhere(bad_TVD)[0])
        raise UsageError(
            f"{uri}: expected finite values of at most {MAX_VALUE:.0f} in magnitude, got "
            f"{values_TVD[clip, crop, index]} in clip {first_clip + clip}, crop {crop}, value {index} "
            f"({int(bad_TVD.sum())} such values in clips {first_clip} to {first_clip + len(bad_TVD) - 1})"
        )
    return values_TVD.astype(np.float16)


def import_unit(unit: ImportUnit, config: ImportedConfig, source: Store, out: Store) -> Receipt:
    """Read the values of one unit and store them as rows. An object that another writer stored first is kept.

    Raises:
        UsageError: the values are unusable.
        StorageError: a store failed, or the file changed since it was listed.
    """
    video = unit.video
    values_TVD, digest = video.source.read(source, unit.first_clip, unit.last_clip)
    pooled_TVD = to_float16(values_TVD, video.source.uri, unit.first_clip)
    rows = []
    for offset, pooled_VD in enumerate(pooled_TVD):
        clip = unit.first_clip + offset
        start, end = video.span(clip, config.clips)
        rows.append(ClipRows(clip, start, end, start / video.fps, end / video.fps, pooled_VD, None))
    data = encode_unit(
        video.video_id,
        rows,
        fingerprint=config.fingerprint,
        features=config.to_dict(),
        unit=_record(unit, digest),
    )
    key = layout.unit_key(unit.unit_id)
    if out.create(key, data) is Created.DIFFERENT:
        data = out.read(key)
    return receipt_of(unit.unit_id, data)


def _record(unit: ImportUnit, digest: str) -> dict[str, Any]:
    return {
        "unit_id": unit.unit_id,
        "video_id": unit.video_id,
        "content_id": unit.video.content_id,
        "first_clip": unit.first_clip,
        "last_clip": unit.last_clip,
        "clips": unit.num_clips,
        "num_frames": unit.video.num_frames,
        "num_frames_assumed": unit.video.assumed,
        "source_sha256": digest,
    }


def receipt_of(unit_id: str, data: bytes) -> Receipt:
    """Return the receipt of a stored unit. Raises ``DamagedUnit`` if the bytes are not a complete unit."""
    summary = decode_unit(data)
    clips = summary.unit.get("clips")
    if not isinstance(clips, int):
        raise DamagedUnit(f"expected the number of clips in its metadata, got {clips!r}")
    sha = hashlib.sha256(data).hexdigest()
    return Receipt(unit_id, "done", clips=clips, rows=summary.rows, bytes=len(data), sha256=sha)
