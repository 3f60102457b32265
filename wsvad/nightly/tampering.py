"""Detection of moved or covered cameras: compares the pictures of the newest footage with reference pictures."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cached_property
from typing import NamedTuple

from wsvad.dataset import layout
from wsvad.dataset.snapshots import Snapshot, read_snapshot
from wsvad.errors import DamagedError
from wsvad.events.sources import Source
from wsvad.features.pictures import Grey, read_picture
from wsvad.metrics.picture_similarity import detail, similarity
from wsvad.nightly.drift_results import ViewChange
from wsvad.nightly.published import SnapshotRef, digest_of
from wsvad.nightly.reference_pictures import LEAST_SIMILARITY, StoredPictures, read_pictures, store_pictures
from wsvad.nightly.window import Window, utc
from wsvad.storage import Store, open_store

log = logging.getLogger(__name__)

LEAST_DETAIL = 0.25
"""Minimum detail relative to the minimum detail of the reference; below, a picture counts as covered."""
LAST_PICTURES = 3
"""Number of consecutive pictures at the end of the footage that must show a change; all of them if there are fewer."""
REFERENCE_PICTURES = 6
"""Minimum number of pictures in a reference: one hour."""
MOST_PICTURES = 24 * 6 * 7
"""Maximum number of pictures in a reference: one week in units of ten minutes; the last ones are used."""
_VERSION = 1
"""Version of this computation; results of another version are not reused."""
_READERS = 16


class _UnitPicture(NamedTuple):
    """Picture of a camera during one unit."""

    video_id: str
    begin_s: float | None
    """Start in Unix time (s); None: unknown."""
    grey_HW: Grey

    @property
    def hour(self) -> int:
        """Hour of the day, UTC; 0 if the time is unknown."""
        return 0 if self.begin_s is None else int(self.begin_s // 3600) % 24


class CameraViews:
    """CameraViews of cameras, from the pictures in a features data set."""

    def __init__(self, root: Store, features: SnapshotRef) -> None:
        """Open a snapshot of ``features`` below ``root``, the root of the nightly job."""
        self._root = root
        self._features = features

    @cached_property
    def _store(self) -> Store:
        return open_store(f"{self._root.uri}/{self._features.prefix}", self._root.options)

    @cached_property
    def _snapshot(self) -> Snapshot:
        return read_snapshot(self._store, layout.snapshot_key(self._features.snapshot))

    def compare(self, window: Window, before: ViewChange | None, *, create_references: bool) -> ViewChange:
        """Compare the newest footage of a camera with its reference pictures.

        Args:
            window: its newest and earlier footage.
            before: the result of the previous night; returned if none of its inputs changed.
            create_references: whether to create a missing reference if there is enough footage.

        Raises:
            DamagedError: a reference or the features are damaged.
            StorageError: the store cannot be read, or a new reference cannot be written.
        """
        kept = read_pictures(self._root, self._features.fingerprint, window.camera, window.clock)
        if kept is None and create_references:
            kept = self._create_reference(window)
        inputs = digest_of(
            {
                "version": _VERSION,
                "stretch": [window.begin_s, window.end_s],
                "videos": [[source.sha256, source.begin_s] for source in window.newest],
                "reference": digest_of(asdict(kept)) if kept else None,
            }
        )
        if before and before.inputs == inputs:
            return before
        unknown = ViewChange(
            kept.key if kept else None, pictures=0, similarity=None, detail=None, moved=False, covered=False,
            since_utc=None, since_video=None, reason="no new footage" if kept else "no reference yet", inputs=inputs,
        )  # fmt: skip
        if kept is None or not window.newest:
            return unknown
        if not kept.steady:
            return replace(unknown, reason="the footage of the reference shows several scenes")
        shown = [
            s for s in self._read_pictures(window.newest)
            if window.begin_s is None or (s.begin_s is not None and s.begin_s >= window.begin_s)
        ]  # fmt: skip
        if not shown:
            return replace(unknown, reason="no pictures: the features were made by an earlier version")
        return _view_change(unknown, shown, kept)

    def _create_reference(self, window: Window) -> StoredPictures | None:
        """Create the reference pictures of a camera; ``None`` if there is too little footage before the window."""
        earlier = window.earlier
        if window.begin_s is None:  # the last videos by id; there may be many, and each has at least one picture
            earlier = tuple(sorted(earlier, key=lambda source: source.video_id)[-MOST_PICTURES:])
        shown = self._read_pictures(earlier)
        if window.begin_s is not None:
            shown = [s for s in shown if s.begin_s is not None and s.begin_s < window.begin_s]
        if len(shown) < REFERENCE_PICTURES:
            return None
        shown = shown[-MOST_PICTURES:]
        by_hour: dict[int, list[Grey]] = defaultdict(list)
        for one in shown:
            by_hour[one.hour].append(one.grey_HW)
        videos = {one.video_id for one in shown}
        return store_pictures(
            self._root,
            StoredPictures.of(self._features.fingerprint, window.camera, window.clock, by_hour, videos),
        )

    def _read_pictures(self, sources: Sequence[Source]) -> list[_UnitPicture]:
        """Return the pictures of these videos in the order of time; log and skip damaged ones."""
        entries = self._snapshot.of(source.video_id for source in sources)
        units = [
            (source, layout.id_of(o.key))
            for source in sources
            if source.video_id in entries
            for o in entries[source.video_id].objects
        ]

        def read(one: tuple[Source, str]) -> tuple[float, _UnitPicture] | None:
            source, unit_id = one
            try:
                picture = read_picture(self._store, unit_id)
            except DamagedError as error:
                log.warning("%s; skipped in the comparison of views", error)
                return None
            if picture is None:
                return None
            timed = source.start_utc_us is not None
            begin_s = source.begin_s + picture.start_s if timed else None
            return picture.start_s, _UnitPicture(source.video_id, begin_s, picture.grey_HW)

        with ThreadPoolExecutor(_READERS) as pool:
            found = [one for one in pool.map(read, units) if one]
        found.sort(key=lambda one: (one[1].begin_s or 0.0, one[1].video_id, one[0]))
        return [shown for _, shown in found]


def _view_change(unknown: ViewChange, shown: Sequence[_UnitPicture], kept: StoredPictures) -> ViewChange:
    """Determine whether a view changed; ``shown`` is in the order of time."""
    reference = list(kept.pictures().values())
    likeness = [max(similarity(one.grey_HW, picture) for picture in reference) for one in shown]
    least = {int(hour): value for hour, value in kept.details.items()}
    details = [detail(one.grey_HW) / max(_least(least, one.hour), 1e-9) for one in shown]
    covered = [share < LEAST_DETAIL for share in details]
    other = [cover or like < LEAST_SIMILARITY for cover, like in zip(covered, likeness, strict=True)]
    run = _last_run(other)
    changed = run >= min(LAST_PICTURES, len(shown))
    first = shown[len(shown) - run] if changed else None
    return replace(
        unknown,
        pictures=len(shown),
        similarity=round(likeness[-1], 4),
        detail=round(details[-1], 4),
        moved=changed and not covered[-1],
        covered=changed and covered[-1],
        since_utc=utc(first.begin_s) if first else None,
        since_video=first.video_id if first else None,
        reason="",
    )


def _least(details: Mapping[int, float], hour: int) -> float:
    """Return the minimum detail of the adjacent hours, or of all hours if the reference has none of those."""
    near = [value for at, value in details.items() if (at - hour) % 24 in (0, 1, 23)]
    return min(near or details.values())


def _last_run(flags: Iterable[bool]) -> int:
    """Return the number of consecutive true values at the end."""
    run = 0
    for flag in flags:
        run = run + 1 if flag else 0
    return run
