"""``wsvad score``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Cluster, Configured, OnCluster, ReadingOptions, Stored, WeightsName, require
from wsvad.errors import UsageError
from wsvad.manifest.names import Identity
from wsvad.options import Flag, Natural, Option, PositiveInt, Uri, group
from wsvad.storage import StoreOptions
from wsvad.video.contract import Limits

if TYPE_CHECKING:
    from wsvad.extraction.summary import ExtractSummary
    from wsvad.pipelines.score_videos import VideoSource
    from wsvad.scoring.job import ScoreOptions
    from wsvad.scoring.summary import ScoreSummary


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """Scoring of videos without existing features."""

    videos: Uri | None = None
    """file, folder, prefix, or manifest of videos; instead of --features"""
    weights: WeightsName | None = None
    """weights of the backbone; not needed if they are part of the package, or for an untrained network"""
    flow_weights: WeightsName | None = None
    """weights of the flow stream of a two-stream backbone"""
    identity: Identity = "stat"
    """how to detect changed content, as for extract"""
    id_prefix: Annotated[str, Option(metavar="TEXT")] = ""
    """prefix for the ids of listed videos"""
    follow_links: Flag = False
    """follow links that lead out of the folder"""
    reading: Annotated[ReadingOptions, Option(name="*")] = field(default_factory=ReadingOptions)
    retry_quarantined: Flag = False
    """retry videos that earlier extractions quarantined"""
    require_sandbox: Flag = False
    """fail with exit code 2 if the decoder's process cannot be confined here (`wsvad doctor` says what this machine
    offers)"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Score features or videos with a checkpoint."""

    features: Uri | None = None
    """root of a features data set, from extract"""
    checkpoint: Uri | None = None
    """checkpoint folder, from train"""
    out: Uri | None = None
    """root of the scores data set, local or s3://"""
    dry_run: Flag = False
    """check and plan, but write nothing"""
    window: PositiveInt | None = None
    """maximum number of clips per forward pass (default: 4096, or 1024 with cuboids); longer videos are scored in
    windows
    that overlap by half"""
    max_quarantine: Natural = 0
    """maximum number of quarantined videos for exit code 0; otherwise 3"""
    video: Annotated[
        VideoOptions, group("scoring of videos (extracts into OUT/features with the backbone of the checkpoint)")
    ] = field(default_factory=VideoOptions)
    cluster: OnCluster = field(default_factory=Cluster)
    store: Stored = field(default_factory=StoreOptions)


def options_from(options: Options) -> "ScoreOptions":
    """Resolve the options.

    Raises:
        UsageError: options are missing or cannot be combined.
    """
    checkpoint, out = require(options, "checkpoint", "out")
    video, cluster = options.video, options.cluster
    if bool(options.features) == bool(video.videos):
        raise UsageError("give either --features or --videos")
    if options.features and (video.weights or video.flow_weights):
        raise UsageError("--weights and --flow-weights require --videos; features already exist otherwise")
    from wsvad.scoring.job import ScoreOptions  # imported here: PyTorch takes seconds

    return ScoreOptions(
        features=options.features or "",
        checkpoint=checkpoint,
        out=out,
        window=options.window,
        pool=cluster.pool,
        store=options.store,
        address=cluster.address,
        use_ray=cluster.ray,
        max_quarantine=options.max_quarantine,
        dry_run=options.dry_run,
        verbose=options.verbose,
    )


def _source(videos: str, video: VideoOptions) -> "VideoSource":
    from wsvad.pipelines.score_videos import VideoSource

    return VideoSource(
        videos=videos,
        weights=video.weights,
        flow_weights=video.flow_weights,
        identity=video.identity,
        id_prefix=video.id_prefix,
        follow_links=video.follow_links,
        retry_quarantined=video.retry_quarantined,
        min_coverage=video.reading.min_coverage,
        reading=video.reading.reading,
        limits=Limits(require_sandbox=video.require_sandbox),
    )


def perform(options: Options, console: Console) -> "ScoreSummary | ExtractSummary":
    """Score and return the summary; progress goes to ``console``."""
    asked = options_from(options)
    if options.video.videos:
        from wsvad.pipelines.score_videos import score_videos

        return score_videos(asked, _source(options.video.videos, options.video), console)
    from wsvad.scoring.job import score

    return score(asked, console)


def run(options: Options) -> int:
    """Score, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
