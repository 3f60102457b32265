"""Who looked at what, and who took something away: one object an action below ``audit/``, never changed.

It names events by their ids, which are digests, and no video: so it stays when a video is purged.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Lock

from wsvad.dataset.sealed import seal
from wsvad.errors import StorageError
from wsvad.nightly.places import AUDIT
from wsvad.storage import Created, Store


class Audit:
    """The log of a server; what cannot be written down must not happen. Threads may share it."""

    def __init__(self, root: Store) -> None:
        self._root = root
        self._lock = Lock()
        self._seen: set[tuple[str, str, str]] = set()

    def note(self, reviewer: str, action: str, event_ids: Sequence[str] = (), **more: str | int) -> None:
        """Write an action down. Raises ``StorageError``."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = {"time_utc": now, "reviewer": reviewer, "action": action, "events": list(event_ids), **more}
        stamp = now.replace("-", "").replace(":", "").replace(".", "")
        key = f"{AUDIT}{stamp}-{uuid.uuid4()}.json"
        if self._root.create(key, seal(said)) is not Created.NEW:
            raise StorageError(f"{self._root.uri_of(key)} is there already; try again")

    def looked(self, reviewer: str, event_id: str) -> None:
        """Write down that somebody looks at the pictures of an event, once a day. Raises ``StorageError``."""
        seen = (reviewer, event_id, datetime.now(UTC).date().isoformat())
        with self._lock:
            if seen in self._seen:
                return
        self.note(reviewer, "looked", [event_id])
        with self._lock:
            self._seen.add(seen)
