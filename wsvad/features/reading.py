"""Reads a published features data set: the newest snapshot, one video or one stored unit at a time.

Axes: T clips in time, V crops, D/C features, K cuboids.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wsvad.dataset.published import published_snapshot, published_videos, read_published
from wsvad.dataset.snapshots import Snapshot, SnapshotObject
from wsvad.dataset.tables import PublishedTables
from wsvad.errors import DamagedError, UsageError
from wsvad.features.decoding import Inputs, UnitFeatures, decode_features, decode_shapes, without_cuboids
from wsvad.storage import Store, StoreOptions, open_store

if TYPE_CHECKING:
    from wsvad.features.torch_dataset import VideoDataset

KIND = "features"
READERS = 4
"""Threads that read and decode; more only wait for the same two or so cores to decompress."""
READ_AHEAD_BYTES = 128 << 20
"""Stored bytes under way at once, besides the object that the caller waits for; decoded they are about the same."""


@dataclass(frozen=True)
class VideoFeatures(UnitFeatures):
    """All clips of one video, in order. ``clip`` has gaps where footage could not be decoded."""

    num_frames: int
    """Frames of the video; the end of the last clip where the data set does not say."""
    width: int | None
    """Pixels across as displayed (after rotation); ``None`` where the data set does not say."""
    height: int | None
    """Pixels down as displayed."""


@dataclass(frozen=True)
class FeatureSet(PublishedTables):
    """The features of a snapshot. Small, picklable; values are read when asked for. Made by :meth:`open`."""

    rows_are: ClassVar[str] = "features"

    store: Store
    snapshot: Snapshot
    pooled_dim: int
    """D, the width of ``pooled``."""
    cuboid_shape: tuple[int, int] | None
    """``(K, C)`` of ``cuboids``, or ``None`` where they were not extracted."""
    views: int
    """V, crops of a clip."""
    units: Mapping[str, tuple[SnapshotObject, ...]]
    """Stored units of each video that has a clip, by first clip."""
    videos: Mapping[str, Mapping[str, Any]]
    """Row of the lists by video id, also of videos without a clip."""

    @classmethod
    def open(cls, uri: str, options: StoreOptions | None = None) -> FeatureSet:
        """Open the newest snapshot of a features data set.

        Args:
            uri: root of the data set, the ``--out`` of ``wsvad extract``.
            options: how to reach the store.

        Raises:
            UsageError: no data set, none of features, nothing published, or not one clip in it.
            ConflictError: the snapshot was made by another configuration than the data set.
            DamagedError: what it holds is damaged.
        """
        store = open_store(uri, options)
        snapshot = published_snapshot(store, KIND, "extract")
        units = _by_video(store, snapshot)
        if not units:
            raise UsageError(
                f"snapshot {snapshot.number} of {store.uri} holds no clip of any video; see the reasons with "
                f"`wsvad verify --out {store.uri}`, then extract again"
            )
        videos = published_videos(store, snapshot, units)
        smallest = min((o for parts in units.values() for o in parts), key=lambda o: (o.bytes, o.key))
        data, uri = _read(store, snapshot, smallest), store.uri_of(smallest.key)
        pooled_dim, cuboid_shape = decode_shapes(data, smallest, uri=uri, fingerprint=snapshot.fingerprint)
        return cls(store, snapshot, pooled_dim, cuboid_shape, smallest.rows // smallest.clips, units, videos)

    def shape_of(self, inputs: Inputs) -> tuple[int, ...]:
        """Return the shape of what a model of these inputs sees of a clip: ``(D,)`` or ``(K, C)``.

        Raises:
            UsageError: there are no cuboids.
        """
        if inputs == "pooled":
            return (self.pooled_dim,)
        if self.cuboid_shape is None:
            raise without_cuboids(self.uri)
        return self.cuboid_shape

    @property
    def video_ids(self) -> tuple[str, ...]:
        """Videos with at least one clip, sorted."""
        return tuple(self.units)

    @property
    def snapshot_digest(self) -> str:
        """SHA-256 (hex) over exactly what the snapshot holds; equal content has equal digests."""
        return self.digest(self.video_ids)

    def digest(self, video_ids: Iterable[str]) -> str:
        """SHA-256 (hex) over the content of some videos, in their order; other videos do not change it."""
        whole = hashlib.sha256(self.fingerprint.encode())
        for video_id in video_ids:
            for unit in self._units(video_id):
                whole.update(f"\0{video_id}\0{unit.first_clip}\0{unit.sha256}".encode())
        return whole.hexdigest()

    def num_clips(self, video_id: str) -> int:
        """T of a video. Raises ``UsageError`` where it has none."""
        return sum(unit.clips for unit in self._units(video_id))

    def to_torch(self, video_ids: Sequence[str] | None = None, *, cuboids: bool = True) -> VideoDataset:
        """Return a data set of PyTorch, a video an item. Arguments and errors: ``VideoDataset``."""
        from wsvad.features.torch_dataset import VideoDataset  # seconds, because of PyTorch

        return VideoDataset(self, video_ids, cuboids=cuboids)

    def load(self, video_id: str, *, cuboids: bool = True) -> VideoFeatures:
        """Read one whole video; its units are read at the same time.

        Args:
            video_id: one of ``video_ids``.
            cuboids: also decode the cuboids, 25 times the pooled values, where there are any.

        Raises:
            UsageError: the video is not there, or without a clip.
            ConflictError, DamagedError: as ``decode_features``; ``DamagedError`` for an object that is gone, too.
        """
        units = self.stream([video_id], cuboids=cuboids)
        values = _joined(units, self.num_clips(video_id))
        row = self.videos[video_id]
        frames = int(values["end_frame"][-1]) if row["num_frames"] is None else int(row["num_frames"])
        size = {"num_frames": frames, "width": row["width"], "height": row["height"]}
        return VideoFeatures(video_id=video_id, **values, **size)

    def stream(self, video_ids: Sequence[str], *, cuboids: bool = True) -> Iterator[UnitFeatures]:
        """Read videos unit by unit, in order, a few units ahead: memory is bounded by units, not by videos.

        A video of a day has a hundred units, most have one. Raises as :meth:`load`.
        """
        wanted = [unit for video_id in video_ids for unit in self._units(video_id)]
        return self._stream(wanted, cuboids)

    def _stream(self, wanted: Sequence[SnapshotObject], cuboids: bool) -> Iterator[UnitFeatures]:
        if len(wanted) == 1:
            yield self._read(wanted[0], cuboids)
            return
        waiting: deque[tuple[int, Future[UnitFeatures]]] = deque()
        ahead_bytes = 0
        with ThreadPoolExecutor(READERS, thread_name_prefix="features") as pool:
            try:
                for unit in wanted:
                    while waiting and (len(waiting) > READERS or ahead_bytes + unit.bytes > READ_AHEAD_BYTES):
                        size, future = waiting.popleft()
                        ahead_bytes -= size
                        yield future.result()
                    waiting.append((unit.bytes, pool.submit(self._read, unit, cuboids)))
                    ahead_bytes += unit.bytes
                while waiting:
                    yield waiting.popleft()[1].result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _units(self, video_id: str) -> tuple[SnapshotObject, ...]:
        if video_id in self.units:
            return self.units[video_id]
        row = self.videos.get(video_id)
        if row is None:
            raise UsageError(
                f"{self.uri} has no video {video_id!r}; it has {len(self.units)}, such as {self.video_ids[0]!r}. "
                "Ids must be those of the manifest that was extracted."
            )
        why = f" ({row['kind']}: {row['message']})" if row["kind"] else ""
        raise UsageError(f"{self.uri} has no clip of {video_id!r}, which is {row['status']}{why}; leave it out")

    def _read(self, unit: SnapshotObject, cuboids: bool) -> UnitFeatures:
        data, uri = _read(self.store, self.snapshot, unit), self.store.uri_of(unit.key)
        features = decode_features(data, unit, uri=uri, fingerprint=self.fingerprint, cuboids=cuboids)
        _, V, D = features.pooled_TVD.shape
        shape = None if features.cuboids_TVKC is None else features.cuboids_TVKC.shape[2:]
        if (self.views, self.pooled_dim) != (V, D) or (cuboids and shape != self.cuboid_shape):
            raise DamagedError(
                f"features of {unit.video_id!r} in {uri} have {V} crops, {D} values and "
                f"cuboids {shape}; expected {self.views}, {self.pooled_dim} and {self.cuboid_shape} as elsewhere in "
                f"{self.uri}"
            )
        return features


def _joined(units: Iterable[UnitFeatures], num_clips: int) -> dict[str, Any]:
    """The arrays of a video's units end to end; each unit is let go once it is copied."""
    whole: dict[str, Any] = {}
    at = 0
    for unit in units:
        until = at + len(unit.clip)
        values = {f.name: getattr(unit, f.name) for f in fields(unit) if f.name != "video_id"}
        if until - at == num_clips:
            return values
        for name, array in values.items():
            if array is None:
                whole[name] = None
                continue
            if name not in whole:
                whole[name] = np.empty((num_clips, *array.shape[1:]), array.dtype)
            whole[name][at:until] = array
        at = until
    return whole


def _by_video(store: Store, snapshot: Snapshot) -> dict[str, tuple[SnapshotObject, ...]]:
    """The objects of each video, by first clip; objects without a clip are left out."""
    found: dict[str, list[SnapshotObject]] = {}
    for unit in sorted(snapshot.objects, key=lambda o: (o.video_id, o.first_clip)):
        if unit.clips:
            found.setdefault(unit.video_id, []).append(unit)
    for video_id, units in found.items():
        for a, b in pairwise(units):
            if b.first_clip < a.last_clip:
                raise DamagedError(
                    f"snapshot {snapshot.number} of {store.uri} is damaged: {a.key} and {b.key} of {video_id!r} both "
                    f"hold clip {b.first_clip}"
                )
    return {video_id: tuple(units) for video_id, units in found.items()}


def _read(store: Store, snapshot: Snapshot, unit: SnapshotObject) -> bytes:
    return read_published(store, snapshot, unit, "features")
