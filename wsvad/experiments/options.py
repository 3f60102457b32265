"""What is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from wsvad.errors import UsageError
from wsvad.models.choose import MODELS
from wsvad.models.presets import PRESETS
from wsvad.storage import StoreOptions
from wsvad.suggest import did_you_mean


class Variant(NamedTuple):
    """A model in one of its presets."""

    model: str
    preset: str

    @property
    def name(self) -> str:
        """``model``, or ``model:preset`` where the preset is not the paper's."""
        return self.model if self.preset == "paper" else f"{self.model}:{self.preset}"


def parse_variants(text: str) -> tuple[Variant, ...]:
    """Read ``ltgs,ltgs:no_decay,st_mil``; ``all`` is every model as its paper has it.

    Raises:
        UsageError: no such model or preset, one named twice, or none at all.
    """
    if text.strip() == "all":
        return tuple(Variant(model, "paper") for model in MODELS)
    found: list[Variant] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        model, _, preset = word.partition(":")
        if model not in MODELS:
            raise UsageError(
                f"model must be one of {', '.join(MODELS)}, or all; got {model!r}{did_you_mean(model, MODELS)}"
            )
        if (preset or "paper") not in PRESETS[model]:
            meant = did_you_mean(preset, PRESETS[model])
            raise UsageError(f"model {model} has the presets {', '.join(PRESETS[model])}; got {preset!r}{meant}")
        variant = Variant(model, preset or "paper")
        if variant in found:
            raise UsageError(f"{variant.name} is named twice")
        found.append(variant)
    if not found:
        raise UsageError("no model is named; give e.g. ltgs,st_mil or all")
    return tuple(found)


@dataclass(frozen=True)
class CompareOptions:
    """What to train, score and evaluate; ``wsvad compare --help`` explains the same options."""

    features: str
    """Root of a features data set."""
    manifest: str
    """Labels, splits and truth."""
    out: str
    """Folder that holds the table and every run."""
    variants: tuple[Variant, ...]
    seeds: int = 5
    """Runs of each variant, with the seeds 0, 1, …; at least 1."""
    training: dict[str, Any] = field(default_factory=dict)
    """Options of ``TrainConfig`` for all variants, over their recipes."""
    overrides: Sequence[str] = ()
    """Settings of the models as ``key=value``, over those of every preset; each variant must have them."""
    split: Literal["test", "val"] = "test"
    """Which split the figures are of."""
    allow_missing: bool = False
    use_ray: bool = True
    """Whether runs are tasks on Ray, side by side, or follow each other in this process."""
    address: str | None = None
    """Of a Ray cluster; ``None``: ``RAY_ADDRESS``, else a local Ray."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False
    """Check everything; train and write nothing."""
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UsageError(f"seeds must be at least 1, got {self.seeds}")
        if "seed" in self.training:
            raise UsageError("the seeds of a comparison are 0, 1, …; seed cannot be an option of its training")

    def trials(self) -> Sequence[Trial]:
        """Return every run, seed by seed, so that a stopped comparison has all variants at some seeds."""
        return [Trial(variant, seed) for seed in range(self.seeds) for variant in self.variants]

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values; they hold no secret."""
        return {**asdict(self), "variants": [v.name for v in self.variants], "overrides": list(self.overrides)}


class Trial(NamedTuple):
    """One run: a variant with a seed."""

    variant: Variant
    seed: int

    @property
    def folder(self) -> str:
        """Where it lies below the comparison's root."""
        return f"runs/{self.variant.model}-{self.variant.preset}/seed-{self.seed}"
