"""What the stages around the decoder see: sources of bytes, the index of a video, limits, reports, failure kinds.

Frames are numbered from 0 in presentation order of a full decode of the stored video; spans are half-open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple, Protocol, get_args

from wsvad.documents import build
from wsvad.errors import UsageError

VideoErrorKind = Literal[
    "empty",
    "not_video",
    "damaged",
    "no_video_stream",
    "unsupported_codec",
    "no_frames",
    "too_large",
    "decoder_crash",
    "decoder_hang",
    "decoder_memory",
    "decoder_cpu",
    "decoder_killed",
    "decoder_error",
]
"""Every ``VideoError.kind`` that this package raises; ``docs/video-outcomes.md`` says what each one means."""

KINDS: tuple[VideoErrorKind, ...] = get_args(VideoErrorKind)

ISOLATION_KINDS: frozenset[str] = frozenset(
    {"decoder_crash", "decoder_hang", "decoder_memory", "decoder_cpu", "decoder_killed", "decoder_error"}
)
"""Kinds that a busy or failing machine can also cause: evidence against a video only when they repeat in isolation."""

Clock = Literal["pts", "dts", "count", "table"]
"""What frame numbers come from: presentation stamps; decode stamps (nothing is reordered); the order in which a decode
from the start gives the pictures; the same with the places of packets taken from the container's own table (AVI with
damaged data)."""

INDEX_VERSION = 2

NoteCode = Literal["times_guessed", "stream_left_out", "clock_jump", "time_gap", "stamps_mended"]
"""What an index notes of a video that could be read, but not as a matter of course."""

DOUBTS: frozenset[str] = frozenset({"times_guessed", "stream_left_out"})
"""Notes that count like a quarantine: the rate is a guess, or footage was left out."""


class Note(NamedTuple):
    """Something about a video that people should know."""

    code: NoteCode
    message: str


class ByteSource(Protocol):
    """Random access to one stored object. It lives in the parent process; the decoder never sees it."""

    size: int
    """Length of the object in bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``, fewer only where the object ends.

        Raises StorageError when the store fails; that is never taken as evidence against the video.
        """
        ...


@dataclass(frozen=True)
class SeekPoint:
    """A key frame at which a decode may start and number its frames exactly as a decode from the start would."""

    frame: int
    """Number of the key frame."""
    timestamp: int
    """Time stamp of the key frame as it is stored, in units of the stream's time base."""
    decode_timestamp: int
    """Decode stamp of the same packet (``timestamp`` where the container has none)."""
    packet: int = 0
    """Place of the packet among all packets of the stream, from 0."""


_SEEK_FIELDS = tuple(SeekPoint.__dataclass_fields__)


