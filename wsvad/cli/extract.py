"""``wsvad extract``."""

from __future__ import annotations

import argparse
import sys
from typing import get_args

from rich.console import Console

from wsvad.backbones.choose import BACKBONES, DEFAULT_BACKBONE, backbone_spec
from wsvad.backbones.extractor import Precision
from wsvad.cli.options import (
    add_store_options,
    natural,
    positive_float,
    positive_int,
    require,
    size_bytes,
    small_int,
    store_options,
)
from wsvad.cli.pool import add_cluster_options, pool_options
from wsvad.cli.reading import add_reading_options, reading_options
from wsvad.clips import ClipSpec, LastClip
from wsvad.errors import UsageError
from wsvad.extract.job import ExtractOptions, extract
from wsvad.extract.precision import resolve_precision
from wsvad.features.config import FeatureConfig
from wsvad.manifest.listing import Identity
from wsvad.video import FlowMethod, Limits, require_flow
from wsvad.video.geometry import GeometryKind
from wsvad.weights.resolve import resolve_backbone


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--videos", metavar="URI", help="file, folder, prefix, or manifest (.csv, .parquet)")
    parser.add_argument("--out", metavar="URI", help="root of the features data set, local or s3://")
    parser.add_argument("--config", metavar="FILE", help="TOML file of these options; the command line wins over it")
    parser.add_argument("--dry-run", action="store_true", help="list, index and plan; write nothing")
    _add_feature_options(parser)
    _add_video_options(parser)
    add_cluster_options(parser)
    add_store_options(parser)


def _add_feature_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("features (these make the fingerprint of the data set)")
    group.add_argument(
        "--backbone",
        choices=tuple(BACKBONES),
        default=DEFAULT_BACKBONE,
        help="the network; i3d-flow and i3d-two-stream look at optical flow",
    )
    group.add_argument(
        "--weights",
        metavar="NAME|FILE|URI",
        help="embedded (comes with the package; the default of i3d-compact), a name of `wsvad weights list`, a file "
        "(.pt, .safetensors), or random[:SEED] for an untrained network",
    )
    group.add_argument(
        "--flow-weights", metavar="NAME|FILE|URI", help="the same, for the flow stream of i3d-two-stream"
    )
    group.add_argument(
        "--flow",
        choices=get_args(FlowMethod),
        help="how optical flow is computed, for the backbones that look at it (default: tvl1; dis is faster)",
    )
    group.add_argument(
        "--geometry",
        choices=get_args(GeometryKind),
        default="squash",
        help="squash: the whole frame to 224x224; center: shorter side 256, middle 224; ten-crop: ten crops of that",
    )
    group.add_argument("--clip-length", type=small_int, default=16, metavar="N", help="frames in a clip")
    group.add_argument("--clip-stride", type=small_int, default=16, metavar="N", help="frames between clip starts")
    group.add_argument("--last-clip", choices=get_args(LastClip), default="pad", help="a partial last clip")
    group.add_argument(
        "--precision",
        choices=("auto", *get_args(Precision)),
        default="auto",
        help="arithmetic of the network; auto: what the data set has, else bf16 where all nodes have it in hardware",
    )
    group.add_argument(
        "--cuboids",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write the 49 cuboids a clip (with ten-crop each crop has its own grid)",
    )
    group.add_argument(
        "--unit-s", type=positive_float, default=600.0, metavar="S", help="seconds of footage in a unit of work"
    )


def _add_video_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("videos")
    group.add_argument(
        "--identity",
        choices=get_args(Identity),
        default="stat",
        help="what tells that content changed: size and time or ETag, or a digest of every byte",
    )
    group.add_argument(
        "--follow-links", action="store_true", help="also list what links in the folder lead to outside of it"
    )
    group.add_argument("--id-prefix", default="", metavar="TEXT", help="put before the ids of listed videos")
    group.add_argument(
        "--max-quarantine",
        type=natural,
        default=0,
        metavar="N",
        help="exit 0 with up to N quarantined, short or doubtful",
    )
    add_reading_options(group)
    group.add_argument("--retry-quarantined", action="store_true", help="try again what earlier runs set aside")
    limits = Limits()
    group.add_argument(
        "--max-pixels", type=positive_int, default=limits.max_pixels, metavar="N", help="largest frame, width x height"
    )
    group.add_argument(
        "--decoder-memory", type=size_bytes, default=limits.address_space, metavar="BYTES", help="of one decoder"
    )
    group.add_argument(
        "--decoder-stall-s",
        type=positive_float,
        default=limits.stall_s,
        metavar="S",
        help="a decoder silent for this long hangs",
    )
    group.add_argument("--queue-clips", type=small_int, default=4, metavar="N", help="decoded clips that may wait")


def options_from(args: argparse.Namespace) -> ExtractOptions:
    """Resolve parsed arguments; loads the weights."""
    require(args, "videos", "out")
    store, flow = store_options(args), _flow(args)
    weights = resolve_backbone(args.backbone, args.weights, args.flow_weights, store)
    pool = pool_options(args)
    features = FeatureConfig(
        weights=weights.weights.identity,
        backbone=args.backbone,
        geometry=args.geometry,
        clips=ClipSpec(args.clip_length, args.clip_stride, args.last_clip),
        precision=resolve_precision(
            args.precision, args.out, store, pool, args.address, use_ray=args.ray, verbose=args.verbose
        ),
        cuboids=args.cuboids,
        unit_s=args.unit_s,
        flow_weights=weights.flow_weights.identity if weights.flow_weights else None,
        flow=flow,
    )
    return ExtractOptions(
        videos=args.videos,
        out=args.out,
        features=features,
        weights=weights,
        pool=pool,
        store=store,
        limits=Limits(max_pixels=args.max_pixels, address_space=args.decoder_memory, stall_s=args.decoder_stall_s),
        identity=args.identity,
        id_prefix=args.id_prefix,
        follow_links=args.follow_links,
        address=args.address,
        use_ray=args.ray,
        queue_clips=args.queue_clips,
        max_quarantine=args.max_quarantine,
        min_coverage=args.min_coverage,
        reading=reading_options(args),
        retry_quarantined=args.retry_quarantined,
        dry_run=args.dry_run,
        verbose=args.verbose,
    )


def _flow(args: argparse.Namespace) -> FlowMethod | None:
    """Return how optical flow is computed, and find out first whether this machine can."""
    if not backbone_spec(args.backbone).uses_flow:
        if args.flow:
            raise UsageError(f"--flow goes with i3d-flow and i3d-two-stream; backbone {args.backbone} looks at none")
        return None
    flow: FlowMethod = args.flow or "tvl1"
    require_flow(flow)
    return flow


def run(args: argparse.Namespace) -> int:
    """Extract, show the summary, return the exit code."""
    summary = extract(options_from(args), Console(stderr=True))
    if args.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
