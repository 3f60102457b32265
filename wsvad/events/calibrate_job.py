"""``wsvad events --calibrate``: compute ``thresholds.json`` from the scores of normal footage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wsvad.backbones.identity import is_untrained
from wsvad.cameras.config import Camera
from wsvad.cameras.reading import read_cameras
from wsvad.errors import EXIT_OK, ConflictError, UsageError
from wsvad.events.calibration import BUDGET_PER_DAY, DAY_S, Calibration, Footage, Threshold, calibrate, format_days
from wsvad.events.config import EventsConfig, EventSettings
from wsvad.events.rows import series_of
from wsvad.events.smoothing import Floats
from wsvad.events.sources import Source, read_sources
from wsvad.events.sweep import Sweep
from wsvad.events.thresholds import PostProcessing, Thresholds
from wsvad.events.units import EventUnit
from wsvad.provenance import versions
from wsvad.scores.reading import ScoreSet
from wsvad.storage import Created, StoreOptions, open_object, probe_object
from wsvad.text import printable
from wsvad.work.summary import Summary


@dataclass(frozen=True)
class CalibrateOptions:
    """Options of a calibration, the same as those of ``wsvad events --calibrate``."""

    scores: str
    """URI of a scores data set; all of its footage is assumed to be normal."""
    out: str
    """URI of the thresholds file to write."""
    cameras: str | None = None
    """URI of the cameras file."""
    settings: EventSettings = field(default_factory=EventSettings)
    """Post-processing settings; ``low`` is kept at the same ratio to ``high``."""
    budget: float | None = None
    """False events per camera and day, for all cameras; None: the budgets of the cameras file, else 1."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False


@dataclass(frozen=True)
class CalibrateSummary(Summary):
    """Result of a calibration."""

    out: str
    scores: str
    checkpoint: str
    dry_run: bool
    pooled: dict[str, Any]
    cameras: dict[str, dict[str, Any]]
    cameras_in_all: int
    days: float
    """Total days of footage of all cameras."""
    banner: str
    """Warning that the network is untrained, and which budgets are not proven; else empty."""

    @property
    def exit_code(self) -> int:
        """Always 0; an unproven budget is reported but is not a failure."""
        return EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the rows of the summary table."""
        rows = [("footage", f"{format_days(self.days)} of {self.cameras_in_all} cameras, assumed to be normal")]
        rows += [(name, _describe(entry)) for name, entry in [("pooled", self.pooled), *self.cameras.items()]]
        rows.append(("scores", f"{self.scores} ({self.checkpoint[:19]})"))
        return [*rows, ("saved", "nothing (dry run)" if self.dry_run else self.out)]


def _describe(entry: Mapping[str, Any]) -> str:
    return f"open at {entry['high']:.4g}, close below {entry['low']:.4g}: {entry['statement']}"


def calibrate_scores(options: CalibrateOptions) -> CalibrateSummary:
    """Calibrate the thresholds of a model on footage that is assumed to be normal, and write them.

    The scores of all cameras are held in memory, 40 bytes per clip: 5 MB per camera and day.

    Raises:
        UsageError: options, cameras or scores that cannot be used; raised before any work is done.
        ConflictError: the output file exists and has other content.
        StorageError: the store failed.
        DamagedError: scores are damaged.
    """
    cameras = read_cameras(options.cameras, options.store)
    scores = ScoreSet.open(options.scores, options.store)
    config = EventsConfig(
        scores.fingerprint, str(scores.config["checkpoint"]), scores.config.get("features", {}), options.settings
    )
    sources, found = read_sources(scores, cameras)
    budget = options.budget if options.budget is not None else float(cameras.defaults.get("budget", BUDGET_PER_DAY))
    budgets = {} if options.budget is not None else {name: camera.budget for name, camera in found.items()}
    for name, wanted in [("the default", budget), *budgets.items()]:
        if not wanted > 0:
            raise UsageError(f"the budget of {name!r:.80} must be above 0 events per day, got {wanted:g}")
    if not options.dry_run:
        probe_object(options.out, options.store)
    footage = {name: _footage(own, found[name], config, scores) for name, own in sources.items()}
    calibration = calibrate({n: f for n, f in footage.items() if f.days > 0}, options.settings, budget, budgets)
    thresholds = Thresholds(
        config.checkpoint,
        PostProcessing.of(options.settings),
        calibration,
        {
            "scores": scores.uri,
            "snapshot": scores.snapshot.number,
            "digest": f"sha256:{scores.snapshot_digest}",
            "days": {name: part.days for name, part in footage.items()},
            "versions": versions(),
        },
    )
    if not options.dry_run:
        _write(thresholds, options)
    return CalibrateSummary(
        printable(options.out),
        scores.uri,
        config.checkpoint,
        options.dry_run,
        calibration.pooled.to_dict(),
        {name: threshold.to_dict() for name, threshold in calibration.cameras.items()},
        len(footage),
        sum(part.days for part in footage.values()),
        _banner(calibration, config),
    )


def _write(thresholds: Thresholds, options: CalibrateOptions) -> None:
    store, key = open_object(options.out, options.store)
    if store.create(key, thresholds.to_bytes()) is Created.DIFFERENT:
        raise ConflictError(
            f"{store.uri_of(key)} exists with other content and was not changed, because events may depend on it. "
            "Write to another file, or delete this one"
        )


def _banner(calibration: Calibration, config: EventsConfig) -> str:
    untrained = "THRESHOLDS OF AN UNTRAINED NETWORK'S FEATURES: use them only to test the pipeline, not for detection."
    warnings = [untrained] if is_untrained(config.features.get("weights")) else []
    all_thresholds: list[tuple[str, Threshold]] = [("pooled", calibration.pooled), *calibration.cameras.items()]
    unproven = [name for name, threshold in all_thresholds if not threshold.proven]
    if unproven:
        more = f" and {len(unproven) - 8} more" if len(unproven) > 8 else ""
        warnings.append(f"THE FOOTAGE DOES NOT PROVE THE BUDGET OF {', '.join(unproven[:8])}{more}")
    return "\n".join(warnings)


def _footage(sources: Sequence[Source], camera: Camera, config: EventsConfig, scores: ScoreSet) -> Footage:
    """Return a camera's score series as event detection sees them: one for timed videos, one per untimed video."""
    scored = [source for source in sources if source.sha256]
    timed = [source for source in scored if source.start_utc_us is not None]
    groups = [timed] * bool(timed) + [[source] for source in scored if source.start_utc_us is None]
    sweeps, seconds = [], 0.0
    for group in groups:
        unit = EventUnit(camera, None, tuple(group), config.settings, config.fingerprint)
        series = series_of(unit, config, {source.video_id: scores.load(source.video_id) for source in group})
        sweeps.append(Sweep(series.times_T2, series.scores_T, config.settings))
        seconds += covered_s(series.times_T2)
    return Footage(tuple(sweeps), seconds / DAY_S)


def covered_s(times_T2: Floats) -> float:
    """Return the seconds covered by at least one clip; clips are sorted by start and may overlap."""
    if not len(times_T2):
        return 0.0
    reached_T = np.concatenate((times_T2[:1, 0], np.maximum.accumulate(times_T2[:, 1])[:-1]))
    return float(np.sum(np.maximum(times_T2[:, 1] - np.maximum(times_T2[:, 0], reached_T), 0.0)))
