"""What a nightly job is asked to do."""

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
    """What to bring up to date, and where; ``wsvad rescore --help`` explains the same options."""

    archive: str
    """Folder, prefix or manifest of video."""
    root: str
    """Where everything goes that comes of it."""
    checkpoint: str | None = None
    """The first night's model; later nights have a champion."""
    candidates: Sequence[str] = ()
    """Checkpoints that are scored beside the champion from now on."""
    cameras: str | None = None
    """``cameras.toml``; None: every folder is a camera, and times are offsets."""
    settings: EventSettings = field(default_factory=EventSettings)
    """How scores become events."""
    thresholds: Sequence[str] = ()
    """Files of calibrated thresholds; each names its model. Models without one have ``settings``."""
    weights: str | None = None
    """The backbone's; None where the checkpoint names the embedded ones or an untrained network."""
    flow_weights: str | None = None
    identity: Identity = "stat"
    follow_links: bool = False
    reading: ReadOptions = field(default_factory=ReadOptions)
    min_coverage: float = MIN_COVERAGE
    """Percent of a video's clips below which it counts as short."""
    retry_quarantined: bool = False
    tolerate_quarantine: bool = False
    """Whether footage that failed on evidence leaves the exit code at 0; it is in the summary and the metrics."""
    apply_retention: bool = False
    """Whether videos that are older than the retention of their camera are purged; else their number is said."""
    textfile: str | None = None
    """File that node_exporter's textfile collector reads."""
    push: str | None = None
    """URL of a push gateway."""
    limits: Limits = field(default_factory=Limits)
    pool: PoolOptions = field(default_factory=PoolOptions)
    address: str | None = None
    use_ray: bool | None = None
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False
    verbose: bool = False
