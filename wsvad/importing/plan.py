"""Which videos are imported, how long they are, and the units that they are cut into. Reads headers, no values.

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
from wsvad.importing.files import Found, SourceVideo
from wsvad.importing.lengths import MISMATCH_KIND, Misfit, advise, length_of
from wsvad.importing.naming import Axes, Mismatch
from wsvad.importing.npy import ArraySource, Header, array_sources, read_header
from wsvad.importing.segments import TextSource, read_text
from wsvad.manifest.ids import content_id
from wsvad.manifest.records import VideoRecord
from wsvad.storage import Store
from wsvad.text import printable

MAX_ROWS = 2048
"""Rows of a unit, at most, as extraction has it."""
MAX_VALUES = 1 << 25
"""Values of a unit, at most: 64 MiB as they are written."""
_SHOWN = 5
_HEADER_THREADS = 16


class Source(Protocol):
    """Features of one video, wherever they are."""

    @property
    def uri(self) -> str:
        """Of the (first) file."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """T, V and D."""
        ...

    def problem(self) -> str | None:
        """Say what is wrong as far as can be told without the values, or ``None``."""
        ...

    def read(self, store: Store, first: int, last: int) -> tuple[np.ndarray, str]:
        """Return the values of some clips, ``[n, V, D]``, and the SHA-256 of the bytes that held them."""
        ...


@dataclass(frozen=True)
class PlannedVideo:
    """A video that is imported."""

    video_id: str
    source: Source
    content_id: str
    """Changes with the files, their reading, and the lengths and rates that the rows are made with."""
    num_frames: int
    """0 where it is not known, of a video that is skipped for that."""
    assumed: bool
    """Whether ``num_frames`` follows from the number of clips, because nobody said it."""
    fps: float
    width: int | None
    height: int | None
    misfit: Misfit | None = None
    """Set where the number of clips does not fit the number of frames by the manifest."""
    skipped: bool = False
    """Whether it is left out for that."""

    @property
    def clips(self) -> int:
        """Clips that are imported."""
        return 0 if self.skipped else self.source.shape[0]

    @property
    def problem(self) -> dict[str, str] | None:
        """What is the matter with it, as a row of a summary's problems."""
        if self.misfit is None:
            return None
        named = {"video_id": self.video_id, "uri": printable(self.source.uri), "kind": MISMATCH_KIND}
        return {**named, "outcome": "skipped" if self.skipped else "kept", "message": self.misfit.reason}

    def span(self, clip: int, clips: ClipSpec | None) -> tuple[int, int]:
        """Return the frames of a clip, half-open; those of segment ``i`` of 32 where features came pooled."""
        if clips is not None:
            return clips.span(clip, self.num_frames)
        return clip * self.num_frames // SEGMENTS, (clip + 1) * self.num_frames // SEGMENTS

    def row(self, container: str) -> dict[str, Any]:
        """Return the row, as lists have it."""
        told: dict[str, Any] = {}
        if self.assumed:
            told = {"kind": "assumed_frames", "message": "the number of frames is not known and follows from the clips"}
        if self.misfit is not None:
            told = {
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
            **told,
        }


@dataclass(frozen=True)
class ImportUnit:
    """A clip range of one video: what is read and written as a whole."""

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


def refuse(faults: Sequence[str], advice: str = "") -> None:
    """Raise one ``UsageError`` for all faults, if there are any, with what to do about them."""
    if faults:
        more = f"\nand {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise UsageError("\n".join(faults[:_SHOWN]) + more + f"\n{advice}" * bool(advice) + "\nNothing was published.")


