"""``wsvad doctor``."""

import sys
from dataclasses import dataclass, field
from typing import Annotated

from wsvad.cli.options import Common, Stored
from wsvad.options import Option, Uri
from wsvad.storage import StoreOptions


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """What to check in addition to this machine."""

    out: Uri | None = None
    """folder for results; checks that it is writable and supports create-only writes"""
    videos: Uri | None = None
    """folder of videos; checks that it is readable"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """address of a Ray cluster (default: RAY_ADDRESS)"""
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Run the checks, show the report, return the exit code."""
    from wsvad import doctor  # imports the libraries whose versions it reports

    report = doctor.run(options.out, options.store, options.address, videos_uri=options.videos)
    text = doctor.to_json(report) if options.json else doctor.render(report, color=sys.stdout.isatty())
    sys.stdout.write(text.rstrip("\n") + "\n")
    return report.exit_code
