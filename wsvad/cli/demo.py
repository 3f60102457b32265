"""``wsvad demo``: the whole story on videos that it renders itself."""

from dataclasses import dataclass
from typing import Annotated

from wsvad.cli.options import Common
from wsvad.options import Option


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """Where it goes."""

    folder: Annotated[str, Option(metavar="DIR")] = "wsvad-demo"
    """where everything goes"""


def run(options: Options) -> int:
    """Run it, return the exit code."""
    from wsvad.demo.run import run_demo

    return run_demo(options.folder, json_only=options.json, verbose=options.verbose)
