"""Drift of each camera: newest scores and pictures against references, newest events against the preceding weeks.

Drift depends only on published scores and events and on stored references. Results of the previous nightly run are
reused if none of their inputs changed.
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
from wsvad.nightly.events import EventUnits
from wsvad.nightly.published import Current, ModelSnapshots, digest_of
from wsvad.nightly.references import StoredReference, hours_of, read_reference, store_reference
from wsvad.nightly.tampering import CameraViews
from wsvad.nightly.window import DAY_S, Window, utc
from wsvad.rates import poisson_band
from wsvad.scores.reading import ScoreSet
from wsvad.storage import Store, open_store

REFERENCE_DAYS = 7
"""Days of footage that a reference covers, if recording times are known."""
REFERENCE_CLIPS = 5000
"""Minimum number of clips in a reference."""
NEWEST_CLIPS = 1000
"""Minimum number of clips needed to report drift; with fewer clips the index is mostly noise."""
NEWEST_HOURS = 6
"""Minimum number of distinct hours of the day among those clips, if recording times are known. Consecutive clips are
correlated, so many clips from one hour carry little information."""
EVENT_DAYS = 28
"""Number of days before the newest window over which events are counted."""
EVENT_LEVEL = 0.99
"""Probability of the prediction interval outside of which an event count is unusual."""
_VERSION = 1
"""Version of this computation; results of another version are not reused."""
_READERS = 16


def find_drift(
    root: Store,
    cameras: Cameras,
    model: str,
    shown: ModelSnapshots,
    base: Current | None,
    *,
    create_references: bool = True,
) -> Drift:
    """Compare the newest footage of every camera with its earlier footage.

    Args:
        root: root of the nightly job.
        cameras: assignment of videos to cameras.
        model: digest of the model.
        shown: the model's published features, scores and events (newest snapshots).
        base: the previous nightly run; its results are reused if their inputs did not change.
        create_references: whether to create references for cameras that have enough footage and no reference yet.

    Raises:
        DamagedError: a reference, scores or events are damaged.
        StorageError: the store cannot be read, or a new reference cannot be written.
    """
    scores = ScoreSet.open(f"{root.uri}/{shown.scores.prefix}", root.options)
    by_camera, _ = read_sources(scores, cameras)
    scored = {name: [source for source in sources if source.sha256] for name, sources in by_camera.items()}
    views = CameraViews(root, shown.features)
    inputs = _DriftInputs(root, cameras, model, scores, EventUnits(root, shown.events), views, base, create_references)
    return Drift(model, tuple(inputs.camera_drift(name, sources) for name, sources in scored.items() if sources))


@dataclass
class _DriftInputs:
    """Inputs of the drift computation."""

    root: Store
    cameras: Cameras
    model: str
    scores: ScoreSet
    units: EventUnits
    views: CameraViews
    base: Current | None
    create_references: bool

    @cached_property
    def found_before(self) -> Mapping[str, CameraDrift]:
        if self.base is None:
            return {}
        try:
            report = self.base.report(self.root)
        except DamagedError:  # reported elsewhere; it is the reason why this night is recomputed
            return {}
        return {camera.camera: camera for camera in Drift.from_report(report, self.model).cameras}

    @cached_property
    def snapshot_before(self) -> Snapshot | None:
        """The scores snapshot of the previous nightly run."""
        if self.base is None or self.model not in self.base.models:
            return None
        at = self.base.models[self.model].scores
        return read_snapshot(open_store(f"{self.root.uri}/{at.prefix}", self.root.options), snapshot_key(at.snapshot))

    @cached_property
    def scored_before(self) -> Mapping[str, str]:
        """Digest of each video's scores in the previous nightly run, by video id."""
        objects = self.snapshot_before.objects if self.snapshot_before else ()
        return {o.video_id: o.sha256 for o in objects if o.clips}

    @cached_property
    def lost(self) -> frozenset[str]:
        """Cameras with a video that was scored in the previous nightly run and is not scored now."""
        gone = self.scored_before.keys() - self.scores.units.keys()
        entries = self.snapshot_before.of(gone) if self.snapshot_before else {}
        return frozenset(place(i, self.cameras, str(entry.video["uri"] or "")).camera for i, entry in entries.items())

    def camera_drift(self, camera: str, sources: Sequence[Source]) -> CameraDrift:
        """Return the drift of one camera; ``sources`` are its scored videos."""
        window = self._window(camera, sources)
        before = self.found_before.get(camera)
        if not window.newest and before and before.clock == window.clock and camera not in self.lost:
            return before  # it still describes the newest footage
        view = self.views.compare(window, before.view if before else None, create_references=self.create_references)
        return CameraDrift(camera, window.clock, self._scores(window, before), self._events(window), view)

    def _window(self, camera: str, sources: Sequence[Source]) -> Window:
        timed = [source for source in sources if source.start_utc_us is not None]
        if not timed:
            new = {s.video_id for s in sources if self.scored_before.get(s.video_id) != s.sha256}
            newest, earlier = (tuple(s for s in sources if (s.video_id in new) is is_new) for is_new in (True, False))
            return Window(camera, None, None, newest, earlier)
        end_s = max(source.end_s for source in timed)
        begin_s, first_s = end_s - DAY_S, min(source.begin_s for source in timed)
        newest = tuple(s for s in timed if s.end_s > begin_s)
        earlier = tuple(s for s in timed if s.begin_s < begin_s and s.end_s > begin_s - REFERENCE_DAYS * DAY_S)
        return Window(camera, begin_s, end_s, newest, earlier, first_s)

    def _scores(self, window: Window, before: CameraDrift | None) -> ScoreDrift:
        kept = read_reference(self.root, self.model, window.camera, window.clock)
        if kept is None and self.create_references:
            kept = self._create_reference(window)
        inputs = digest_of(
            {
                "version": _VERSION,
                "least": [NEWEST_CLIPS, NEWEST_HOURS],
                "stretch": [window.begin_s, window.end_s],
                "videos": [[source.sha256, source.begin_s] for source in window.newest],
                "reference": digest_of(asdict(kept)) if kept else None,
            }
        )
        if before and before.scores.inputs == inputs:
            return before.scores
        empty = ScoreDrift(
            utc(window.begin_s), utc(window.end_s), kept.key if kept else None, clips=0, compared=0, psi=None,
            wasserstein=None, drifted=False, reason="no new footage" if kept else "no reference yet", inputs=inputs,
        )  # fmt: skip
        if kept is None or not window.newest:
            return empty
        found = compare(kept.reference, *self._read(window.newest, window.begin_s, window.end_s))
        least_hours = min(NEWEST_HOURS, hours_of(window.clock))
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

    def _create_reference(self, window: Window) -> StoredReference | None:
        """Create the reference of a camera; ``None`` if there is too little footage before the newest window."""
        begin_s = None if window.begin_s is None else window.begin_s - REFERENCE_DAYS * DAY_S
        sources = window.earlier if begin_s is not None else self._last(window.earlier)
        if begin_s is not None and window.first_s > begin_s:
            return None
        if sum(self.scores.units[source.video_id].clips for source in sources) < REFERENCE_CLIPS:
            return None
        scores_N, hours_N = self._read(sources, begin_s, window.begin_s)
        if len(scores_N) < REFERENCE_CLIPS:
            return None
        reference = make_reference(scores_N, hours_N, hours_of(window.clock))
        spans = utc(begin_s), utc(window.begin_s)
        return store_reference(
            self.root, StoredReference.of(reference, self.model, window.camera, window.clock, *spans)
        )

    def _last(self, sources: Sequence[Source]) -> tuple[Source, ...]:
        """Return the last videos by id that together have enough clips for a reference."""
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
        """Return the scores and hours of the day of the clips that start in ``[begin_s, end_s)``."""

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

    def _events(self, window: Window) -> EventDrift:
        if window.begin_s is None:
            newest, earlier = ([f"offsets/{s.video_id}" for s in part] for part in (window.newest, window.earlier))
        else:
            first, last = window.days
            newest = [f"{first + timedelta(days=n)}/{window.camera}" for n in range((last - first).days + 1)]
            earlier = [f"{first - timedelta(days=n)}/{window.camera}" for n in range(1, EVENT_DAYS + 1)]
        (events, scored_s), (events_before, scored_s_before) = map(self._counted, (newest, earlier))
        counts = events, round(scored_s, 3), events_before, round(scored_s_before, 3)
        if not scored_s or not scored_s_before:
            reason = "no footage before it" if scored_s else "no new footage"
            return EventDrift(*counts, low=None, high=None, unusual=False, reason=reason)
        low, high = poisson_band(events_before, scored_s_before, scored_s, EVENT_LEVEL)
        return EventDrift(*counts, low=low, high=high, unusual=not low <= events <= high, reason="")

    def _counted(self, names: Iterable[str]) -> tuple[int, float]:
        """Return the events and the seconds of scored footage of the existing units among ``names``."""
        found = self.units.counts(set(names)).values()
        return sum(counts.events for counts in found), sum(counts.scored_s for counts in found)
