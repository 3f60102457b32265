"""``wsvad verify``."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

from wsvad.cli.ending import finish
from wsvad.cli.options import Common, Stored, require
from wsvad.dataset.defaults import DEFAULT_GRACE_HOURS
from wsvad.loop.keys import SWEEP, TRIALS
from wsvad.manifest.names import Identity
from wsvad.nightly.layout import CURRENT
from wsvad.options import Flag, Option, PositiveFloat, Uri
from wsvad.storage import Store, StoreOptions, open_store

if TYPE_CHECKING:
    from wsvad.manifest.listing import Listing
    from wsvad.nightly.verification import NightReport
    from wsvad.verification.data_set_report import VerifyReport
    from wsvad.verification.run import RunReport
    from wsvad.verification.sweep import SweepReport


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """What to verify, and what to repair."""

    out: Uri | None = None
    """root of a data set, training run, sweep, checkpoint, or nightly job"""
    videos: Uri | None = None
    """videos that must be in the data set"""
    id_prefix: Annotated[str, Option(metavar="TEXT")] = ""
    """prefix given to extract"""
    follow_links: Flag = False
    """as given to extract"""
    identity: Identity = "stat"
    """as given to extract"""
    quick: Flag = False
    """check only presence and size of objects, without reading them"""
    repair: Flag = False
    """repair what can be repaired; remove damaged objects, so that they are created again"""
    collect: Flag = False
    """delete unreferenced objects and old snapshots, if the data set is intact"""
    grace_hours: Annotated[PositiveFloat, Option(metavar="H")] = DEFAULT_GRACE_HOURS
    """age in hours below which --collect keeps objects, at least 24; counted from when they were written or last named
    by
    a snapshot"""
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Verify, show the report, return the exit code."""
    (uri,) = require(options, "out")
    from wsvad.loop.claim import is_run

    listing = _listing(options, uri) if options.videos else None
    out = open_store(uri, options.store)
    if options.repair or options.collect:
        out.probe()  # fails early if the store is not writable
    report: VerifyReport | RunReport | SweepReport | NightReport
    if any(True for _ in out.list(CURRENT)):
        from wsvad.nightly.verification import verify_nights  # imported here: it loads PyTorch

        report = verify_nights(out, lambda data_set: _verify(options, data_set, None))
    elif any(True for _ in out.list(SWEEP)) or any(True for _ in out.list(TRIALS)):
        from wsvad.verification.sweep import verify_sweep  # imported here: it loads PyTorch

        report = verify_sweep(out, repair=options.repair)
    elif is_run(out):
        from wsvad.verification.run import verify_run  # imported here: it loads PyTorch

        report = verify_run(out, repair=options.repair)
    else:
        report = _verify(options, out, listing)
    return finish(report, options)


def _listing(options: Options, out: str) -> "Listing":
    from wsvad.dataset import layout
    from wsvad.manifest.listing import list_videos

    return list_videos(
        options.videos or "",
        identity=options.identity,
        id_prefix=options.id_prefix,
        options=replace(options.store, follow_links=options.follow_links),
        output_prefixes=layout.uris(open_store(out, options.store).uri),
    )


def _verify(options: Options, out: Store, listing: "Listing | None") -> "VerifyReport":
    from wsvad.events.config import EventsConfig
    from wsvad.events.table import summarize_events
    from wsvad.features.config import FeatureConfig
    from wsvad.features.encoding import decode_unit
    from wsvad.scores.config import ScoreConfig
    from wsvad.scores.table import summarize_scores
    from wsvad.verification.data_set import verify

    return verify(
        out,
        decoders={
            FeatureConfig.kind: decode_unit,
            ScoreConfig.kind: summarize_scores,
            EventsConfig.kind: summarize_events,
        },
        deep=not options.quick,
        listing=listing,
        repair=options.repair,
        collect_after_hours=options.grace_hours if options.collect else None,
    )
