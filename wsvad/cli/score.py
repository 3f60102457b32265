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

if TYPE_CHECKING:
    from wsvad.extraction.summary import ExtractSummary
    from wsvad.pipelines.score_videos import VideoSource
    from wsvad.scoring.job import ScoreOptions
    from wsvad.scoring.summary import ScoreSummary


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """Straight from video."""

    videos: Uri | None = None
    """file, folder, prefix, or manifest; instead of --features"""
    weights: WeightsName | None = None
    """the backbone's; not needed where they come with the package, or are an untrained network's"""
    flow_weights: WeightsName | None = None
    """likewise, of the second of two streams"""
    identity: Identity = "stat"
    """what tells videos apart, as for extract"""
    id_prefix: Annotated[str, Option(metavar="TEXT")] = ""
    """put before the ids of listed videos"""
    follow_links: Flag = False
    """also list links that lead out of the folder"""
    reading: Annotated[ReadingOptions, Option(name="*")] = field(default_factory=ReadingOptions)
    retry_quarantined: Flag = False
    """try again what earlier extractions set aside"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Features, or videos, and a checkpoint in; scores out."""

    features: Uri | None = None
    """root of a features data set, from extract"""
    checkpoint: Uri | None = None
    """folder of a checkpoint, from train"""
    out: Uri | None = None
    """root of the scores data set, local or s3://"""
    dry_run: Flag = False
    """check and plan; write nothing"""
    window: PositiveInt | None = None
    """clips that the model sees at once (default: 4096, of cuboids 1024); longer videos are scored in windows that
    overlap by half"""
    max_quarantine: Natural = 0
    """exit 0 with up to N quarantined, 3 with more"""
    video: Annotated[
        VideoOptions, group("straight from video (extracts into OUT/features first, as the checkpoint wants)")
    ] = field(default_factory=VideoOptions)
    cluster: OnCluster = field(default_factory=Cluster)
    store: Stored = field(default_factory=StoreOptions)


def options_from(options: Options) -> "ScoreOptions":
    """Resolve what was given.

    Raises:
        UsageError: options are missing, or exclude each other.
    """
    checkpoint, out = require(options, "checkpoint", "out")
    video, cluster = options.video, options.cluster
    if bool(options.features) == bool(video.videos):
        raise UsageError("give either --features or --videos")
    if options.features and (video.weights or video.flow_weights):
        raise UsageError("--weights and --flow-weights go with --videos; features are made already")
    from wsvad.scoring.job import ScoreOptions  # seconds, because of PyTorch

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
