"""One run of a job that writes a data set: its id, the snapshots that it publishes, and its record."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wsvad.dataset import layout
from wsvad.dataset.config import DatasetConfig
from wsvad.dataset.publish import publish
from wsvad.dataset.snapshots import Snapshot, SnapshotObject, latest_snapshot
from wsvad.provenance import versions
from wsvad.storage import Store
from wsvad.work.summary import Summary


def new_run_id() -> str:
    """Return a unique id of a run: its start time in UTC and 8 random hex digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


@dataclass
class Run:
    """A run that writes a data set, from its start."""

    run_id: str = field(default_factory=new_run_id)
    _started: float = field(default_factory=time.monotonic)
    _seen: Snapshot | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def newest(self, out: Store) -> Snapshot | None:
        """Return the newest snapshot of the target; lists that this run has read are not read again.

        Raises:
            DamagedError: the snapshot is damaged.
        """
        found = latest_snapshot(out, self._seen)
        self._seen = found or self._seen
        return found

    def publish(
        self,
        out: Store,
        config: DatasetConfig,
        objects: Iterable[SnapshotObject],
        videos: Sequence[dict[str, Any]],
        replaced: Collection[str],
    ) -> Snapshot:
        """Publish a snapshot; for arguments and errors see :func:`wsvad.dataset.publish.publish`."""
        self._seen = publish(
            out,
            config.fingerprint,
            config.to_dict(),
            objects,
            videos,
            replaced_videos=frozenset(replaced),
            run_id=self.run_id,
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            seen=self._seen,
        )
        return self._seen

    def write_record(self, out: Store, resolved: Mapping[str, Any], summary: Summary) -> None:
        """Write the record of this run below ``runs/``: resolved options, package versions and summary."""
        out.create(f"{layout.RUNS}{self.run_id}.json", summary.to_record(resolved, versions()))
