"""Plans an import: the videos, their numbers of frames, and their units. Reads file headers, but no values.

Axes: T clips, V crops, D values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from wsvad.clips import ClipSpec
from wsvad.dataset import layout
from wsvad.errors import UsageError
from wsvad.features.imported import SEGMENTS, ImportedConfig
from wsvad.importing.files import FeatureFiles, SourceVideo
from wsvad.importing.lengths import MISMATCH_KIND, Misfit, advise, length_of
from wsvad.importing.naming import Axes, Mismatch
from wsvad.importing.npy import ArraySource, Header, array_sources, read_header
from wsvad.importing.segments import TextSource, read_text
from wsvad.manifest.ids import content_id
from wsvad.manifest.records import VideoRecord
from wsvad.storage import Store
from wsvad.text import printable

MAX_ROWS = 2048
"""Maximum number of rows of a unit, as in extraction."""
MAX_VALUES = 1 << 25
"""Maximum number of values of a unit: 64 MiB as written."""
_SHOWN = 5
_HEADER_THREADS = 16


class Source(Protocol):
    """Features of one video in files of any layout."""

    @property
    def uri(self) -> str:
        """URI of the (first) file."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """T, V and D."""
        ...

    def problem(self) -> str | None:
        """Return why the files are invalid as far as the headers show it, or ``None``."""
        ...

    def read(self, store: Store, first: int, last: int) -> tuple[np.ndarray, str]:
        """Return the values of clips ``[first, last)``, ``[n, V, D]``, and the SHA-256 of the bytes read."""
        ...


@dataclass(frozen=True)
class PlannedVideo:
    """A video to import."""

    video_id: str
    source: Source
    content_id: str
    """Digest that changes with the files, the order of axes, the number of frames, and the frame rate."""
    num_frames: int
    """Number of frames; 0 if unknown, for a video that is skipped for that reason."""
    assumed: bool
    """Whether ``num_frames`` was derived from the number of clips because it is not in a manifest."""
    fps: float
    width: int | None
    height: int | None
    misfit: Misfit | None = None
    """Set if the number of clips does not match the number of frames in the manifest."""
    skipped: bool = False
    """Whether the video is left out because of the mismatch."""

    @property
    def clips(self) -> int:
        """Number of imported clips."""
        return 0 if self.skipped else self.source.shape[0]

    @property
    def problem(self) -> dict[str, str] | None:
        """The mismatch as an entry of the summary's ``problems``."""
        if self.misfit is None:
            return None
        named = {"video_id": self.video_id, "uri": printable(self.source.uri), "kind": MISMATCH_KIND}
        return {**named, "outcome": "skipped" if self.skipped else "kept", "message": self.misfit.reason}

    def span(self, clip: int, clips: ClipSpec | None) -> tuple[int, int]:
        """Return the frames of a clip, half-open; without ``clips``, those of segment ``clip`` of 32."""
        if clips is not None:
            return clips.span(clip, self.num_frames)
        return clip * self.num_frames // SEGMENTS, (clip + 1) * self.num_frames // SEGMENTS

    def row(self, container: str) -> dict[str, Any]:
        """Return the row of the table of videos."""
        details: dict[str, Any] = {}
        if self.assumed:
            details = {"kind": "assumed_frames", "message": "the number of frames is unknown; derived from the clips"}
        if self.misfit is not None:
            details = {
                "kind": MISMATCH_KIND,
                "message": self.misfit.reason,
                "expected_clips": self.misfit.most,
                "status": "quarantined" if self.skipped else "partial",
            }
        return {
            "video_id": self.video_id,
            "uri": printable(self.source.uri),
            "content_id": self.content_id,
            "num_frames": self.num_frames or None,
            "fps": self.fps,
            "duration_s": self.num_frames / self.fps,
            "width": self.width,
            "height": self.height,
            "container": container,
            "expected_clips": self.clips,
            "clips": self.clips,
            "status": "complete",
            **details,
        }


