"""Access log of the review server: one immutable object per action below ``audit/``.

It contains event ids, which are digests, but no video ids. So it is kept when a video is purged.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Lock

from wsvad.dataset.sealed import seal
from wsvad.errors import StorageError
from wsvad.nightly.layout import AUDIT
from wsvad.storage import Created, Store


class Audit:
    """Writes the access log. An action that cannot be logged must not happen. Thread-safe."""

    def __init__(self, root: Store) -> None:
        self._root = root
        self._lock = Lock()
        self._seen: set[tuple[str, str, str]] = set()

    def note(self, reviewer: str, action: str, event_ids: Sequence[str] = (), **more: str | int) -> None:
        """Log an action. Raises ``StorageError``."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = {"time_utc": now, "reviewer": reviewer, "action": action, "events": list(event_ids), **more}
        stamp = now.replace("-", "").replace(":", "").replace(".", "")
        key = f"{AUDIT}{stamp}-{uuid.uuid4()}.json"
        if self._root.create(key, seal(entry)) is not Created.NEW:
            raise StorageError(f"{self._root.uri_of(key)} already exists; try again")

    def record_view(self, reviewer: str, event_id: str) -> None:
        """Log that a reviewer viewed the pictures of an event, once per day. Raises ``StorageError``."""
        seen = (reviewer, event_id, datetime.now(UTC).date().isoformat())
        with self._lock:
            if seen in self._seen:
                return
        self.note(reviewer, "looked", [event_id])
        with self._lock:
            self._seen.add(seen)
