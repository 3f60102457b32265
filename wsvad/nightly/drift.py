"""Drift of each camera: its newest scores and pictures against references, its events against the weeks before.

A function of published scores and events and of references. What was found the night before is taken over where
nothing of it has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt

from wsvad.cameras.config import Cameras
from wsvad.cameras.placing import place
from wsvad.dataset.layout import snapshot_key
from wsvad.dataset.snapshots import Snapshot, read_snapshot
from wsvad.errors import DamagedError
from wsvad.events.sources import Source, read_sources
from wsvad.metrics.drift import LARGE, compare, make_reference
from wsvad.nightly.drift_results import CameraDrift, Drift, EventDrift, ScoreDrift
from wsvad.nightly.happenings import Units
from wsvad.nightly.published import Current, ModelAt, digest_of
from wsvad.nightly.references import Kept, hours_of, keep_reference, read_reference
from wsvad.nightly.stretch import DAY_S, Stretch, utc
from wsvad.nightly.tampering import Views
from wsvad.rates import poisson_band
from wsvad.scores.reading import ScoreSet
from wsvad.storage import Store, open_store

REFERENCE_DAYS = 7
"""Length of the footage that a reference is made of, where times are known."""
REFERENCE_CLIPS = 5000
"""Least clips that a reference is made of."""
NEWEST_CLIPS = 1000
"""Least clips on which a camera is said to have drifted: an index of fewer is mostly noise."""
NEWEST_HOURS = 6
"""Least hours of the day that they are of, where times are known: clips that follow each other are alike, so that many
clips of one hour say little."""
EVENT_DAYS = 28
"""Days before the newest ones that events are counted in."""
EVENT_LEVEL = 0.99
"""Probability of the band outside of which a count of events is unusual."""
_VERSION = 1
"""Of this arithmetic; what another one found is not taken over."""
_READERS = 16


def find_drift(
    root: Store, cameras: Cameras, model: str, shown: ModelAt, base: Current | None, *, freezing: bool = True
) -> Drift:
    """Hold the newest footage of every camera against what there was before.

    Args:
        root: of the nightly job.
        cameras: what says which videos are whose.
        model: digest of the model.
        shown: its scores and events, published; the newest snapshots.
        base: the night before; what it found is taken over where nothing has changed.
        freezing: whether references are made of cameras that have enough footage by now.

    Raises:
        DamagedError: a reference, scores or events are damaged.
        StorageError: the store cannot be read, or written where a reference is to be made.
    """
    scores = ScoreSet.open(f"{root.uri}/{shown.scores.prefix}", root.options)
    by_camera, _ = read_sources(scores, cameras)
    scored = {name: [source for source in sources if source.sha256] for name, sources in by_camera.items()}
    views = Views(root, shown.features)
    night = _Night(root, cameras, model, scores, Units(root, shown.events), views, base, freezing)
    return Drift(model, tuple(night.of(name, sources) for name, sources in scored.items() if sources))


@dataclass
class _Night:
    """What drift is looked for in."""

    root: Store
    cameras: Cameras
    model: str
    scores: ScoreSet
    units: Units
    views: Views
    base: Current | None
    freezing: bool

    @cached_property
    def found_before(self) -> Mapping[str, CameraDrift]:
        if self.base is None:
            return {}
        try:
            report = self.base.report(self.root)
        except DamagedError:  # which is told, and is why the night is made again
            return {}
        return {camera.camera: camera for camera in Drift.from_report(report, self.model).cameras}

    @cached_property
    def snapshot_before(self) -> Snapshot | None:
        """The scores of the night before."""
        if self.base is None or self.model not in self.base.models:
            return None
        at = self.base.models[self.model].scores
        return read_snapshot(open_store(f"{self.root.uri}/{at.prefix}", self.root.options), snapshot_key(at.snapshot))

    @cached_property
    def scored_before(self) -> Mapping[str, str]:
        """Digest of the scores of every video of the night before, by id."""
        objects = self.snapshot_before.objects if self.snapshot_before else ()
        return {o.video_id: o.sha256 for o in objects if o.clips}

    @cached_property
    def lost(self) -> frozenset[str]:
        """Cameras of which videos were scored the night before and are not now."""
        gone = self.scored_before.keys() - self.scores.units.keys()
        entries = self.snapshot_before.of(gone) if self.snapshot_before else {}
        return frozenset(place(i, self.cameras, str(entry.video["uri"] or "")).camera for i, entry in entries.items())

    def of(self, camera: str, sources: Sequence[Source]) -> CameraDrift:
        """Return the drift of one camera; ``sources`` are its videos with scores."""
        stretch = self._stretch(camera, sources)
        before = self.found_before.get(camera)
        if not stretch.newest and before and before.clock == stretch.clock and camera not in self.lost:
            return before  # it is of the newest footage still
        view = self.views.of(stretch, before.view if before else None, freezing=self.freezing)
        return CameraDrift(camera, stretch.clock, self._scores(stretch, before), self._events(stretch), view)

    def _stretch(self, camera: str, sources: Sequence[Source]) -> Stretch:
        timed = [source for source in sources if source.start_utc_us is not None]
        if not timed:
            new = {s.video_id for s in sources if self.scored_before.get(s.video_id) != s.sha256}
            newest, earlier = (tuple(s for s in sources if (s.video_id in new) is is_new) for is_new in (True, False))
            return Stretch(camera, None, None, newest, earlier)
        end_s = max(source.end_s for source in timed)
        begin_s, first_s = end_s - DAY_S, min(source.begin_s for source in timed)
        newest = tuple(s for s in timed if s.end_s > begin_s)
        earlier = tuple(s for s in timed if s.begin_s < begin_s and s.end_s > begin_s - REFERENCE_DAYS * DAY_S)
        return Stretch(camera, begin_s, end_s, newest, earlier, first_s)

    def _scores(self, stretch: Stretch, before: CameraDrift | None) -> ScoreDrift:
        kept = read_reference(self.root, self.model, stretch.camera, stretch.clock)
        if kept is None and self.freezing:
            kept = self._freeze(stretch)
        inputs = digest_of(
            {
                "version": _VERSION,
                "least": [NEWEST_CLIPS, NEWEST_HOURS],
                "stretch": [stretch.begin_s, stretch.end_s],
                "videos": [[source.sha256, source.begin_s] for source in stretch.newest],
                "reference": digest_of(asdict(kept)) if kept else None,
            }
        )
        if before and before.scores.inputs == inputs:
            return before.scores
        empty = ScoreDrift(
            utc(stretch.begin_s), utc(stretch.end_s), kept.key if kept else None, clips=0, compared=0, psi=None,
            wasserstein=None, drifted=False, reason="no new footage" if kept else "no reference yet", inputs=inputs,
        )  # fmt: skip
        if kept is None or not stretch.newest:
            return empty
        found = compare(kept.reference, *self._read(stretch.newest, stretch.begin_s, stretch.end_s))
        least_hours = min(NEWEST_HOURS, hours_of(stretch.clock))
        known = found.compared >= NEWEST_CLIPS and found.hours >= least_hours
        little = f"{found.compared} clips of {found.hours} hours of the day can be compared, fewer than {NEWEST_CLIPS} "
        return replace(
            empty,
            clips=found.clips,
            compared=found.compared,
            psi=None if found.psi is None else round(found.psi, 6),
            wasserstein=None if found.wasserstein is None else round(found.wasserstein, 6),
            drifted=known and found.psi is not None and found.psi > LARGE,
            reason="" if known else f"{little}of {least_hours}",
        )

    def _freeze(self, stretch: Stretch) -> Kept | None:
        """Make the reference of a camera; ``None`` where it has not enough footage before the newest stretch."""
        begin_s = None if stretch.begin_s is None else stretch.begin_s - REFERENCE_DAYS * DAY_S
        sources = stretch.earlier if begin_s is not None else self._last(stretch.earlier)
        if begin_s is not None and stretch.first_s > begin_s:
            return None
        if sum(self.scores.units[source.video_id].clips for source in sources) < REFERENCE_CLIPS:
            return None
        scores_N, hours_N = self._read(sources, begin_s, stretch.begin_s)
        if len(scores_N) < REFERENCE_CLIPS:
            return None
        reference = make_reference(scores_N, hours_N, hours_of(stretch.clock))
        spans = utc(begin_s), utc(stretch.begin_s)
        return keep_reference(self.root, Kept.of(reference, self.model, stretch.camera, stretch.clock, *spans))

    def _last(self, sources: Sequence[Source]) -> tuple[Source, ...]:
        """The last videos by id that have the clips of a reference together."""
        chosen, clips = [], 0
        for source in sorted(sources, key=lambda s: s.video_id, reverse=True):
            if clips >= REFERENCE_CLIPS:
                break
            chosen.append(source)
            clips += self.scores.units[source.video_id].clips
        return tuple(chosen)

    def _read(
        self, sources: Iterable[Source], begin_s: float | None, end_s: float | None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Return scores and hours of the day of the clips that start within a span."""

        def clips(source: Source) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
            found = self.scores.load(source.video_id)
            scores_T = found.score_T.astype(np.float64)
            if begin_s is None or end_s is None:
                return scores_T, np.zeros(len(scores_T), np.int64)
            start_T = source.begin_s + found.start_s
            inside = (start_T >= begin_s) & (start_T < end_s)
            return scores_T[inside], (start_T[inside] // 3600).astype(np.int64) % 24

        with ThreadPoolExecutor(_READERS) as pool:
            parts = list(pool.map(clips, sources))
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _events(self, stretch: Stretch) -> EventDrift:
        if stretch.begin_s is None:
            newest, earlier = ([f"offsets/{s.video_id}" for s in part] for part in (stretch.newest, stretch.earlier))
        else:
            first, last = stretch.days
            newest = [f"{first + timedelta(days=n)}/{stretch.camera}" for n in range((last - first).days + 1)]
            earlier = [f"{first - timedelta(days=n)}/{stretch.camera}" for n in range(1, EVENT_DAYS + 1)]
        (events, scored_s), (events_before, scored_s_before) = map(self._counted, (newest, earlier))
        counts = events, round(scored_s, 3), events_before, round(scored_s_before, 3)
        if not scored_s or not scored_s_before:
            reason = "no footage before it" if scored_s else "no new footage"
            return EventDrift(*counts, low=None, high=None, unusual=False, reason=reason)
        low, high = poisson_band(events_before, scored_s_before, scored_s, EVENT_LEVEL)
        return EventDrift(*counts, low=low, high=high, unusual=not low <= events <= high, reason="")

    def _counted(self, names: Iterable[str]) -> tuple[int, float]:
        """Events and seconds of scored footage of some units, as far as they are there."""
        found = self.units.counts(set(names)).values()
        return sum(counts.events for counts in found), sum(counts.scored_s for counts in found)
