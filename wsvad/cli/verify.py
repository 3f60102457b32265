"""``wsvad verify``."""

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.options import Common, Stored, require
from wsvad.dataset.defaults import DEFAULT_GRACE_HOURS
from wsvad.loop.keys import SWEEP, TRIALS
from wsvad.manifest.names import Identity
from wsvad.nightly.places import CURRENT
from wsvad.options import Flag, Option, PositiveFloat, Uri
from wsvad.storage import Store, StoreOptions, open_store

if TYPE_CHECKING:
    from wsvad.manifest.listing import Listing
    from wsvad.nightly.verifying import NightReport
    from wsvad.verification.data_set_report import VerifyReport
    from wsvad.verification.run import RunReport
    from wsvad.verification.sweep import SweepReport


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """What is to be verified, and how much is done about it."""

    out: Uri | None = None
    """root of the data set, or of a training run, a sweep, a checkpoint, or a nightly job"""
    videos: Uri | None = None
    """also check that all of these videos are in it"""
    id_prefix: Annotated[str, Option(metavar="TEXT")] = ""
    """as given to extract"""
    follow_links: Flag = False
    """as given to extract"""
    identity: Identity = "stat"
    """as given to extract"""
    quick: Flag = False
    """only presence and size of objects; read none"""
    repair: Flag = False
    """mend what can be mended; remove damaged objects, so that they are made again"""
    collect: Flag = False
    """if all is well, delete objects and snapshots that nobody needs any more"""
    grace_hours: Annotated[PositiveFloat, Option(metavar="H")] = DEFAULT_GRACE_HOURS
    """--collect keeps what was written, or named by the newest snapshot, within so many hours (at least 24)"""
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Verify, show the report, return the exit code."""
    (uri,) = require(options, "out")
    from wsvad.loop.claim import is_run

    listing = _listing(options, uri) if options.videos else None
    out = open_store(uri, options.store)
    if options.repair or options.collect:
        out.probe()  # what cannot be written is found before everything is read
    report: VerifyReport | RunReport | SweepReport | NightReport
    if any(True for _ in out.list(CURRENT)):
        from wsvad.nightly.verifying import verify_nights  # brings torch with it

        report = verify_nights(out, lambda data_set: _verify(options, data_set, None))
    elif any(True for _ in out.list(SWEEP)) or any(True for _ in out.list(TRIALS)):
        from wsvad.verification.sweep import verify_sweep  # brings torch with it

        report = verify_sweep(out, repair=options.repair)
    elif is_run(out):
        from wsvad.verification.run import verify_run  # brings torch with it

        report = verify_run(out, repair=options.repair)
    else:
        report = _verify(options, out, listing)
    if options.json:
        sys.stdout.write(report.to_json() + "\n")
    else:
        report.show(Console())
    return report.exit_code


def _listing(options: Options, out: str) -> "Listing":
    from wsvad.dataset import layout
    from wsvad.manifest.listing import list_videos

    return list_videos(
        options.videos or "",
        identity=options.identity,
        id_prefix=options.id_prefix,
        options=replace(options.store, follow_links=options.follow_links),
        ours=layout.uris(open_store(out, options.store).uri),
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
