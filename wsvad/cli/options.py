"""Option groups shared by several commands, and options of every command."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from wsvad.errors import UsageError
from wsvad.features.defaults import MIN_COVERAGE
from wsvad.options import (
    HIDDEN,
    Flag,
    Natural,
    NaturalFloat,
    Option,
    PositiveFloat,
    PositiveInt,
    Size,
    SmallInt,
    group,
)
from wsvad.storage import StoreOptions
from wsvad.video.contract import Limits, ReadOptions
from wsvad.work.pool import PoolOptions

_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Common:
    """Options of every command."""

    json: Flag = False
    """print the final summary as JSON on standard output"""
    verbose: Flag = False
    """log more, including messages of Ray"""
    given: Annotated[frozenset[str], HIDDEN] = frozenset()
    """Names of the options, without dashes, set by the command line or the option file."""


@dataclass(frozen=True, kw_only=True)
class Configured(Common):
    """Options of commands that support an option file."""

    config: Annotated[str | None, Option(metavar="FILE")] = None
    """TOML file with options; the command line takes precedence"""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Execution of units of work."""

    ray: Annotated[bool | None, Option(n_tokens=0)] = None
    """run on Ray; --no-ray: run units sequentially in this process, where a crash (such as out of memory) ends the run.
    Default: in this process if there is little work and neither a cluster nor workers are requested"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """address of a Ray cluster (default: RAY_ADDRESS, or a local Ray)"""
    pool: Annotated[PoolOptions, Option(name="*")] = field(default_factory=PoolOptions)


WeightsName = Annotated[str, Option(metavar="NAME|FILE|URI")]
OnCluster = Annotated[Cluster, group("cluster (defaults depend on available resources)", last=True)]
Stored = Annotated[
    StoreOptions, group("object storage (credentials: standard AWS environment variables of every node)", last=True)
]
"""Options of object storage; credentials are read from the standard AWS environment, never from options."""


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """Choice of the video stream, default frame rate, and minimum coverage."""

    stream: Natural | None = None
    """index of the video stream, from 0 (default: the stream with the footage); also a manifest column"""
    frame_rate: Annotated[PositiveFloat | None, Option(metavar="FPS")] = None
    """frame rate of videos without timestamps, such as elementary streams; also a manifest column"""
    min_coverage: Annotated[NaturalFloat, Option(metavar="PERCENT")] = MIN_COVERAGE
    """minimum percentage of a video's clips; a video with fewer counts as quarantined"""

    @property
    def reading(self) -> ReadOptions:
        """How to read videos."""
        return ReadOptions(self.stream, self.frame_rate)


@dataclass(frozen=True, kw_only=True)
class DecoderOptions:
    """Limits and sandbox of a decoder."""

    max_pixels: PositiveInt = _LIMITS.max_pixels
    """maximum frame size, width x height, in pixels"""
    decoder_memory: Size = _LIMITS.address_space
    """memory limit of a decoder"""
    decoder_stall_s: Annotated[PositiveFloat, Option(metavar="S")] = _LIMITS.stall_s
    """time without output after which a decoder counts as hanging, in seconds"""
    queue_clips: SmallInt = 4
    """maximum number of decoded clips in the queue"""
    require_sandbox: Flag = False
    """fail with exit code 2 if the decoder's process cannot be confined here (`wsvad doctor` says what this machine
    offers)"""

    @property
    def limits(self) -> Limits:
        """The limits of a decoder."""
        return Limits(
            max_pixels=self.max_pixels,
            address_space=self.decoder_memory,
            stall_s=self.decoder_stall_s,
            require_sandbox=self.require_sandbox,
        )


def require(options: Any, *names: str) -> list[str]:
    """Return the values of options. Raises ``UsageError`` with the names of missing ones."""
    values = [getattr(options, name) for name in names]
    absent = ["--" + name.replace("_", "-") for name, value in zip(names, values, strict=True) if not value]
    if absent:
        raise UsageError(f"missing option: {', '.join(absent)}")
    return values
