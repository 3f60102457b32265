"""Scoring straight from video: extract into ``<out>/features``, then score that. Both halves resume where they were."""

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
from wsvad.video import ReadOptions


@dataclass(frozen=True)
class VideoSource:
    """Which videos to score, and how to find them."""

    videos: str
    """File, folder, prefix, or manifest (``.csv``, ``.parquet``)."""
    weights: str | None = None
    """The backbone's weights; ``None`` where the checkpoint names the embedded ones or an untrained network."""
    identity: Identity = "stat"
    id_prefix: str = ""
    follow_links: bool = False
    retry_quarantined: bool = False
    flow_weights: str | None = None
    """Of the second of two streams."""
    min_coverage: float = MIN_COVERAGE
    """Percent of a video's clips below which it counts as short."""
    reading: ReadOptions = field(default_factory=ReadOptions)
    """How all videos are to be read."""


def features_uri(out: str) -> str:
    """Where the features of scores at ``out`` go."""
    return f"{out.rstrip('/')}/features"


def score_videos(
    options: ScoreOptions, source: VideoSource, console: Console | None = None
) -> ScoreSummary | ExtractSummary:
    """Extract the videos' features as the checkpoint wants them into ``features_uri(options.out)``, and score them.

    Args:
        options: of the scoring; ``features`` is not looked at, pool and store serve both halves.
        source: the videos.
        console: where progress is drawn.

    Returns:
        The summary of the scoring, with that of the extraction in it; where nothing could be extracted, or a dry run
        finds nothing extracted yet, the summary of the extraction.

    Raises:
        ConflictError: the weights are not those of the checkpoint; else as ``extract`` and ``score``.
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
