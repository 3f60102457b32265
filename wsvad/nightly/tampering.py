"""Whether a camera was moved or covered: the pictures of its newest footage against those of the footage before."""

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
from wsvad.nightly.published import DataSetAt, digest_of
from wsvad.nightly.reference_pictures import LEAST_SIMILARITY, KeptPictures, keep_pictures, read_pictures
from wsvad.nightly.stretch import Stretch, utc
from wsvad.storage import Store, open_store

log = logging.getLogger(__name__)

LEAST_DETAIL = 0.25
"""Share of the least detail of the reference, below which a picture shows next to nothing."""
LAST_PICTURES = 3
"""So many pictures in a row, the last of the newest footage, must show it; all of them where there are fewer."""
REFERENCE_PICTURES = 6
"""Least pictures that a reference is made of: an hour."""
MOST_PICTURES = 24 * 6 * 7
"""Most pictures that one is made of: a week in units of ten minutes, the last ones."""
_VERSION = 1
"""Of this arithmetic; what another one found is not taken over."""
_READERS = 16


class _Shown(NamedTuple):
    """What a camera showed during a unit."""

    video_id: str
    begin_s: float | None
    """Seconds since 1970; None: not known."""
    grey_HW: Grey

    @property
    def hour(self) -> int:
        """Of the day, UTC; 0 where it is not known."""
        return 0 if self.begin_s is None else int(self.begin_s // 3600) % 24


class Views:
    """What cameras show, as the pictures of a data set of features say it."""

    def __init__(self, root: Store, features: DataSetAt) -> None:
        """``root``: of the nightly job; ``features``: a snapshot below it."""
        self._root = root
        self._features = features

    @cached_property
    def _store(self) -> Store:
        return open_store(f"{self._root.uri}/{self._features.prefix}", self._root.options)

    @cached_property
    def _snapshot(self) -> Snapshot:
        return read_snapshot(self._store, layout.snapshot_key(self._features.snapshot))

    def of(self, stretch: Stretch, before: ViewChange | None, *, freezing: bool) -> ViewChange:
        """Hold the newest footage of a camera against its reference.

        Args:
            stretch: its newest footage, and that before.
            before: what was found the last time; taken over where nothing of it has changed.
            freezing: whether a reference is made where there is none and enough footage.

        Raises:
            DamagedError: a reference or the features are damaged.
            StorageError: the store cannot be read, or written where a reference is to be made.
        """
        kept = read_pictures(self._root, self._features.fingerprint, stretch.camera, stretch.clock)
        if kept is None and freezing:
            kept = self._freeze(stretch)
        inputs = digest_of(
            {
                "version": _VERSION,
                "stretch": [stretch.begin_s, stretch.end_s],
                "videos": [[source.sha256, source.begin_s] for source in stretch.newest],
                "reference": digest_of(asdict(kept)) if kept else None,
            }
        )
        if before and before.inputs == inputs:
            return before
        unknown = ViewChange(
            kept.key if kept else None, pictures=0, similarity=None, detail=None, moved=False, covered=False,
            since_utc=None, since_video=None, reason="no new footage" if kept else "no reference yet", inputs=inputs,
        )  # fmt: skip
        if kept is None or not stretch.newest:
            return unknown
        if not kept.steady:
            return replace(unknown, reason="the footage of the reference shows several scenes")
        shown = [
            s for s in self._shown(stretch.newest)
            if stretch.begin_s is None or (s.begin_s is not None and s.begin_s >= stretch.begin_s)
        ]  # fmt: skip
        if not shown:
            return replace(unknown, reason="no pictures: the features were made by an earlier version")
        return _judged(unknown, shown, kept)

    def _freeze(self, stretch: Stretch) -> KeptPictures | None:
        """Make the reference of a camera; ``None`` where it has not enough footage before the newest stretch."""
        earlier = stretch.earlier
        if stretch.begin_s is None:  # there may be any number; the last by id, as each has a picture at least
            earlier = tuple(sorted(earlier, key=lambda source: source.video_id)[-MOST_PICTURES:])
        shown = self._shown(earlier)
        if stretch.begin_s is not None:
            shown = [s for s in shown if s.begin_s is not None and s.begin_s < stretch.begin_s]
        if len(shown) < REFERENCE_PICTURES:
            return None
        shown = shown[-MOST_PICTURES:]
        by_hour: dict[int, list[Grey]] = defaultdict(list)
        for one in shown:
            by_hour[one.hour].append(one.grey_HW)
        videos = {one.video_id for one in shown}
        return keep_pictures(
            self._root,
            KeptPictures.of(self._features.fingerprint, stretch.camera, stretch.clock, by_hour, videos),
        )

    def _shown(self, sources: Sequence[Source]) -> list[_Shown]:
        """Return the pictures of these videos, in the order of their times; damaged ones are told, and left out."""
        entries = self._snapshot.of(source.video_id for source in sources)
        units = [
            (source, layout.id_of(o.key))
            for source in sources
            if source.video_id in entries
            for o in entries[source.video_id].objects
        ]

        def read(one: tuple[Source, str]) -> tuple[float, _Shown] | None:
            source, unit_id = one
            try:
                picture = read_picture(self._store, unit_id)
            except DamagedError as error:
                log.warning("%s; left out of the comparison of views", error)
                return None
            if picture is None:
                return None
            timed = source.start_utc_us is not None
            begin_s = source.begin_s + picture.start_s if timed else None
            return picture.start_s, _Shown(source.video_id, begin_s, picture.grey_HW)

        with ThreadPoolExecutor(_READERS) as pool:
            found = [one for one in pool.map(read, units) if one]
        found.sort(key=lambda one: (one[1].begin_s or 0.0, one[1].video_id, one[0]))
        return [shown for _, shown in found]


def _judged(unknown: ViewChange, shown: Sequence[_Shown], kept: KeptPictures) -> ViewChange:
    """Say what became of a view; ``shown`` in the order of time."""
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
    """Return the least detail of the hours around one; of all hours where the reference has none of those."""
    near = [value for at, value in details.items() if (at - hour) % 24 in (0, 1, 23)]
    return min(near or details.values())


def _last_run(flags: Iterable[bool]) -> int:
    """Return how many of the last are true, in a row."""
    run = 0
    for flag in flags:
        run = run + 1 if flag else 0
    return run
