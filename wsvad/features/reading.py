"""Read a published features data set: the newest snapshot, one video or one stored unit at a time.

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
from wsvad.features.decoding import Inputs, UnitFeatures, decode_features, decode_shapes, missing_cuboids_error
from wsvad.storage import Store, StoreOptions, open_store

if TYPE_CHECKING:
    from wsvad.features.torch_dataset import VideoDataset

KIND = "features"
READERS = 4
"""Threads that read and decode; decompression saturates about two cores, so more threads do not help."""
READ_AHEAD_BYTES = 128 << 20
"""Maximum stored bytes read ahead, in addition to the object that the caller waits for; about the same when decoded."""


@dataclass(frozen=True)
class VideoFeatures(UnitFeatures):
    """All clips of one video, in order. ``clip`` has gaps if footage could not be decoded."""

    num_frames: int
    """Frames of the video; the end of the last clip if the data set does not state it."""
    width: int | None
    """Width in pixels as displayed (after rotation); ``None`` if the data set does not state it."""
    height: int | None
    """Height in pixels as displayed."""


@dataclass(frozen=True)
class FeatureSet(PublishedTables):
    """The features of a snapshot. Small and picklable; values are read on demand. Create it with :meth:`open`.

    >>> features = FeatureSet.open("features")
    >>> features.pooled_dim, features.cuboid_shape, len(features.video_ids)
    (56, (49, 160), 8)
    >>> features.to_pandas(["video_id", "clip", "end_frame", "end_s"], ["cam1.mp4"]).tail(2)
       video_id  clip  end_frame  end_s
    3  cam1.mp4     3         64   2.56
    4  cam1.mp4     4         70   2.80
    >>> video = features.load("cam1.mp4")
    >>> video.pooled_TVD.shape, video.cuboids_TVKC.shape  # clips, crops, …
    ((5, 1, 56), (5, 1, 49, 160))
    """

    rows_are: ClassVar[str] = "features"

    store: Store
    snapshot: Snapshot
    pooled_dim: int
    """D, the width of ``pooled``."""
    cuboid_shape: tuple[int, int] | None
    """``(K, C)`` of ``cuboids``, or ``None`` if they were not extracted."""
    views: int
    """V, crops per clip."""
    units: Mapping[str, tuple[SnapshotObject, ...]]
    """Stored units of each video with at least one clip, by first clip."""
    videos: Mapping[str, Mapping[str, Any]]
    """Rows of the lists by video id, including videos without a clip."""

    @classmethod
    def open(cls, uri: str, options: StoreOptions | None = None) -> FeatureSet:
        """Open the newest snapshot of a features data set.

        Args:
            uri: Root of the data set, the ``--out`` of ``wsvad extract``.
            options: Access options of the store.

        Raises:
            UsageError: Not a features data set, nothing published, or no clip in it.
            ConflictError: The snapshot has another configuration than the data set.
            DamagedError: Its content is damaged.
        """
        store = open_store(uri, options)
        snapshot = published_snapshot(store, KIND, "extract")
        units = _by_video(store, snapshot)
        if not units:
            raise UsageError(
                f"snapshot {snapshot.number} of {store.uri} holds no clip of any video; show the reasons with "
                f"`wsvad verify --out {store.uri}`, then extract again"
            )
        videos = published_videos(store, snapshot, units)
        smallest = min((o for parts in units.values() for o in parts), key=lambda o: (o.bytes, o.key))
        data, uri = _read(store, snapshot, smallest), store.uri_of(smallest.key)
        pooled_dim, cuboid_shape = decode_shapes(data, smallest, uri=uri, fingerprint=snapshot.fingerprint)
        return cls(store, snapshot, pooled_dim, cuboid_shape, smallest.rows // smallest.clips, units, videos)

    def shape_of(self, inputs: Inputs) -> tuple[int, ...]:
        """Return the input shape of a model for each clip: ``(D,)`` or ``(K, C)``.

        Raises:
            UsageError: There are no cuboids.
        """
        if inputs == "pooled":
            return (self.pooled_dim,)
        if self.cuboid_shape is None:
            raise missing_cuboids_error(self.uri)
        return self.cuboid_shape

    @property
    def video_ids(self) -> tuple[str, ...]:
        """Videos with at least one clip, sorted."""
        return tuple(self.units)

    @property
    def snapshot_digest(self) -> str:
        """SHA-256 (hex) of the content of the snapshot; equal content has equal digests."""
        return self.digest(self.video_ids)

    def digest(self, video_ids: Iterable[str]) -> str:
        """Return the SHA-256 (hex) of the content of some videos, in their order, independent of other videos."""
        whole = hashlib.sha256(self.fingerprint.encode())
        for video_id in video_ids:
            for unit in self._units(video_id):
                whole.update(f"\0{video_id}\0{unit.first_clip}\0{unit.sha256}".encode())
        return whole.hexdigest()

    def num_clips(self, video_id: str) -> int:
        """Return T of a video. Raises ``UsageError`` if it has no clips."""
        return sum(unit.clips for unit in self._units(video_id))

    def to_torch(self, video_ids: Sequence[str] | None = None, *, cuboids: bool = True) -> VideoDataset:
        """Return a PyTorch data set with one item per video. Arguments and errors: ``VideoDataset``."""
        from wsvad.features.torch_dataset import VideoDataset  # imported here: PyTorch takes seconds to load

        return VideoDataset(self, video_ids, cuboids=cuboids)

    def load(self, video_id: str, *, cuboids: bool = True) -> VideoFeatures:
        """Read one whole video; its units are read concurrently.

        Args:
            video_id: One of ``video_ids``.
            cuboids: Also decode the cuboids, if any; they have 25 times as many values as the pooled features.

        Raises:
            UsageError: The video is missing or has no clip.
            ConflictError, DamagedError: Like ``decode_features``; ``DamagedError`` also for a missing object.
        """
        units = self.stream([video_id], cuboids=cuboids)
        values = _joined(units, self.num_clips(video_id))
        row = self.videos[video_id]
        frames = int(values["end_frame"][-1]) if row["num_frames"] is None else int(row["num_frames"])
        size = {"num_frames": frames, "width": row["width"], "height": row["height"]}
        return VideoFeatures(video_id=video_id, **values, **size)

    def stream(self, video_ids: Sequence[str], *, cuboids: bool = True) -> Iterator[UnitFeatures]:
        """Read videos unit by unit, in order, a few units ahead: memory is limited by units, not by videos.

        A video of a day has a hundred units, most have one. Raises like :meth:`load`.
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
                "Use the ids of the manifest from which features were extracted."
            )
        why = f" ({row['kind']}: {row['message']})" if row["kind"] else ""
        raise UsageError(f"{self.uri} has no clip of {video_id!r}, which is {row['status']}{why}; omit it")

    def _read(self, unit: SnapshotObject, cuboids: bool) -> UnitFeatures:
        data, uri = _read(self.store, self.snapshot, unit), self.store.uri_of(unit.key)
        features = decode_features(data, unit, uri=uri, fingerprint=self.fingerprint, cuboids=cuboids)
        _, V, D = features.pooled_TVD.shape
        shape = None if features.cuboids_TVKC is None else features.cuboids_TVKC.shape[2:]
        if (self.views, self.pooled_dim) != (V, D) or (cuboids and shape != self.cuboid_shape):
            raise DamagedError(
                f"features of {unit.video_id!r} in {uri} have {V} crops, {D} values and "
                f"cuboids {shape}; expected {self.views}, {self.pooled_dim} and {self.cuboid_shape} as in the rest of "
                f"{self.uri}"
            )
        return features


def _joined(units: Iterable[UnitFeatures], num_clips: int) -> dict[str, Any]:
    """Concatenate the arrays of a video's units; each unit is released once it is copied."""
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
    """Return the objects of each video, by first clip; objects without a clip are left out."""
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
