"""Types shared by the decoder and the stages around it: byte sources, video index, limits, reports, error kinds.

Frames are numbered from 0 in presentation order of a full decode of the stored video. Spans are half-open intervals.
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
"""Every ``VideoError.kind`` that this package raises; ``docs/video-outcomes.md`` describes each one."""

KINDS: tuple[VideoErrorKind, ...] = get_args(VideoErrorKind)

ISOLATION_KINDS: frozenset[str] = frozenset(
    {"decoder_crash", "decoder_hang", "decoder_memory", "decoder_cpu", "decoder_killed", "decoder_error"}
)
"""Kinds that a busy or failing machine can also cause: they count against a video only if they repeat in isolation."""

Clock = Literal["pts", "dts", "count", "table"]
"""Source of the frame numbers.

* ``pts``: presentation timestamps.
* ``dts``: decode timestamps, for streams without reordering.
* ``count``: the order in which a decode from the start outputs the pictures.
* ``table``: like ``count``, with packet positions from the container's own table (AVI with damaged data).
"""

INDEX_VERSION = 2

NoteCode = Literal["times_guessed", "stream_left_out", "clock_jump", "time_gap", "stamps_mended"]
"""Irregularities of a video that could be read nevertheless."""

DOUBTS: frozenset[str] = frozenset({"times_guessed", "stream_left_out"})
"""Notes that count like a quarantine: the frame rate is a guess, or footage was left out."""


class Note(NamedTuple):
    """An irregularity of a video, reported to the user."""

    code: NoteCode
    message: str


class ByteSource(Protocol):
    """Random access to one stored object. It lives in the parent process; the decode child never sees it."""

    size: int
    """Length of the object in bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``, fewer only at the end of the object.

        Raises StorageError if the store fails; a storage failure never counts against the video.
        """
        ...


@dataclass(frozen=True)
class SeekPoint:
    """A key frame where a decode may start and number its frames exactly as a decode from the start would."""

    frame: int
    """Number of the key frame."""
    timestamp: int
    """Stored timestamp of the key frame, in units of the stream's time base."""
    decode_timestamp: int
    """Decode timestamp of the same packet (``timestamp`` if the container has none)."""
    packet: int = 0
    """Index of the packet among all packets of the stream, from 0."""


_SEEK_FIELDS = tuple(SeekPoint.__dataclass_fields__)


@dataclass(frozen=True)
class VideoIndex:
    """Properties of a video that are known before it is decoded. JSON-able: ``to_dict`` and ``from_dict`` are inverse.

    ``num_frames`` is the number of frames that a full decode of the undamaged file yields. It does not count packets
    hidden by an edit list, empty packets, packets that give no picture (see ``wsvad.video.picture_rules``), and
    pictures at the beginning that precede the first key frame or lack their reference pictures. For a file truncated
    after a complete sample table (MP4 with its index at the front) it is the number in the table; the decode then
    reports the missing frames.

    Packets are numbered from 0 in file order, hidden ones included. A tick is ``time_base`` / ``scale``.
    """

    num_frames: int
    fps: float
    """Average rate in frames per second of footage, above 0."""
    duration_s: float
    width: int
    """Width in pixels as displayed: after rotation, before any correction for non-square pixels."""
    height: int
    """Height in pixels as displayed."""
    rotation: int
    """Clockwise rotation in degrees (0, 90, 180, 270) that makes stored pictures upright."""
    variable_rate: bool
    """True if the step between two frames differs from the usual step by more than a tenth and more than rounding."""
    container: str
    codec: str
    pixel_format: str
    clock: Clock
    time_base: str
    """Time base of the stream in seconds, as a fraction, e.g. ``1/12800``."""
    first_timestamp: int
    """Time of frame 0 in ticks; times in seconds are relative to it."""
    skipped_packets: int
    """Packets before the first key frame. No decoder can use them, and they have no frame number."""
    seek_points: tuple[SeekPoint, ...]
    """At most one per ``SEEK_SPACING_S`` of footage, the first is frame 0. Empty if only a decode from the start
    numbers frames exactly."""
    usual_fps: float = 0.0
    """Reciprocal of the median frame step; 0 if no times are known."""
    stream: int = 0
    """Index of the stream in the container."""
    headers_read: int | None = None
    """Number of packets whose headers were inspected; each later packet is one picture. ``None``: all packets."""
    hidden: tuple[int, ...] = ()
    """Packets that give no picture although their headers do not show it."""
    scale: int = 1
    """Ticks per timestamp unit; above 1 if timestamps had to be repaired."""
    shifts: tuple[tuple[int, int], ...] = ()
    """``(packet, ticks)``: offset that is added to the timestamps from this packet on."""
    mended: tuple[tuple[int, int], ...] = ()
    """``(packet, ticks)``: times of packets whose own timestamp is missing or wrong."""
    last_step: int = 0
    """Ticks for which the last frame is shown, if the packet's own duration contradicts all steps; else 0."""
    timeline: tuple[tuple[int, int, int], ...] = ()
    """``(frame, time, step)`` in nanoseconds: from this frame on, times increase by ``step``. Empty if packets have
    timestamps, or if times follow from ``fps`` alone."""
    lost: tuple[int, ...] = ()
    """Frames that give no picture, known from a full decode. Only with clock ``count``."""
    uncertain: tuple[int, ...] = ()
    """Frames near a lost one that may come before or after it; they are left out too."""
    notes: tuple[Note, ...] = ()
    reading: str = ""
    """Hash of everything in this index that differs from the default reading of a stream; empty for most videos. Units
    made with different readings are different units."""
    version: int = INDEX_VERSION
    """Version of the index format."""

    def seconds(self, timestamp: int) -> float:
        """Return the time of a stored timestamp in seconds after frame 0. Valid only without repaired timestamps."""
        return float((timestamp * self.scale - self.first_timestamp) * Fraction(self.time_base) / self.scale)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; a seek point becomes ``[frame, timestamp, decode_timestamp, packet]``."""
        plain = asdict(self)
        plain["seek_points"] = [[p.frame, p.timestamp, p.decode_timestamp, p.packet] for p in self.seek_points]
        for name in _LISTS:
            plain[name] = [list(v) if isinstance(v, tuple) else v for v in plain[name]]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> VideoIndex:
        """Rebuild an index. Raises UsageError if it has another version or is not a video index."""
        version = plain.get("version")
        if version != INDEX_VERSION:
            raise UsageError(f"expected a video index of version {INDEX_VERSION}, got version {version!r}; index again")
        try:
            points = [dict(zip(_SEEK_FIELDS, point, strict=True)) for point in plain["seek_points"]]
            return build(cls, {**plain, "seek_points": points})
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"not a video index: {error}") from error


@dataclass(frozen=True)
class ReadOptions:
    """User settings for reading a video. By default the file itself determines everything."""

    stream: int | None = None
    """Index among the file's video streams, from 0; ``None``: the stream that holds the footage."""
    frame_rate: float | None = None
    """Frames per second, used if packets have no timestamps."""

    def __post_init__(self) -> None:
        if self.stream is not None and not 0 <= self.stream < 1 << 16:
            raise UsageError(f"stream must be at least 0 and below 65536, got {self.stream}")
        if self.frame_rate is not None and not MIN_FRAME_RATE <= self.frame_rate <= MAX_FRAME_RATE:
            raise UsageError(
                f"frame rate must be from {MIN_FRAME_RATE:g} to {MAX_FRAME_RATE:g} frames/s, got {self.frame_rate:g}"
            )

    def over(self, other: ReadOptions) -> ReadOptions:
        """Return these settings, with unset ones taken from ``other``."""
        stream = other.stream if self.stream is None else self.stream
        return ReadOptions(stream, other.frame_rate if self.frame_rate is None else self.frame_rate)

    @property
    def key(self) -> str:
        """Text that identifies the settings; empty for the defaults."""
        stream = "" if self.stream is None else f"stream={self.stream}"
        rate = "" if self.frame_rate is None else f"rate={self.frame_rate!r}"
        return " ".join(part for part in (stream, rate) if part)


