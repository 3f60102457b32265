"""``wsvad pretrain``."""

import importlib.util
import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Annotated

from rich.console import Console

from wsvad.cli.options import Configured, Stored, require
from wsvad.errors import UsageError
from wsvad.options import Flag, Natural, NaturalFloat, Option, SmallInt, Uri, group
from wsvad.pretraining.config import PretrainConfig
from wsvad.storage import StoreOptions


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Where it runs."""

    no_ray: Flag = False
    """train in this process"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """of a Ray cluster; or RAY_ADDRESS; neither: a local Ray"""
    workers: SmallInt = 1
    """that share every batch"""
    renderers: SmallInt = 1
    """processes of each that render"""
    threads: SmallInt = 1
    """of each worker's arithmetic"""
    gpus_per_worker: NaturalFloat | None = None
    """GPUs of each (default: 1 where there are any)"""
    max_failures: Natural = 3
    """lost workers to replace"""


Recipe = Annotated[PretrainConfig, group("recipe (the defaults are that of the embedded weights)")]


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """A recipe in, weights out."""

    out: Uri | None = None
    """folder of the run, one that all workers reach, or s3://"""
    clips: Annotated[str | None, Option(metavar="FOLDER")] = None
    """of rendered clips on every node (default: OUT/clips)"""
    recipe: Recipe = field(default_factory=PretrainConfig)
    place: Annotated[PlaceOptions, group("where it runs", last=True)] = field(default_factory=PlaceOptions)
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Train, and say what came of it."""
    (out,) = require(options, "out")
    if importlib.util.find_spec("cv2") is None:
        raise UsageError("rendering needs OpenCV: pip install 'wsvad[flow]'")
    from wsvad.pretraining.job import PretrainOptions, pretrain  # which cannot be imported without it

    place = options.place
    exported = pretrain(
        PretrainOptions(
            out=out,
            config=options.recipe,
            clips=options.clips,
            workers=place.workers,
            renderers=place.renderers,
            threads=place.threads,
            gpus_per_worker=place.gpus_per_worker,
            max_failures=place.max_failures,
            address=place.address,
            use_ray=not place.no_ray,
            store=options.store,
            verbose=options.verbose,
        ),
        Console(stderr=True),
    )
    if options.json:
        sys.stdout.write(json.dumps(asdict(exported)) + "\n")
    else:
        Console().print(f"{exported.steps} steps, validation loss {exported.loss:.4f}: {exported.weights}")
    return 0
