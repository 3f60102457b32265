"""Assigns each video to a camera and computes its start in UTC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from wsvad.cameras.clock import moments
from wsvad.cameras.config import Camera, Cameras
from wsvad.errors import UsageError
from wsvad.manifest.ids import id_from_key

OVERLAP_TOLERANCE = timedelta(seconds=1)
"""Overlap of two files of one camera that is tolerated, because file names have a resolution of one second."""
MAX_GAP = timedelta(seconds=10)
"""Maximum gap between two files that are considered consecutive."""
YEARS = range(1970, 2200)
"""Plausible years of recording; other numbers are not times."""
MAX_DURATION_S = 366 * 86400.0
"""Maximum plausible duration of a file; a longer one results from a damaged header."""
NO_FOLDER = "."
"""Camera name of videos without a folder, if no pattern gives another."""


class RecordedVideo(NamedTuple):
    """A video before it is assigned to a camera and a time."""

    video_id: str
    uri: str = ""
    duration_s: float | None = None


@dataclass(frozen=True)
class Placement:
    """Camera and start time of a video."""

    camera: str
    start_utc: datetime | None
    """Aware, in UTC; ``None`` if unknown, so that times are offsets from the video's start."""
    notes: tuple[str, ...] = ()
    """``code: message`` of each decision that a rule made instead of the path."""
    settings: Camera = field(default_factory=lambda: Camera(name=NO_FOLDER), compare=False)
    """Settings of the camera."""
    matched: bool = True
    """Whether a pattern matched; otherwise the camera is the folder."""


class _Ambiguous(NamedTuple):
    """A video whose local time occurs twice because the clock was set back."""

    video: RecordedVideo
    local: datetime
    utc: tuple[datetime, ...]


def place(video_id: str, cameras: Cameras, uri: str = "") -> Placement:
    """Place one video by its id, or by the path of its URI if no pattern matches the id.

    An ambiguous local time is read as the earlier one, unless ``fold`` is ``second``. :func:`place_all` also uses the
    camera's other files.
    """
    return place_all([RecordedVideo(video_id, uri)], cameras)[video_id]


def place_all(videos: Iterable[RecordedVideo], cameras: Cameras) -> dict[str, Placement]:
    """Place all videos of an archive, by id.

    With ``fold = "order"``, an ambiguous local time is resolved by the other files of the camera. Ambiguous files are
    processed by local time, and by the length of the id where that is equal (``x.mp4`` before ``x_1.mp4``):

    1. If only one of the two UTC times overlaps no file that is placed already, it is used.
    2. If neither overlaps, the time within ``MAX_GAP`` of the end or start of another file is used.
    3. If both or neither are consecutive to another file, the earlier time is used.

    Every such file gets a note, as do files whose local time does not exist (it is read with the offset before the
    change), files that match no pattern, and files that overlap the previous one.
    """
    placed: dict[str, Placement] = {}
    ambiguous: dict[str, list[_Ambiguous]] = defaultdict(list)
    known: dict[str, RecordedVideo] = {}
    for video in videos:
        known[video.video_id] = video
        placed[video.video_id], unresolved = _place_by_path(video, cameras)
        if unresolved:
            ambiguous[placed[video.video_id].camera].append(unresolved)
    by_camera: dict[str, list[str]] = defaultdict(list)
    for video_id, found in placed.items():
        by_camera[found.camera].append(video_id)
    for camera, group in ambiguous.items():
        _resolve(group, by_camera[camera], placed, known)
    for video_ids in by_camera.values():
        _note_overlaps(video_ids, placed, known)
    return placed


def cameras_of(placed: Mapping[str, Placement]) -> dict[str, Camera]:
    """Return the settings of each camera with videos, by name; those of a matching pattern take precedence.

    Raises:
        UsageError: patterns with different settings give the same camera; only time zone and fold may differ.
    """
    found: dict[str, Camera] = {}
    for video_id, placement in sorted(placed.items(), key=lambda item: not item[1].matched):
        first = found.setdefault(placement.camera, placement.settings)
        if not placement.matched or placement.settings == first:
            continue
        same_clock = replace(placement.settings, time_zone=first.time_zone, fold=first.fold)
        if same_clock != first:
            raise UsageError(
                f"patterns give camera {placement.camera!r:.80} different settings (see video {video_id!r:.80}); "
                "move the settings to one [[camera]] with its name"
            )
    return found


