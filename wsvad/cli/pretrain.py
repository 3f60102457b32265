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
    """Execution of the training."""

    no_ray: Flag = False
    """train in this process, without Ray"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """address of a Ray cluster (default: RAY_ADDRESS, or a local Ray)"""
    workers: SmallInt = 1
    """number of workers, which share every batch"""
    renderers: SmallInt = 1
    """number of rendering processes per worker"""
    threads: SmallInt = 1
    """number of CPU threads per worker for training"""
    gpus_per_worker: NaturalFloat | None = None
    """GPUs per worker (default: 1 if available)"""
    max_failures: Natural = 3
    """maximum number of retries after lost workers"""


Recipe = Annotated[PretrainConfig, group("recipe (defaults: the recipe of the embedded weights)")]


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Train the embedded backbone."""

    out: Uri | None = None
    """folder of the run, shared by all workers, or s3://"""
    clips: Annotated[str | None, Option(metavar="FOLDER")] = None
    """folder for rendered clips on every node (default: OUT/clips)"""
    recipe: Recipe = field(default_factory=PretrainConfig)
    place: Annotated[PlaceOptions, group("execution", last=True)] = field(default_factory=PlaceOptions)
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Train, show the result, return the exit code."""
    (out,) = require(options, "out")
    if importlib.util.find_spec("cv2") is None:
        raise UsageError("rendering requires OpenCV: pip install 'wsvad[flow]'")
    from wsvad.pretraining.job import PretrainOptions, pretrain  # imported here: it requires OpenCV

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