@dataclass(frozen=True)
class VideoIndex:
    """What is known of a video before it is decoded. JSON-able: ``to_dict`` and ``from_dict`` are inverse.

    ``num_frames`` is what a full decode of the undamaged file yields: packets that an edit list hides, empty packets,
    packets that give no picture (see ``wsvad.video.pictures``), and pictures that precede the first key frame or lack
    what they refer to at the beginning are not counted. For a file cut short behind a complete sample table (MP4 with
    its index at the front) it is what the table claims; the decode then reports what was missing.

    Packets are numbered from 0 in the order of the file, hidden ones included. Ticks are units of ``time_base`` /
    ``scale``.
    """

    num_frames: int
    fps: float
    """Average rate, frames per second of footage, above 0."""
    duration_s: float
    width: int
    """Pixels across as displayed: after rotation, before any correction for non-square pixels."""
    height: int
    rotation: int
    """Degrees clockwise (0, 90, 180, 270) by which stored pictures are turned to be upright."""
    variable_rate: bool
    """True when the time from one frame to the next differs by more than a tenth and more than rounding."""
    container: str
    codec: str
    pixel_format: str
    clock: Clock
    time_base: str
    """Seconds per time stamp unit as a fraction, e.g. ``1/12800``."""
    first_timestamp: int
    """Time of frame 0 in ticks; times in seconds count from here."""
    skipped_packets: int
    """Packets before the first key frame, which no decoder can use; they have no number."""
    seek_points: tuple[SeekPoint, ...]
    """At most one per ``SEEK_SPACING_S`` of footage, the first is frame 0; empty when only a decode from the start
    numbers frames exactly."""
    usual_fps: float = 0.0
    """One over the median time from frame to frame; 0 where no times are known."""
    stream: int = 0
    """Number of the stream in the container."""
    headers_read: int | None = None
    """Packets whose headers say whether they give a picture; each of the others is one. ``None``: all packets."""
    hidden: tuple[int, ...] = ()
    """Packets that give no picture although their headers do not say so."""
    scale: int = 1
    """Ticks in a time stamp unit; above 1 where stamps had to be mended."""
    shifts: tuple[tuple[int, int], ...] = ()
    """``(packet, ticks)``: from this packet on, what is added to its stamp."""
    mended: tuple[tuple[int, int], ...] = ()
    """``(packet, ticks)``: times of packets whose own stamp is missing or wrong."""
    last_step: int = 0
    """Ticks that the last frame is shown, where its packet's own duration contradicts all steps; else 0."""
    timeline: tuple[tuple[int, int, int], ...] = ()
    """``(frame, time, step)`` in nanoseconds: from this frame on times rise by ``step``. Empty where packets have
    time stamps, or times follow from ``fps`` alone."""
    lost: tuple[int, ...] = ()
    """Frames that give no picture, known from a full decode. On the clock "count" alone."""
    uncertain: tuple[int, ...] = ()
    """Frames beside a lost one, in front of which it may or may not belong; they are left out as well."""
    notes: tuple[Note, ...] = ()
    reading: str = ""
    """Names everything of this index that differs from the plain reading of a stream; empty for most videos. Units
    made by another reading are others."""
    version: int = INDEX_VERSION

    def seconds(self, timestamp: int) -> float:
        """Return the time of a stored stamp in seconds after frame 0, where no stamp had to be mended."""
        return float((timestamp * self.scale - self.first_timestamp) * Fraction(self.time_base) / self.scale)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; seek points become ``[frame, timestamp, decode_timestamp, packet]``."""
        plain = asdict(self)
        plain["seek_points"] = [[p.frame, p.timestamp, p.decode_timestamp, p.packet] for p in self.seek_points]
        for name in _LISTS:
            plain[name] = [list(v) if isinstance(v, tuple) else v for v in plain[name]]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> VideoIndex:
        """Rebuild an index; raises UsageError when it was written by an incompatible version, or is none."""
        version = plain.get("version")
        if version != INDEX_VERSION:
            raise UsageError(f"video index of version {version!r}, expected {INDEX_VERSION}; make it again")
        try:
            points = [dict(zip(_SEEK_FIELDS, point, strict=True)) for point in plain["seek_points"]]
            return build(cls, {**plain, "seek_points": points})
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"no video index: {error}") from error


@dataclass(frozen=True)
class Reading:
    """What people say of how a video is to be read. The defaults leave it to the file."""

    stream: int | None = None
    """Place among the file's video streams, from 0; ``None``: the one that holds the footage."""
    frame_rate: float | None = None
    """Frames per second, used where packets have no time stamps."""

    def __post_init__(self) -> None:
        if self.stream is not None and not 0 <= self.stream < 1 << 16:
            raise UsageError(f"stream must be a number from 0, got {self.stream}")
        if self.frame_rate is not None and not MIN_FRAME_RATE <= self.frame_rate <= MAX_FRAME_RATE:
            raise UsageError(
                f"frame rate must be from {MIN_FRAME_RATE:g} to {MAX_FRAME_RATE:g} frames/s, got {self.frame_rate:g}"
            )

    def over(self, other: Reading) -> Reading:
        """Return this reading, and what ``other`` says where this one says nothing."""
        stream = other.stream if self.stream is None else self.stream
        return Reading(stream, other.frame_rate if self.frame_rate is None else self.frame_rate)

    @property
    def key(self) -> str:
        """Text that differs where the reading does; empty for the defaults."""
        stream = "" if self.stream is None else f"stream={self.stream}"
        rate = "" if self.frame_rate is None else f"rate={self.frame_rate!r}"
        return " ".join(part for part in (stream, rate) if part)


MIN_FRAME_RATE, MAX_FRAME_RATE = 0.001, 1000.0

_LISTS = ("hidden", "shifts", "mended", "timeline", "lost", "uncertain", "notes")


SEEK_SPACING_S = 30.0
"""Footage between two seek points, at least. A unit of work is 10-15 minutes, so at most 5 % is decoded twice."""


@dataclass(frozen=True)
class Limits:
    """What a decode child may use. Beyond them it is ended and the video gets the kind named at each field."""

    address_space: int = 3 << 30
    """Bytes of address space (``decoder_memory``). 8K H.264 with 16 reference pictures needs about 1.5 GiB."""
    cpu_base_s: float = 60.0
    """CPU seconds that any request may use (``decoder_cpu``)."""
    cpu_per_footage_s: float = 30.0
    """Further CPU seconds per second of footage; 8K at 60 frames/s takes about 20."""
    cpu_per_flow_megapixel_s: float = 400.0
    """Further CPU seconds per megapixel of optical flow (20 a frame of 224x224); TV-L1 that does not converge takes 145
    on a slow core. Also the wall-clock seconds by which a frame of a megapixel may exceed ``stall_s``."""
    cpu_per_gib_s: float = 120.0
    """Further CPU seconds per GiB of file for indexing; reading and parsing packets takes about 10."""
    stall_s: float = 60.0
    """Wall-clock seconds without progress of the child (``decoder_hang``). Time that the parent spends reading from
    storage, or holding all clips, does not count."""
    max_pixels: int = 1 << 25
    """Width x height of a picture (``too_large``), checked before decoding; 8K UHD is just below."""
    open_files: int = 16
    """File descriptors; the child opens nothing."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value <= 0:
                raise UsageError(f"limit {name} must be above 0, got {value}")


@dataclass(frozen=True)
class DecodeReport:
    """What came of one ``clips()`` run, in frames of the range that its clips cover."""

    expected_frames: int = 0
    decoded_frames: int = 0
    missing: tuple[tuple[int, int], ...] = ()
    """Half-open spans of frames that gave no picture; clips that touch them are not made."""
    corrupt_frames: int = 0
    """Decoded frames that the decoder itself flags as damaged; they are in the clips."""
    errors: tuple[str, ...] = ()
    """Distinct messages with their counts, at most 16."""
    decoded_from: int = 0
    """Frame at which the decode started: a seek point, or 0."""
    pixel_aspect: float = 1.0
    """Width of a pixel over its height as displayed, after rotation; delivered frames are not corrected for it."""
