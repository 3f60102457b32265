"""Quarantine records: why a unit, or a whole video that cannot be indexed, is skipped."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from wsvad import __version__
from wsvad.dataset import layout
from wsvad.dataset.sealed import seal, unseal
from wsvad.documents import DocumentError, build
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.manifest.listing import VideoRef
from wsvad.storage import Store
from wsvad.text import printable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class QuarantineRecord:
    """Why a unit is quarantined. It stays so until ``--retry-quarantined`` or until the video's content changes."""

    unit_id: str
    video_id: str
    uri: str
    content_id: str
    first_clip: int | None
    """First clip of the unit, or ``None`` if the whole video could not be indexed."""
    last_clip: int | None
    kind: str
    """Class of the failure, see ``docs/video-outcomes.md``."""
    message: str
    wsvad_version: str = __version__

    @classmethod
    def of(
        cls, unit_id: str, video: VideoRef, span: tuple[int, int] | None, kind: str, message: str
    ) -> QuarantineRecord:
        """Make the record of a unit (``span`` is its clip range) or of a whole video (``span`` is ``None``)."""
        first, last = span or (None, None)
        return cls(
            unit_id, video.video_id, printable(video.uri), video.content_id, first, last, kind, printable(message)
        )

    def to_json(self) -> bytes:
        """Return the record as stored, with its digest."""
        return seal(asdict(self))

    @classmethod
    def from_json(cls, data: bytes, name: str = "the record") -> QuarantineRecord:
        """Undo :meth:`to_json`; raises ``DamagedError``."""
        try:
            return build(cls, unseal(data, name, cls.__dataclass_fields__))
        except DocumentError as error:
            raise DamagedError(f"{name} is damaged: {error}") from error


def write_record(store: Store, record: QuarantineRecord) -> None:
    """Store a record unless there is one."""
    store.create(layout.quarantine_key(record.unit_id), record.to_json())


def read_records(store: Store, unit_ids: Iterable[str], *, repair: bool = False) -> dict[str, QuarantineRecord]:
    """Read the records of these units. A damaged record is ignored, so that its unit is retried.

    Args:
        store: root of the data set.
        unit_ids: units that have a record.
        repair: whether to delete damaged records.
    """

    def read(unit_id: str) -> QuarantineRecord | None:
        key = layout.quarantine_key(unit_id)
        try:
            record = QuarantineRecord.from_json(store.read(key), f"{store.uri}/{key}")
            if record.unit_id != unit_id:
                raise DamagedError(f"{store.uri}/{key} is damaged: it belongs to the unit {record.unit_id!r:.80}")
        except ObjectNotFound:
            return None
        except DamagedError as error:
            log.warning("%s; the unit is retried", error)
            if repair:
                store.delete(key)
            return None
        return record

    with ThreadPoolExecutor(16) as pool:
        return {record.unit_id: record for record in pool.map(read, unit_ids) if record}