def matched(
    videos: Sequence[SourceVideo], records: Sequence[VideoRecord] | None, *, allow_unmatched: bool
) -> tuple[list[SourceVideo], dict[str, VideoRecord], list[str]]:
    """Hold the ids against the manifest.

    Returns:
        The videos that are in it, its records by id, and the ids that are not in it and are left out.

    Raises:
        UsageError: there are such ids and that is not allowed, or no id is in the manifest.
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
            f"{len(unmatched)} of {len(videos)} feature files give ids that the manifest does not have: {shown}{more}; "
            f"its ids are like {next(iter(by_id))!r:.120}; {remedy}"
        )
    return chosen, by_id, unmatched


def open_sources(found: Found, videos: Sequence[SourceVideo], axes: Axes | None) -> dict[str, Source]:
    """Read what every file says of its shape, and check that they agree.

    Raises:
        UsageError: names every file that cannot be used, or two whose shapes do not go together.
    """
    sources = _texts(found, videos) if found.layout == "segments-text" else _arrays(found, videos, axes)
    refuse([problem for source in sources.values() for problem in [source.problem()] if problem])
    first = next(iter(sources.values()))
    _, V, D = first.shape
    refuse(
        [
            f"{other.uri}: expected {V} crops of {D} values as in {first.uri}, got {other.shape[1]} of {other.shape[2]}"
            for other in sources.values()
            if other.shape[1:] != (V, D)
        ]
    )
    return sources


def _texts(found: Found, videos: Sequence[SourceVideo]) -> dict[str, Source]:
    first = videos[0].files[0]
    values_TD, _ = read_text(found.store, first, found.store.uri_of(first.key))
    dim = values_TD.shape[1]
    return {v.video_id: TextSource(v.files[0], found.store.uri_of(v.files[0].key), dim) for v in videos}


def _arrays(found: Found, videos: Sequence[SourceVideo], axes: Axes | None) -> dict[str, Source]:
    def read(video: SourceVideo) -> tuple[Header, ...] | str:
        try:
            return tuple(read_header(found.store, info) for info in video.files)
        except UsageError as error:
            return str(error)

    with ThreadPoolExecutor(_HEADER_THREADS) as pool:
        answers = {v.video_id: a for v, a in zip(videos, pool.map(read, videos), strict=True)}
    refuse([answer for answer in answers.values() if isinstance(answer, str)])
    headers = {video_id: a for video_id, a in answers.items() if not isinstance(a, str)}
    return dict(array_sources({v.video_id: v.files for v in videos}, headers, axes))


def plan_videos(
    videos: Sequence[SourceVideo],
    sources: Mapping[str, Source],
    records: Mapping[str, VideoRecord],
    clips: ClipSpec | None,
    fps: float,
    mismatch: Mismatch = "refuse",
) -> list[PlannedVideo]:
    """Find out how long every video is.

    Args:
        videos: what is imported.
        sources: their features.
        records: the manifest, by id; may lack videos.
        clips: what a clip is; ``None``: 32 segments a video.
        fps: frames per second.
        mismatch: what becomes of those whose number of clips cannot be.

    Raises:
        UsageError: names them, if they are refused; if there are no others that could be imported; or if they shall be
            kept and their length is not known.
    """
    planned, refused = [], []
    for video in videos:
        source, record = sources[video.video_id], records.get(video.video_id)
        T, V, _ = source.shape
        found = length_of(source.uri, T, V, record.num_frames if record else None, clips)
        misfit = found if isinstance(found, Misfit) else None
        if isinstance(found, Misfit):
            if mismatch == "refuse" or (mismatch == "keep" and found.frames is None):
                refused.append(found)
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
    if refused:
        refuse([m.message for m in refused], _way_out(refused, len(videos)))
    if all(video.skipped for video in planned):
        misfits = [v.misfit for v in planned if v.misfit]
        refuse(
            [m.message for m in misfits], f"{advise(misfits, len(videos))} --mismatch skip leaves nothing to import."
        )
    return planned


def _content_id(video: SourceVideo, source: Source, num_frames: int, fps: float) -> str:
    reading = source.axes if isinstance(source, ArraySource) else "text"
    files = [f"{info.size} {info.etag or info.mtime_ns}" for info in video.files]
    # one crop of several has a name and a size like the others; nothing for what has all crops, whose ids stay
    crops = [] if video.crops[0] == 0 else [f"crop {video.crops[0]}"]
    return content_id(video.video_id, *files, reading, str(num_frames), repr(fps), *crops)


def _way_out(misfits: Sequence[Misfit], videos: int) -> str:
    """What to do about videos that are refused."""
    rest = videos - len(misfits)
    ways = ["see --clip-length and --clip-stride", "correct num_frames"]
    if rest:
        ways.append(f"import the other {rest} with --mismatch skip")
    if all(m.frames is not None for m in misfits):
        ways.append("import these as they are, too, with --mismatch keep")
    return (
        f"{len(misfits)} of {videos} videos do not fit the manifest. {advise(misfits, videos)} What can be done: "
        f"{'; '.join(ways)}. What is skipped or kept makes the exit code 3, unless --max-quarantine allows as many."
    )


def plan_units(videos: Sequence[PlannedVideo], config: ImportedConfig) -> list[ImportUnit]:
    """Cut the videos into units, in order; together they hold every clip once, but those of skipped videos."""
    rows = min(MAX_ROWS, MAX_VALUES // config.pooled_dim)
    step, fingerprint = max(1, rows // config.views), config.fingerprint
    units = []
    for video in videos:
        for first in range(0, video.clips, step):
            last = min(first + step, video.clips)
            units.append(ImportUnit(layout.unit_id(video.content_id, first, last, fingerprint), video, first, last))
    return units