def _place_by_path(video: RecordedVideo, cameras: Cameras) -> tuple[Placement, _Ambiguous | None]:
    """Place a video by its path alone; an ambiguous time is left open if ``fold`` is ``order``."""
    match = cameras.find(video.video_id, _path_of(video.uri))
    if match is None:
        folder = video.video_id.rpartition("/")[0] or NO_FOLDER
        notes = ("no_pattern: no pattern of the cameras matches this video",) if cameras.rules else ()
        return Placement(folder, None, notes, cameras.camera(folder), matched=False), None
    rule, fields = match
    name = rule.name if rule.name is not None else id_from_key(fields.camera or NO_FOLDER)
    camera = cameras.camera(name, rule)
    if fields.problem:
        return Placement(name, None, (f"no_time: {fields.problem}",), camera), None
    if fields.local is not None and fields.local.year not in YEARS:
        note = f"no_time: {fields.local} is not between {YEARS[0]} and {YEARS[-1]}"
        return Placement(name, None, (note,), camera), None
    if fields.local is None or fields.local.tzinfo is not None:
        return Placement(name, fields.local, (), camera), None
    moment = moments(fields.local, ZoneInfo(camera.time_zone))
    if moment.kind == "missing":
        utc = moment.utc[0]
        note = f"missing_time: {fields.local} does not exist in {camera.time_zone}; read as {utc:%H:%M:%S} UTC"
        return Placement(name, utc, (note,), camera), None
    if moment.kind == "plain":
        return Placement(name, moment.utc[0], (), camera), None
    if camera.fold == "order":
        return Placement(name, None, (), camera), _Ambiguous(video, fields.local, moment.utc)
    chosen = moment.utc[camera.fold == "second"]
    return Placement(name, chosen, (_ambiguous_note(fields.local, chosen, "as set by fold"),), camera), None


def _path_of(uri: str) -> str:
    """Return the path of a URI with file names decoded; keys of object storage are literal."""
    return unquote(uri) if uri.startswith("file://") else uri


def _ambiguous_note(local: datetime, chosen: datetime, why: str) -> str:
    return f"ambiguous_time: {local} occurs twice on the clock; read as {chosen:%H:%M:%S} UTC, {why}"


class _Interval(NamedTuple):
    start: datetime
    end: datetime


def _interval(start: datetime, video: RecordedVideo) -> _Interval:
    return _Interval(start, start + timedelta(seconds=min(max(video.duration_s or 0.0, 0.0), MAX_DURATION_S)))


def _resolve(
    ambiguous: Sequence[_Ambiguous],
    video_ids: Sequence[str],
    placed: dict[str, Placement],
    known: dict[str, RecordedVideo],
) -> None:
    """Choose a UTC time for every ambiguous video of a camera."""
    taken = [_interval(start, known[i]) for i in video_ids for start in [placed[i].start_utc] if start]
    # Only files of the same days matter, and an archive may span years.
    first = min(video.utc[0] for video in ambiguous) - timedelta(days=1)
    last = max(video.utc[-1] for video in ambiguous) + timedelta(days=1)
    taken = [other for other in taken if other.end > first and other.start < last]
    order = sorted(ambiguous, key=lambda a: (a.local, len(a.video.video_id), a.video.video_id))
    for video, local, utc in order:
        intervals = [_interval(start, video) for start in utc]
        free = [not any(_overlap(interval, other) for other in taken) for interval in intervals]
        consecutive = [any(_follow(interval, other) for other in taken) for interval in intervals]
        second, why = _choice(free, consecutive)
        taken.append(intervals[second])
        placement = placed[video.video_id]
        note = _ambiguous_note(local, utc[second], why)
        placed[video.video_id] = replace(placement, start_utc=utc[second], notes=(*placement.notes, note))


def _choice(free: Sequence[bool], consecutive: Sequence[bool]) -> tuple[int, str]:
    if free[0] != free[1]:
        return int(free[1]), "because another file covers the other time"
    if free[0] and consecutive[0] != consecutive[1]:
        return int(consecutive[1]), "consecutive to another file"
    return 0, "the earlier time, because the other files do not decide"


def _overlap(one: _Interval, other: _Interval) -> bool:
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared > OVERLAP_TOLERANCE or abs(one.start - other.start) < OVERLAP_TOLERANCE


def _follow(one: _Interval, other: _Interval) -> bool:
    return min(abs(one.start - other.end), abs(other.start - one.end)) <= MAX_GAP


def _note_overlaps(video_ids: Sequence[str], placed: dict[str, Placement], known: dict[str, RecordedVideo]) -> None:
    """Add a note to files that start before the end of an earlier one of the same camera."""
    timed = sorted((start, i) for i in video_ids for start in [placed[i].start_utc] if start)
    reached, before = datetime.min.replace(tzinfo=UTC), ""
    for start, video_id in timed:
        if reached - start > OVERLAP_TOLERANCE:
            shared = (reached - start).total_seconds()
            note = f"overlap: it starts {shared:.0f} s before the end of {before}"
            placed[video_id] = replace(placed[video_id], notes=(*placed[video_id].notes, note))
        end = _interval(start, known[video_id]).end
        if end > reached:
            reached, before = end, video_id
