"""``wsvad extract``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console

from wsvad.backbones.names import DEFAULT_BACKBONE, Backbone, Precision
from wsvad.cli.ending import finish
from wsvad.cli.options import (
    Cluster,
    Configured,
    DecoderOptions,
    OnCluster,
    ReadingOptions,
    Stored,
    WeightsName,
    require,
)
from wsvad.clips import ClipSpec, LastClip
from wsvad.errors import UsageError
from wsvad.manifest.names import Identity
from wsvad.options import Flag, Natural, Option, PositiveFloat, SmallInt, Uri, group
from wsvad.storage import StoreOptions
from wsvad.video.names import FlowMethod, GeometryKind

if TYPE_CHECKING:
    from wsvad.extraction.job import ExtractOptions
    from wsvad.extraction.summary import ExtractSummary


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """Options that determine the fingerprint of the data set."""

    backbone: Backbone = DEFAULT_BACKBONE
    """network; i3d-flow and i3d-two-stream use optical flow"""
    weights: WeightsName | None = None
    """embedded (part of the package; default of i3d-compact), a name from `wsvad weights list`, a file (.pt,
    .safetensors), or random[:SEED] for an untrained network"""
    flow_weights: WeightsName | None = None
    """weights of the flow stream of i3d-two-stream, in the same forms"""
    flow: FlowMethod | None = None
    """method of optical flow, for backbones that use it (default: tvl1; dis is faster)"""
    geometry: GeometryKind = "squash"
    """squash: whole frame scaled to 224x224; center: shorter side 256, centre crop 224; ten-crop: ten crops of that"""
    clip_length: SmallInt = ClipSpec.length
    """number of frames per clip"""
    clip_stride: SmallInt = ClipSpec.stride
    """number of frames between clip starts"""
    last_clip: LastClip = ClipSpec.last
    """handling of a partial last clip"""
    precision: Annotated[Literal["auto"] | Precision, Option(metavar="CHOICE")] = "auto"
    """arithmetic of the network; auto: that of the data set, otherwise bf16 if all nodes support it in hardware"""
    cuboids: bool = True
    """write 49 cuboids per clip (with ten-crop, each crop has its own grid)"""
    unit_s: Annotated[PositiveFloat, Option(metavar="S")] = 600.0
    """length of footage per unit of work, in seconds"""


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """Choice of videos, and how to read them."""

    identity: Identity = "stat"
    """how to detect changed content: by size and modification time or ETag, or by a digest of all bytes"""
    follow_links: Flag = False
    """follow links that lead out of the folder"""
    id_prefix: Annotated[str, Option(metavar="TEXT")] = ""
    """prefix for the ids of listed videos"""
    max_quarantine: Natural = 0
    """maximum number of quarantined, short or doubtful videos for exit code 0"""
    reading: Annotated[ReadingOptions, Option(name="*")] = field(default_factory=ReadingOptions)
    retry_quarantined: Flag = False
    """retry videos that earlier runs quarantined"""
    decoder: Annotated[DecoderOptions, Option(name="*")] = field(default_factory=DecoderOptions)


Features = Annotated[FeatureOptions, group("features (part of the data set's fingerprint)")]


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Extract features from videos."""

    videos: Uri | None = None
    """file, folder, prefix, or manifest (.csv, .parquet) of videos"""
    out: Uri | None = None
    """root of the features data set, local or s3://"""
    dry_run: Flag = False
    """list, index and plan, but write nothing"""
    features: Features = field(default_factory=FeatureOptions)
    video: Annotated[VideoOptions, group("videos")] = field(default_factory=VideoOptions)
    cluster: OnCluster = field(default_factory=Cluster)
    store: Stored = field(default_factory=StoreOptions)


def options_from(options: Options) -> "ExtractOptions":
    """Resolve the options; loads the weights."""
    videos, out = require(options, "videos", "out")
    from wsvad.extraction.job import ExtractOptions  # imported here: PyTorch takes seconds
    from wsvad.extraction.precision import resolve_precision
    from wsvad.features.config import FeatureConfig
    from wsvad.weights.resolve import resolve_backbone

    asked, video, cluster = options.features, options.video, options.cluster
    flow = _flow(asked)
    weights = resolve_backbone(asked.backbone, asked.weights, asked.flow_weights, options.store)
    features = FeatureConfig(
        weights=weights.weights.identity,
        backbone=asked.backbone,
        geometry=asked.geometry,
        clips=ClipSpec(asked.clip_length, asked.clip_stride, asked.last_clip),
        precision=resolve_precision(
            asked.precision,
            out,
            options.store,
            cluster.pool,
            cluster.address,
            use_ray=cluster.ray,
            verbose=options.verbose,
        ),
        cuboids=asked.cuboids,
        unit_s=asked.unit_s,
        flow_weights=weights.flow_weights.identity if weights.flow_weights else None,
        flow=flow,
    )
    return ExtractOptions(
        videos=videos,
        out=out,
        features=features,
        weights=weights,
        pool=cluster.pool,
        store=options.store,
        limits=video.decoder.limits,
        identity=video.identity,
        id_prefix=video.id_prefix,
        follow_links=video.follow_links,
        address=cluster.address,
        use_ray=cluster.ray,
        queue_clips=video.decoder.queue_clips,
        max_quarantine=video.max_quarantine,
        min_coverage=video.reading.min_coverage,
        reading=video.reading.reading,
        retry_quarantined=video.retry_quarantined,
        dry_run=options.dry_run,
        verbose=options.verbose,
    )


def _flow(asked: FeatureOptions) -> FlowMethod | None:
    """Return the method of optical flow after checking that this machine supports it."""
    from wsvad.backbones.registry import backbone_spec
    from wsvad.video import require_flow

    if not backbone_spec(asked.backbone).uses_flow:
        if asked.flow:
            raise UsageError(
                f"--flow requires i3d-flow or i3d-two-stream; backbone {asked.backbone} does not use optical flow"
            )
        return None
    flow: FlowMethod = asked.flow or "tvl1"
    require_flow(flow)
    return flow


def perform(options: Options, console: Console) -> "ExtractSummary":
    """Extract and return the summary; progress goes to ``console``."""
    asked = options_from(options)
    from wsvad.extraction.job import extract

    return extract(asked, console)


def run(options: Options) -> int:
    """Extract, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
