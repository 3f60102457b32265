"""Verdicts of reviewers as append-only records: one object each below ``verdicts/`` of a nightly job.

Objects are named by the record id only, so that the store itself refuses a second record with the same id. Records are
ordered by their times.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

from wsvad.dataset.sealed import seal, unseal
from wsvad.documents import DocumentError, build, parse_object
from wsvad.errors import ConflictError, DamagedError, ObjectNotFound, UsageError
from wsvad.manifest.ids import id_problem
from wsvad.nightly.layout import TOMBSTONES, VERDICTS
from wsvad.nightly.tombstones import tombstone_name
from wsvad.review.config import FORMAT
from wsvad.storage import Created, Store

VerdictValue = Literal["true", "false", "unsure", "missed", "withdrawn"]
Kind = Literal["event", "control", "missed"]
MAX_NOTE_LENGTH = 2000
MAX_NAME_LENGTH = 100
MAX_FILE_BYTES = 64 << 20
"""Maximum size of a file of verdicts in bytes."""
UNNAMED = "unnamed"
"""Reviewer name on a page opened from a folder until a name is entered."""
EXPORT = "wsvad-verdicts"
"""Value of ``kind`` in files exported by the page."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EVENT_ID = re.compile(r"[0-9a-f]{16}")
_DIGEST = re.compile(r"sha256:[0-9A-Za-z]{1,64}")
_READERS = 16


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Verdict of one reviewer on an event, or on a span without an event."""

    verdict_id: str
    """A random UUID."""
    review_id: str
    """Id of the review page that showed it."""
    event_id: str | None
    """Event id; None: the reviewer marked a span without an event."""
    content_id: str
    video_id: str
    camera: str
    start_s: float
    """Start in the video in seconds."""
    end_s: float
    """End in the video in seconds."""
    verdict: VerdictValue
    note: str = ""
    reviewer: str
    time_utc: str
    """Time of the verdict, ISO 8601 in UTC."""
    model: str
    """Digest of the model whose events were shown."""
    kind: Kind
    supersedes: str | None = None
    """Id of an earlier record of the same reviewer that this record replaces."""

    @property
    def subject(self) -> tuple[Any, ...]:
        """Subject of the verdict: an event, or a span."""
        return (self.event_id,) if self.event_id else (self.content_id, round(self.start_s, 3), round(self.end_s, 3))

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {"format": FORMAT, **asdict(self)}


COLUMNS = tuple(f.name for f in fields(Verdict))
"""Columns of a table of verdicts."""


def parse_verdict(plain: Mapping[str, Any], name: str = "the verdict") -> Verdict:
    """Parse a verdict from an external JSON object; unknown fields are ignored.

    Raises:
        UsageError: the object is not a valid verdict; the message says why.
    """
    if plain.get("format", FORMAT) != FORMAT:
        raise UsageError(f"{name} has format {plain.get('format')!r:.40}; this program reads format {FORMAT}")
    try:
        verdict = build(Verdict, dict(plain))
    except DocumentError as error:
        raise UsageError(f"{name} is not a verdict: {error}") from error
    problem = _problem(verdict)
    if problem:
        raise UsageError(f"{name} cannot be used: {problem}")
    return verdict


def _problem(v: Verdict) -> str | None:
    for name, value in (("verdict_id", v.verdict_id), ("supersedes", v.supersedes)):
        if value is not None and not _ID.fullmatch(value):
            return f"{name} must be a UUID in lower case, got {value!r:.80}"
    if v.event_id is not None and not _EVENT_ID.fullmatch(v.event_id):
        return f"event_id must be 16 hex digits, got {v.event_id!r:.80}"
    if not re.fullmatch("[0-9a-f]{1,64}", v.content_id):
        return f"content_id must be hex digits, got {v.content_id!r:.80}"
    for name, value in (("review_id", v.review_id), ("model", v.model)):
        if not _DIGEST.fullmatch(value):
            return f"{name} must be a digest, got {value!r:.80}"
    if id_problem(v.video_id):
        return f"video_id {v.video_id!r:.80}: {id_problem(v.video_id)}"
    if not v.reviewer or len(v.reviewer) > 2 * MAX_NAME_LENGTH or not v.reviewer.isprintable():
        return f"reviewer must be a short printable name, got {v.reviewer!r:.80}"
    if id_problem(v.camera):  # the rules for camera names are those for video ids
        return f"camera {v.camera!r:.80}: {id_problem(v.camera)}"
    if len(v.note) > MAX_NOTE_LENGTH:
        return f"note must have at most {MAX_NOTE_LENGTH} characters, got {len(v.note)}"
    if not 0 <= v.start_s <= v.end_s <= 1e9:
        return f"expected 0 <= start_s <= end_s, got {v.start_s} and {v.end_s}"
    if (v.kind == "missed") != (v.event_id is None):
        return f"kind {v.kind!r} {'must not have' if v.kind == 'missed' else 'requires'} an event_id"
    if v.verdict != "withdrawn" and (v.verdict == "missed") != (v.kind == "missed"):
        return f"the verdict of kind {v.kind!r} cannot be {v.verdict!r}"
    return _time_problem(v.time_utc)


def _time_problem(text: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return f"time_utc must be ISO 8601, got {text!r:.80}"
    return None if moment.utcoffset() is not None and not moment.utcoffset() else "time_utc must be in UTC, with a Z"


def complete_record(plain: Mapping[str, Any], *, reviewer: str, model: str, review_id: str) -> dict[str, Any]:
    """Return a record with the reviewer of the session, and with default id, time, model and review id."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    given = {name: value for name, value in plain.items() if value is not None}
    return {
        "verdict_id": str(uuid.uuid4()), "time_utc": now, "model": model, "review_id": review_id, "note": "",
        "event_id": None, **given, "reviewer": reviewer,
    }  # fmt: skip


