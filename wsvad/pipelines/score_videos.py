"""Scoring of videos: extract features into ``<out>/features``, then score them. Both steps can be resumed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from rich.console import Console

from wsvad.checkpoint import load_checkpoint
from wsvad.dataset.snapshots import latest_snapshot
from wsvad.extraction.job import ExtractOptions, extract
from wsvad.extraction.summary import ExtractSummary
from wsvad.features.defaults import MIN_COVERAGE
from wsvad.manifest.names import Identity
from wsvad.pipelines.backbone import backbone_of
from wsvad.scoring.job import ScoreOptions, score
from wsvad.scoring.summary import ScoreSummary
from wsvad.storage import open_store
from wsvad.video import Limits, ReadOptions


@dataclass(frozen=True)
class VideoSource:
    """Videos to score, and options of their extraction."""

    videos: str
    """URI of a file, folder, prefix or manifest (``.csv``, ``.parquet``)."""
    weights: str | None = None
    """Backbone weights; ``None`` for embedded weights or an untrained network, as stated in the checkpoint."""
    identity: Identity = "stat"
    id_prefix: str = ""
    follow_links: bool = False
    retry_quarantined: bool = False
    flow_weights: str | None = None
    """Weights of the flow stream of a two-stream backbone."""
    min_coverage: float = MIN_COVERAGE
    """Minimum percentage of a video's clips; below it, the video is reported as short."""
    reading: ReadOptions = field(default_factory=ReadOptions)
    """Decoder settings of all videos."""
    limits: Limits = field(default_factory=Limits)


def features_uri(out: str) -> str:
    """Return the URI of the features data set for scores at ``out``."""
    return f"{out.rstrip('/')}/features"


def score_videos(
    options: ScoreOptions, source: VideoSource, console: Console | None = None
) -> ScoreSummary | ExtractSummary:
    """Extract the features that the checkpoint needs into ``features_uri(options.out)``, and score them.

    Args:
        options: options of scoring; ``features`` is ignored, pool and store are used for both steps.
        source: the videos.
        console: console for progress.

    Returns:
        The summary of scoring, which contains that of extraction. If there are no features to score, because nothing
        could be extracted or in a dry run, the summary of extraction.

    Raises:
        ConflictError: the checkpoint was trained with other weights; else as ``extract`` and ``score``.
    """
    checkpoint = load_checkpoint(options.checkpoint, options.store)
    features, weights = backbone_of(checkpoint, source.weights, options.store, flow_weights=source.flow_weights)
    where = features_uri(options.out)
    extraction = extract(
        ExtractOptions(
            videos=source.videos,
            out=where,
            features=features,
            weights=weights,
            pool=options.pool,
            store=options.store,
            identity=source.identity,
            id_prefix=source.id_prefix,
            follow_links=source.follow_links,
            address=options.address,
            use_ray=options.use_ray,
            max_quarantine=options.max_quarantine,
            min_coverage=source.min_coverage,
            reading=source.reading,
            limits=source.limits,
            retry_quarantined=source.retry_quarantined,
            dry_run=options.dry_run,
            verbose=options.verbose,
        ),
        console,
    )
    snapshot = latest_snapshot(open_store(where, options.store))
    if snapshot is None or not snapshot.objects:
        return extraction
    summary = score(replace(options, features=where), console)
    return replace(summary, extraction=json.loads(extraction.to_json()))
