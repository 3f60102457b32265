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
    """A base, and rows that each change one factor of it; tests which of them are worse."""

    family: Family | None = None
    """built-in rows: ltgs (modules, decay, heads, loss, labels), st_mil (bag, pooling, region weight), st_ltgs
    (ours)"""
    rows: Annotated[str | None, Option(metavar="FILE")] = None
    """TOML file of rows, instead of --family; the first row is the base"""
    seeds: SmallInt = 10
    """number of runs per row, with the same seeds for all rows"""
    metric: Annotated[str, Option(metavar="NAME")] = "frame_auc"
    """metric for the tests, by its name in report.json"""
    resamples: Natural = 1000
    """number of resamples of seeds and videos, for intervals and P(worse); 0: none"""


def perform(options: Options, console: Console) -> "AblationSummary":
    """Run the ablation and return the summary; progress goes to ``console``."""
    require(options, "features", "manifest", "out")
    if (options.family is None) == (options.rows is None):
        raise UsageError("give either --family or --rows")
    from wsvad.experiments.ablation import AblationOptions, ablate  # imported here: PyTorch takes seconds
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
            f"Ablation of {family.about}" if family else f"Ablation: variations of {rows[0].name}",
        )
    )


def run(options: Options) -> int:
    """Ablate, show the tables, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
