"""From the stored values of a unit to the unit's object, checked on the way."""

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

LARGEST = float(np.finfo(np.float16).max)
"""65,504: what the table's 16 bits hold."""


def to_float16(values_TVD: np.ndarray, uri: str, first_clip: int) -> np.ndarray:
    """Round features to the table's 16 bits.

    Args:
        values_TVD: floats of any width and byte order.
        uri: of the file, for messages.
        first_clip: number of the first of these clips, for messages.

    Raises:
        UsageError: NaN, infinity, or a value that 16 bits do not hold.
    """
    with np.errstate(invalid="ignore"):
        bad_TVD = ~(np.abs(values_TVD) <= LARGEST)
    if bad_TVD.any():
        clip, crop, place = (int(i) for i in np.argwhere(bad_TVD)[0])
        raise UsageError(
            f"{uri}: expected finite values of at most {LARGEST:.0f} in size, got {values_TVD[clip, crop, place]} in "
            f"clip {first_clip + clip}, crop {crop}, value {place} (of {int(bad_TVD.sum())} in clips {first_clip} to "
            f"{first_clip + len(bad_TVD) - 1})"
        )
    return values_TVD.astype(np.float16)


def import_unit(unit: ImportUnit, config: ImportedConfig, source: Store, out: Store) -> Receipt:
    """Read one unit's values and write them as rows; another writer's object with that name is taken as it is.

    Raises:
        UsageError: the values cannot be used.
        StorageError: a store failed, or the file changed since it was listed.
    """
    video = unit.video
    values_TVD, digest = video.source.read(source, unit.first_clip, unit.last_clip)
    pooled_TVD = to_float16(values_TVD, video.source.uri, unit.first_clip)
    rows = []
    for place, pooled_VD in enumerate(pooled_TVD):
        clip = unit.first_clip + place
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
    """Read the receipt of a stored unit from its bytes. Raises ``DamagedUnit`` where they are not a whole one."""
    summary = decode_unit(data)
    clips = summary.unit.get("clips")
    if not isinstance(clips, int):
        raise DamagedUnit(f"it does not say how many clips it has, but {clips!r}")
    sha = hashlib.sha256(data).hexdigest()
    return Receipt(unit_id, "done", clips=clips, rows=summary.rows, bytes=len(data), sha256=sha)
