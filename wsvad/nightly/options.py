"""Options of the nightly job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wsvad.events.config import EventSettings
from wsvad.features.defaults import MIN_COVERAGE
from wsvad.manifest.names import Identity
from wsvad.storage import StoreOptions
from wsvad.video import Limits, ReadOptions
from wsvad.work.pool import PoolOptions


@dataclass(frozen=True)
class RescoreOptions:
    """Options of a nightly run; ``wsvad rescore --help`` explains the same options."""

    archive: str
    """Folder, prefix or manifest of videos."""
    root: str
    """Root of the nightly job, where all results are stored."""
    checkpoint: str | None = None
    """Checkpoint of the first run; later runs use the champion."""
    candidates: Sequence[str] = ()
    """Checkpoints to score in addition to the champion, in this and all later runs."""
    cameras: str | None = None
    """URI of ``cameras.toml``; None: every folder is a camera, and times are offsets."""
    settings: EventSettings = field(default_factory=EventSettings)
    """Settings that turn scores into events."""
    thresholds: Sequence[str] = ()
    """Files of calibrated thresholds; each names its model. Models without a file use ``settings``."""
    weights: str | None = None
    """Backbone weights; None if the checkpoint names embedded weights or an untrained network."""
    flow_weights: str | None = None
    identity: Identity = "stat"
    follow_links: bool = False
    reading: ReadOptions = field(default_factory=ReadOptions)
    min_coverage: float = MIN_COVERAGE
    """Minimum percentage of a video's clips; with fewer, the video counts as short."""
    retry_quarantined: bool = False
    tolerate_quarantine: bool = False
    """Whether quarantined footage leaves the exit code at 0; it is still in the summary and the metrics."""
    apply_retention: bool = False
    """Whether to purge videos older than the retention of their camera; otherwise they are only counted."""
    textfile: str | None = None
    """File for node_exporter's textfile collector."""
    push: str | None = None
    """URL of a Pushgateway."""
    limits: Limits = field(default_factory=Limits)
    pool: PoolOptions = field(default_factory=PoolOptions)
    address: str | None = None
    use_ray: bool | None = None
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False
    verbose: bool = False
