"""Groups of options that several verbs share, and what every verb has."""

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
    """What every verb has."""

    json: Flag = False
    """print the end summary as JSON on standard output"""
    verbose: Flag = False
    """more logging, Ray's own included"""
    given: Annotated[frozenset[str], HIDDEN] = frozenset()
    """Names of the options, without dashes, that the command line or the option file gave."""


@dataclass(frozen=True, kw_only=True)
class Configured(Common):
    """What a verb has whose options may stand in a file."""

    config: Annotated[str | None, Option(metavar="FILE")] = None
    """TOML file of these options; the command line wins over it"""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where units run."""

    ray: Annotated[bool | None, Option(n_tokens=0)] = None
    """on Ray; --no-ray: in this process, one unit after the other, where the end of a worker (memory, say) is the end
    of the run. Without either: in this process where there is little to do and neither a cluster nor workers are asked
    for"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """of a Ray cluster; or RAY_ADDRESS; neither: a local Ray"""
    pool: Annotated[PoolOptions, Option(name="*")] = field(default_factory=PoolOptions)


WeightsName = Annotated[str, Option(metavar="NAME|FILE|URI")]
OnCluster = Annotated[Cluster, group("cluster (default: what fits)", last=True)]
Stored = Annotated[
    StoreOptions, group("object storage (credentials: the standard AWS environment of every node)", last=True)
]
"""How to reach object storage; credentials come from the standard AWS environment, never from options."""


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """Which stream of a video is read, its rate where it states none, and how much may be missing."""

    stream: Natural | None = None
    """which of a file's video streams, from 0 (default: the one that holds the footage); or a manifest column"""
    frame_rate: Annotated[PositiveFloat | None, Option(metavar="FPS")] = None
    """frames per second of videos without time stamps, such as elementary streams; or a manifest column"""
    min_coverage: Annotated[NaturalFloat, Option(metavar="PERCENT")] = MIN_COVERAGE
    """a video with fewer of its clips counts like a quarantined one"""

    @property
    def reading(self) -> ReadOptions:
        """What is said of how videos are read."""
        return ReadOptions(self.stream, self.frame_rate)


@dataclass(frozen=True, kw_only=True)
class DecoderOptions:
    """What one decoder may use."""

    max_pixels: PositiveInt = _LIMITS.max_pixels
    """largest frame, width x height"""
    decoder_memory: Size = _LIMITS.address_space
    """of one decoder"""
    decoder_stall_s: Annotated[PositiveFloat, Option(metavar="S")] = _LIMITS.stall_s
    """a decoder silent for this long hangs"""
    queue_clips: SmallInt = 4
    """decoded clips that may wait"""

    @property
    def limits(self) -> Limits:
        """The limits of a decoder."""
        return Limits(max_pixels=self.max_pixels, address_space=self.decoder_memory, stall_s=self.decoder_stall_s)


def require(options: Any, *names: str) -> list[str]:
    """Return the values of options. Raise ``UsageError`` naming those that nobody gave."""
    values = [getattr(options, name) for name in names]
    absent = ["--" + name.replace("_", "-") for name, value in zip(names, values, strict=True) if not value]
    if absent:
        raise UsageError(f"missing option: {', '.join(absent)}")
    return values
