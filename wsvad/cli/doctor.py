"""``wsvad doctor``."""

import sys
from dataclasses import dataclass, field
from typing import Annotated

from wsvad.cli.options import Common, Stored
from wsvad.options import Option, Uri
from wsvad.storage import StoreOptions


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """What is checked besides this machine."""

    out: Uri | None = None
    """where results would go: writable? create-only honoured?"""
    videos: Uri | None = None
    """where videos would come from: readable?"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """of a Ray cluster; or RAY_ADDRESS"""
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Check, show the report, return the exit code."""
    from wsvad import doctor  # imports what it asks the versions of

    report = doctor.run(options.out, options.store, options.address, videos_uri=options.videos)
    text = doctor.to_json(report) if options.json else doctor.render(report, color=sys.stdout.isatty())
    sys.stdout.write(text.rstrip("\n") + "\n")
    return report.exit_code
