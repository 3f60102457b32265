"""Quarantine records: the evidence against a unit, or against a whole video that cannot be indexed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from wsvad import __version__
from wsvad.dataset import layout
from wsvad.documents import DocumentError, build, parse_json
from wsvad.errors import StorageError
from wsvad.manifest.listing import VideoRef, printable
from wsvad.storage import Store


@dataclass(frozen=True)
class QuarantineRecord:
    """Why a unit is set aside. It stays so until ``--retry-quarantined`` or until the video's content changes."""

    unit_id: str
    video_id: str
    uri: str
    content_id: str
    first_clip: int | None
    """First clip of the unit, or ``None`` where the whole video could not be indexed."""
    last_clip: int | None
    kind: str
    """Class of the evidence, see ``docs/video-outcomes.md``."""
    message: str
    wsvad_version: str = __version__

    @classmethod
    def of(
        cls, unit_id: str, video: VideoRef, span: tuple[int, int] | None, kind: str, message: str
    ) -> QuarantineRecord:
        """Make the record of a unit (``span`` in clips) or of a whole video (``None``)."""
        first, last = span or (None, None)
        return cls(
            unit_id, video.video_id, printable(video.uri), video.content_id, first, last, kind, printable(message)
        )

    def to_json(self) -> bytes:
        """Return the record as it is stored."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> QuarantineRecord:
        """Undo :meth:`to_json`. Raises ``DocumentError``."""
        return build(cls, parse_json(data))


def write_record(store: Store, record: QuarantineRecord) -> None:
    """Store a record; one that is there already stays."""
    store.create(layout.quarantine_key(record.unit_id), record.to_json())


def read_records(store: Store, unit_ids: Iterable[str]) -> dict[str, QuarantineRecord]:
    """Read the records of these units.

    Raises:
        StorageError: one of them cannot be read.
    """

    def read(unit_id: str) -> QuarantineRecord:
        key = layout.quarantine_key(unit_id)
        try:
            return QuarantineRecord.from_json(store.read(key))
        except DocumentError as error:
            raise StorageError(
                f"{store.uri}/{key} is no readable quarantine record ({error}); "
                "--retry-quarantined removes it and tries the unit again"
            ) from error

    with ThreadPoolExecutor(16) as pool:
        return {record.unit_id: record for record in pool.map(read, unit_ids)}
