"""``wsvad demo``: the complete workflow on rendered videos."""

from dataclasses import dataclass
from typing import Annotated

from wsvad.cli.options import Common
from wsvad.options import Option


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """Location of the results."""

    folder: Annotated[str, Option(metavar="DIR")] = "wsvad-demo"
    """folder for the results"""


def run(options: Options) -> int:
    """Run the demonstration, return the exit code."""
    from wsvad.demo.run import run_demo

    return run_demo(options.folder, json_only=options.json, verbose=options.verbose)
