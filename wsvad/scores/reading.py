"""Read the newest snapshot of a scores data set, one video at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from wsvad.dataset.published import published_snapshot, published_videos, read_published
from wsvad.dataset.snapshots import REMEDY, Snapshot, SnapshotObject, read_dataset
from wsvad.dataset.tables import PublishedTables
from wsvad.dataset.training_ids import read_training_ids
from wsvad.errors import ConflictError, DamagedError, UsageError
from wsvad.scores.config import ScoreConfig
from wsvad.scores.table import VideoScores, decode_scores
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.work.stored import DamagedUnit

__all__ = ["ScoreSet", "VideoScores"]


@dataclass(frozen=True)
class ScoreSet(PublishedTables):
    """The scores of a snapshot. Opened by :meth:`open`; scores are read on demand.

    >>> scores = ScoreSet.open("scores")
    >>> scores.load("cam1.mp4").score_T.shape
    (5,)
    >>> scores.to_arrow(["video_id", "clip", "score"]).num_rows
    40
    """

    rows_are: ClassVar[str] = "scores"

    store: Store
    snapshot: Snapshot
    training_ids: tuple[str, ...] = field(repr=False)
    """Ids of all videos used in the checkpoint's training or selection; none of them may be in a test."""
    units: Mapping[str, SnapshotObject] = field(repr=False)
    """The stored object of each scored video."""
    videos: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """Rows of all videos by video id, including videos without scores."""

    @classmethod
    def open(cls, uri: str, options: StoreOptions | None = None) -> ScoreSet:
        """Open the newest snapshot of a scores data set.

        Args:
            uri: root of the data set, the ``--out`` of ``wsvad score``.
            options: how to reach the store.

        Raises:
            UsageError: there is no scores data set, nothing is published, or it has no scores.
            ConflictError: the snapshot was made with another configuration than the data set.
            DamagedError: the data set is damaged.
        """
        store = open_store(uri, options)
        snapshot = published_snapshot(store, ScoreConfig.kind, "score")
        units = {o.video_id: o for o in snapshot.objects if o.clips}
        if not units:
            raise UsageError(f"snapshot {snapshot.number} of {store.uri} has no scores; run `wsvad score` again")
        videos = published_videos(store, snapshot, units)
        trained = read_training_ids(store, read_dataset(store) or {})
        return cls(store, snapshot, trained, dict(sorted(units.items())), videos)

    @property
    def video_ids(self) -> tuple[str, ...]:
        """Ids of the videos with scores, sorted."""
        return tuple(self.units)

    @property
    def snapshot_digest(self) -> str:
        """SHA-256 (hex) of the content of the snapshot; equal content has equal digests."""
        whole = hashlib.sha256(self.fingerprint.encode())
        for unit in self.units.values():
            whole.update(f"\0{unit.video_id}\0{unit.sha256}".encode())
        return whole.hexdigest()

    def load(self, video_id: str) -> VideoScores:
        """Read the scores of one video and verify their digest.

        Raises:
            UsageError: there is no such video, or it has no scores.
            DamagedError: its object is missing or damaged.
        """
        unit = self._unit(video_id)
        uri = self.store.uri_of(unit.key)
        data = read_published(self.store, self.snapshot, unit, "scores")
        if hashlib.sha256(data).hexdigest() != unit.sha256:
            raise DamagedError(
                f"scores of {video_id!r} are damaged: {uri} does not match its digest in the snapshot; {REMEDY}"
            )
        try:
            stored = decode_scores(data)
        except DamagedUnit as error:
            raise DamagedError(f"scores of {video_id!r} cannot be read: {uri}: {error}; {REMEDY}") from error
        if stored.fingerprint != self.fingerprint or stored.values["video_id"] != video_id:
            raise ConflictError(f"{uri} holds other scores than {video_id!r} of {self.fingerprint[:12]}")
        row = self.videos[video_id]
        frames = row["num_frames"] if row["num_frames"] is not None else stored.values["end_frame"][-1]
        return VideoScores(**stored.values, num_frames=int(frames), width=row["width"], height=row["height"])

    def _unit(self, video_id: str) -> SnapshotObject:
        if video_id in self.units:
            return self.units[video_id]
        row = self.videos.get(video_id)
        if row is None:
            raise UsageError(
                f"{self.uri} has no video {video_id!r}; it has {len(self.units)}, e.g. {self.video_ids[0]!r}"
            )
        why = f" ({row['kind']}: {row['message']})" if row["kind"] else ""
        raise UsageError(f"{self.uri} has no scores of {video_id!r}, which is {row['status']}{why}")