@dataclass(frozen=True)
class ImportUnit:
    """A unit of work: a clip range of one video, stored as one object."""

    unit_id: str
    video: PlannedVideo
    first_clip: int
    last_clip: int
    """End of the range, exclusive."""

    @property
    def video_id(self) -> str:
        """Id of the video."""
        return self.video.video_id

    @property
    def num_clips(self) -> int:
        """Clips in the range."""
        return self.last_clip - self.first_clip


def raise_faults(faults: Sequence[str], advice: str = "") -> None:
    """Raise one ``UsageError`` for all faults, followed by the advice; do nothing if there are none."""
    if faults:
        more = f"\nand {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise UsageError("\n".join(faults[:_SHOWN]) + more + f"\n{advice}" * bool(advice) + "\nNothing was published.")


def match_manifest(
    videos: Sequence[SourceVideo], records: Sequence[VideoRecord] | None, *, allow_unmatched: bool
) -> tuple[list[SourceVideo], dict[str, VideoRecord], list[str]]:
    """Match video ids with the manifest.

    Returns:
        The videos in the manifest, the manifest's records by id, and the ids that are not in the manifest.

    Raises:
        UsageError: there are unmatched ids and they are not allowed, or no id is in the manifest.
    """
    if records is None:
        return list(videos), {}, []
    by_id = {record.video_id: record for record in records}
    chosen = [video for video in videos if video.video_id in by_id]
    unmatched = [video.video_id for video in videos if video.video_id not in by_id]
    if unmatched and (not chosen or not allow_unmatched):
        shown = ", ".join(f"{i!r:.120}" for i in unmatched[:_SHOWN])
        more = f" and {len(unmatched) - _SHOWN} more" if len(unmatched) > _SHOWN else ""
        remedy = "leave them out with --allow-unmatched" if chosen else "see --id-suffix, --id-prefix and --strip"
        raise UsageError(
            f"{len(unmatched)} of {len(videos)} feature files have ids that are not in the manifest: {shown}{more}; "
            f"an id of the manifest is {next(iter(by_id))!r:.120}; {remedy}"
        )
    return chosen, by_id, unmatched


def open_sources(found: FeatureFiles, videos: Sequence[SourceVideo], axes: Axes | None) -> dict[str, Source]:
    """Read the shape of every file, and check that they are compatible.

    Raises:
        UsageError: describes every unusable file, or two with incompatible shapes.
    """
    sources = _texts(found, videos) if found.layout == "segments-text" else _arrays(found, videos, axes)
    raise_faults([problem for source in sources.values() for problem in [source.problem()] if problem])
    first = next(iter(sources.values()))
    _, V, D = first.shape
    raise_faults(
        [
            f"{other.uri}: expected {V} crops of {D} values as in {first.uri}, got {other.shape[1]} of {other.shape[2]}"
            for other in sources.values()
            if other.shape[1:] != (V, D)
        ]
    )
    return sources


def _texts(found: FeatureFiles, videos: Sequence[SourceVideo]) -> dict[str, Source]:
    first = videos[0].files[0]
    values_TD, _ = read_text(found.store, first, found.store.uri_of(first.key))
    dim = values_TD.shape[1]
    return {v.video_id: TextSource(v.files[0], found.store.uri_of(v.files[0].key), dim) for v in videos}


def _arrays(found: FeatureFiles, videos: Sequence[SourceVideo], axes: Axes | None) -> dict[str, Source]:
    def read(video: SourceVideo) -> tuple[Header, ...] | str:
        try:
            return tuple(read_header(found.store, info) for info in video.files)
        except UsageError as error:
            return str(error)

    with ThreadPoolExecutor(_HEADER_THREADS) as pool:
        results = {v.video_id: r for v, r in zip(videos, pool.map(read, videos), strict=True)}
    raise_faults([result for result in results.values() if isinstance(result, str)])
    headers = {video_id: result for video_id, result in results.items() if not isinstance(result, str)}
    return dict(array_sources({v.video_id: v.files for v in videos}, headers, axes))


