"""``wsvad ablate``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console

from wsvad.cli.compare import RunsOptions
from wsvad.cli.ending import finish
from wsvad.cli.options import require
from wsvad.errors import UsageError
from wsvad.options import Natural, Option, SmallInt

if TYPE_CHECKING:
    from wsvad.experiments.ablation import AblationSummary

Family = Literal["ltgs", "st_mil", "st_ltgs"]


@dataclass(frozen=True, kw_only=True)
class Options(RunsOptions):
    """A base, rows that differ from it in one factor, and which of them are worse."""

    family: Family | None = None
    """rows by name: ltgs (modules, decay, heads, loss, labels), st_mil (bag, pooling, region weight), st_ltgs (ours)"""
    rows: Annotated[str | None, Option(metavar="FILE")] = None
    """TOML file of rows, in place of --family; the first is the base"""
    seeds: SmallInt = 10
    """runs of each row, the same seeds for all"""
    metric: Annotated[str, Option(metavar="NAME")] = "frame_auc"
    """figure that rows are tested on, by its name in report.json"""
    resamples: Natural = 1000
    """of seeds and videos, for intervals and P(worse); 0: none"""


def perform(options: Options, console: Console) -> "AblationSummary":
    """Ablate and return the summary; progress goes to ``console``."""
    require(options, "features", "manifest", "out")
    if (options.family is None) == (options.rows is None):
        raise UsageError("give either --family or --rows")
    from wsvad.experiments.ablation import AblationOptions, ablate  # seconds, because of PyTorch
    from wsvad.experiments.families import FAMILIES
    from wsvad.experiments.rows import read_rows

    family = FAMILIES[options.family] if options.family else None
    rows = (family.base, *family.rows) if family else read_rows(str(options.rows), options.store)
    return ablate(
        AblationOptions(
            options.comparison(rows, options.seeds),
            options.metric,
            options.resamples,
            family.published if family else {},
            f"Ablation of {family.about}" if family else f"Ablation: {rows[0].name} and what differs from it",
        )
    )


def run(options: Options) -> int:
    """Ablate, show the tables, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