MIN_FRAME_RATE, MAX_FRAME_RATE = 0.001, 1000.0

_LISTS = ("hidden", "shifts", "mended", "timeline", "lost", "uncertain", "notes")


SEEK_SPACING_S = 30.0
"""Minimum footage between two seek points. A unit of work is 10-15 minutes, so at most 5 % is decoded twice."""


@dataclass(frozen=True)
class Limits:
    """Resource limits of a decode child. A child that exceeds one is killed and the video gets the kind named there."""

    address_space: int = 3 << 30
    """Address space in bytes (``decoder_memory``). 8K H.264 with 16 reference pictures needs about 1.5 GiB."""
    cpu_base_s: float = 60.0
    """CPU seconds allowed for any request (``decoder_cpu``)."""
    cpu_per_footage_s: float = 30.0
    """Additional CPU seconds per second of footage; 8K at 60 frames/s takes about 20."""
    cpu_per_flow_megapixel_s: float = 400.0
    """Additional CPU seconds per megapixel of optical flow (20 per frame of 224x224); TV-L1 that does not converge
    takes 145 on a slow core. Also the additional wall-clock seconds per megapixel of a frame on top of ``stall_s``."""
    cpu_per_gib_s: float = 120.0
    """Additional CPU seconds per GiB of file for indexing; reading and parsing packets takes about 10."""
    stall_s: float = 60.0
    """Wall-clock seconds without progress of the child (``decoder_hang``). Time in which the parent reads from storage,
    or holds all clips, does not count."""
    max_pixels: int = 1 << 25
    """Maximum width x height of a picture (``too_large``), checked before decoding; 8K UHD is just below."""
    open_files: int = 16
    """File descriptors; the child opens no files."""
    require_sandbox: bool = False
    """Whether a child that the kernel does not confine is refused (UsageError) instead of used as it is."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value <= 0 and name != "require_sandbox":
                raise UsageError(f"limit {name} must be above 0, got {value}")


@dataclass(frozen=True)
class DecodeReport:
    """Result of one ``clips()`` run. Counts refer to the frames covered by the requested clips."""

    expected_frames: int = 0
    """Frames that the clips cover."""
    decoded_frames: int = 0
    """Frames that were decoded."""
    missing: tuple[tuple[int, int], ...] = ()
    """Half-open spans of frames that gave no picture; clips that contain one of them are not emitted."""
    corrupt_frames: int = 0
    """Decoded frames that the decoder flags as damaged; the clips contain them."""
    errors: tuple[str, ...] = ()
    """Distinct messages with their counts, at most 16."""
    decoded_from: int = 0
    """Frame at which the decode started: a seek point, or 0."""
    pixel_aspect: float = 1.0
    """Width of a pixel divided by its height as displayed, after rotation; frames are not corrected for it."""