class VerdictStore:
    """Records of verdicts below the root of a nightly job."""

    def __init__(self, root: Store) -> None:
        self._root = root

    def add(self, verdict: Verdict) -> bool:
        """Store a record; return False if it already exists.

        Raises:
            ConflictError: the id belongs to another record, or the video was purged.
            StorageError: the record was not stored.
        """
        key = verdict_key(verdict.verdict_id)
        self._refuse_purged(verdict)
        found = self._root.create(key, seal(verdict.to_dict()))
        if found is Created.DIFFERENT:
            raise ConflictError(f"the id {verdict.verdict_id} belongs to another verdict; nothing was changed")
        try:
            self._refuse_purged(verdict)  # a concurrent purge may have listed the records before this one existed
        except ConflictError:
            self._root.delete(key)
            raise
        return found is Created.NEW

    def _refuse_purged(self, verdict: Verdict) -> None:
        if is_purged(self._root, verdict.video_id):
            raise ConflictError("the video of this verdict was purged; nothing was changed")

    def list_keys(self) -> list[str]:
        """Return the keys of all records."""
        return [info.key for info in self._root.list(VERDICTS) if info.key.endswith(".json")]

    def read(self, keys: Iterable[str]) -> tuple[list[Verdict], list[str]]:
        """Return the records ordered by time, and messages about damaged ones. Raises ``StorageError``."""
        with ThreadPoolExecutor(_READERS) as pool:
            found = list(pool.map(self._read, keys))
        good = [one for one in found if isinstance(one, Verdict)]
        return sorted(good, key=order), [one for one in found if isinstance(one, str)]

    def read_all(self) -> tuple[list[Verdict], list[str]]:
        """Read all records. Raises ``StorageError``."""
        return self.read(self.list_keys())

    def _read(self, key: str) -> Verdict | str | None:
        name = self._root.uri_of(key)
        try:
            verdict = parse_verdict(unseal(self._root.read(key), name, ()), name)
        except ObjectNotFound:  # purged since it was listed
            return None
        except (DamagedError, UsageError) as error:
            return str(error)
        return verdict if verdict_key(verdict.verdict_id) == key else f"{name} is damaged: it contains another record"


def is_purged(root: Store, video_id: str) -> bool:
    """Whether a video was purged from a nightly job. Raises ``StorageError``."""
    try:
        root.stat(f"{TOMBSTONES}{tombstone_name(video_id)}.json")
    except ObjectNotFound:
        return False
    return True


def verdict_key(verdict_id: str) -> str:
    """Return the key of a record."""
    return f"{VERDICTS}{verdict_id}.json"


def order(verdict: Verdict) -> tuple[Any, ...]:
    """Return the sort key of records."""
    return datetime.fromisoformat(verdict.time_utc), verdict.verdict_id


def current_verdicts(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the current records: the last record of each reviewer on each subject, unless it was withdrawn.

    A record superseded by the same reviewer is never current, regardless of its time: clocks of two machines can
    differ, and the later record may refer to another event, found by a later model.
    """
    records = sorted(verdicts, key=order)
    gone = {(v.reviewer, v.supersedes) for v in records if v.supersedes not in (None, v.verdict_id)}
    named = {verdict_id for _, verdict_id in gone}  # a reviewer who entered a name later supersedes unnamed records
    last: dict[tuple[Any, ...], Verdict] = {}
    for verdict in records:
        own = (verdict.reviewer, verdict.verdict_id) in gone
        if not own and not (verdict.reviewer == UNNAMED and verdict.verdict_id in named):
            last[verdict.reviewer, *verdict.subject] = verdict
    return [verdict for verdict in last.values() if verdict.verdict != "withdrawn"]


def read_file(data: bytes, name: str) -> list[Verdict]:
    """Read a file exported by the page.

    Raises:
        UsageError: the file is invalid, or contains an invalid record; nothing is returned then.
    """
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{name} is too large: {len(data):,} bytes, at most {MAX_FILE_BYTES:,}")
    try:
        plain = parse_object(data)
    except DocumentError as error:
        raise UsageError(f"{name} is not a file of verdicts: {error}") from error
    records = plain.get("verdicts")
    if plain.get("kind") != EXPORT or not isinstance(records, list):
        raise UsageError(f"{name} is not a file of verdicts exported by a review page")
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise UsageError(f"{name}: record {number} is not a JSON object")
    return [parse_verdict(record, f"{name}: record {number}") for number, record in enumerate(records, 1)]