def plan_videos(
    videos: Sequence[SourceVideo],
    sources: Mapping[str, Source],
    records: Mapping[str, VideoRecord],
    clips: ClipSpec | None,
    fps: float,
    mismatch: Mismatch = "refuse",
) -> list[PlannedVideo]:
    """Determine the number of frames of every video.

    Args:
        videos: videos to import.
        sources: features by video id.
        records: records of the manifest by video id; may be incomplete.
        clips: frames of a clip; ``None`` for 32 segments per video.
        fps: frames per second.
        mismatch: what to do with videos whose number of clips does not match their number of frames.

    Raises:
        UsageError: there are mismatched videos that are refused, or kept without a known length, or no other video is
            left to import. The message lists them.
    """
    planned, rejected = [], []
    for video in videos:
        source, record = sources[video.video_id], records.get(video.video_id)
        T, V, _ = source.shape
        found = length_of(source.uri, T, V, record.num_frames if record else None, clips)
        misfit = found if isinstance(found, Misfit) else None
        if isinstance(found, Misfit):
            if mismatch == "refuse" or (mismatch == "keep" and found.frames is None):
                rejected.append(found)
                continue
            num_frames, assumed = (found.known or 0) if mismatch == "skip" else (found.frames or 0), False
        else:
            num_frames, assumed = found
        planned.append(
            PlannedVideo(
                video.video_id,
                source,
                _content_id(video, source, num_frames, fps),
                num_frames,
                assumed,
                fps,
                record.width if record else None,
                record.height if record else None,
                misfit,
                misfit is not None and mismatch == "skip",
            )
        )
    if rejected:
        raise_faults([m.message for m in rejected], _remedy(rejected, len(videos)))
    if all(video.skipped for video in planned):
        misfits = [v.misfit for v in planned if v.misfit]
        raise_faults(
            [m.message for m in misfits], f"{advise(misfits, len(videos))} --mismatch skip leaves nothing to import."
        )
    return planned


def _content_id(video: SourceVideo, source: Source, num_frames: int, fps: float) -> str:
    reading = source.axes if isinstance(source, ArraySource) else "text"
    files = [f"{info.size} {info.etag or info.mtime_ns}" for info in video.files]
    # A single crop of several looks like a file with all crops, so its number is included. The ids of the latter stay.
    crops = [] if video.crops[0] == 0 else [f"crop {video.crops[0]}"]
    return content_id(video.video_id, *files, reading, str(num_frames), repr(fps), *crops)


def _remedy(misfits: Sequence[Misfit], videos: int) -> str:
    """Return the options of a user whose videos are rejected."""
    rest = videos - len(misfits)
    remedies = ["set --clip-length and --clip-stride", "correct num_frames"]
    if rest:
        remedies.append(f"import the other {rest} with --mismatch skip")
    if all(m.frames is not None for m in misfits):
        remedies.append("import these unchanged, too, with --mismatch keep")
    return (
        f"{len(misfits)} of {videos} videos do not match the manifest. {advise(misfits, videos)} Remedies: "
        f"{'; '.join(remedies)}. Skipped or kept videos give exit code 3 if there are more than --max-quarantine."
    )


def plan_units(videos: Sequence[PlannedVideo], config: ImportedConfig) -> list[ImportUnit]:
    """Divide the videos into units, in order; together they contain every clip of videos that are not skipped once."""
    rows = min(MAX_ROWS, MAX_VALUES // config.pooled_dim)
    step, fingerprint = max(1, rows // config.views), config.fingerprint
    units = []
    for video in videos:
        for first in range(0, video.clips, step):
            last = min(first + step, video.clips)
            units.append(ImportUnit(layout.unit_id(video.content_id, first, last, fingerprint), video, first, last))
    return units
