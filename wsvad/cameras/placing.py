"""Places videos: of which camera each is, and when it starts in UTC."""

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

SLACK = timedelta(seconds=1)
"""Files of one camera may overlap by so much: file names have whole seconds."""
NEAR = timedelta(seconds=10)
"""A file that starts so shortly after the end of another follows it."""
YEARS = range(1970, 2200)
"""In which a video may have been recorded: another year is a number that was taken for a time."""
LONGEST_S = 366 * 86400.0
"""Of a file; what says that it is longer is damaged."""
NO_FOLDER = "."
"""Name of the camera of videos that lie in no folder, where no pattern says another."""


class Recorded(NamedTuple):
    """What is known of a video before it is placed."""

    video_id: str
    uri: str = ""
    duration_s: float | None = None


@dataclass(frozen=True)
class Placed:
    """Where a video belongs."""

    camera: str
    start_utc: datetime | None
    """With UTC as its zone; ``None`` where nothing says it: its times are offsets from its start."""
    notes: tuple[str, ...] = ()
    """``code: message`` of everything that was decided by a rule, not by the path."""
    settings: Camera = field(default_factory=lambda: Camera(name=NO_FOLDER), compare=False)
    """What holds for the camera."""
    matched: bool = True
    """Whether a pattern says so; otherwise the camera is the folder."""


class _Ambiguous(NamedTuple):
    """A video whose local time occurs twice."""

    video: Recorded
    local: datetime
    utc: tuple[datetime, ...]


def place(video_id: str, cameras: Cameras, uri: str = "") -> Placed:
    """Place one video by its id, or where no pattern matches that, by the path of its URI.

    A local time that occurs twice is taken for the first, unless ``fold`` is ``second``; :func:`place_all` knows more.
    """
    return place_all([Recorded(video_id, uri)], cameras)[video_id]


def place_all(videos: Iterable[Recorded], cameras: Cameras) -> dict[str, Placed]:
    """Place all videos of an archive, by id.

    A local time that the clock shows twice (``fold = "order"``) is decided by the other files of the camera, in the
    order of local time, and of the length of the name where that is equal (``x.mp4`` before ``x_1.mp4``):

    1. of the two moments the one at which the file overlaps none that is placed already;
    2. where both are free, the one at which it follows another file, or another follows it, within ``NEAR``;
    3. where both or neither do, the first.

    Every such file has a note, as has one whose local time does not exist (it is read with the offset before the
    change), one that matches no pattern, and one that overlaps the file before it.
    """
    placed: dict[str, Placed] = {}
    open_questions: dict[str, list[_Ambiguous]] = defaultdict(list)
    known: dict[str, Recorded] = {}
    for video in videos:
        known[video.video_id] = video
        placed[video.video_id], question = _by_path(video, cameras)
        if question:
            open_questions[placed[video.video_id].camera].append(question)
    by_camera: dict[str, list[str]] = defaultdict(list)
    for video_id, found in placed.items():
        by_camera[found.camera].append(video_id)
    for camera, questions in open_questions.items():
        _decide(questions, by_camera[camera], placed, known)
    for video_ids in by_camera.values():
        _note_overlaps(video_ids, placed, known)
    return placed


def cameras_of(placed: Mapping[str, Placed]) -> dict[str, Camera]:
    """Return what holds for each camera that has a video, by name: what a pattern says, where one matched.

    Raises:
        UsageError: patterns with different settings name the same camera; clocks alone may differ.
    """
    found: dict[str, Camera] = {}
    for video_id, there in sorted(placed.items(), key=lambda item: not item[1].matched):
        if not there.matched:
            found.setdefault(there.camera, there.settings)
            continue
        first = found.setdefault(there.camera, there.settings)
        if there.settings == first:
            continue
        same_clock = replace(there.settings, time_zone=first.time_zone, fold=first.fold)
        if same_clock != first:
            raise UsageError(
                f"camera {there.camera!r:.80} has different settings by different patterns (seen at {video_id!r:.80}); "
                "give them in one [[camera]] with its name"
            )
    return found


def _by_path(video: Recorded, cameras: Cameras) -> tuple[Placed, _Ambiguous | None]:
    """What the path alone says; a time that occurs twice is left open where the order of files is to decide."""
    found = cameras.find(video.video_id, _path_of(video.uri))
    if found is None:
        folder = video.video_id.rpartition("/")[0] or NO_FOLDER
        notes = ("no_pattern: no pattern of the cameras matches this video",) if cameras.rules else ()
        return Placed(folder, None, notes, cameras.camera(folder), matched=False), None
    rule, said = found
    name = rule.name if rule.name is not None else id_from_key(said.camera or NO_FOLDER)
    camera = cameras.camera(name, rule)
    if said.problem:
        return Placed(name, None, (f"no_time: {said.problem}",), camera), None
    if said.local is not None and said.local.year not in YEARS:
        note = f"no_time: {said.local} is not between {YEARS[0]} and {YEARS[-1]}"
        return Placed(name, None, (note,), camera), None
    if said.local is None or said.local.tzinfo is not None:
        return Placed(name, said.local, (), camera), None
    moment = moments(said.local, ZoneInfo(camera.time_zone))
    if moment.kind == "missing":
        note = f"missing_time: {said.local} does not exist in {camera.time_zone}; read as {moment.utc[0]:%H:%M:%S} UTC"
        return Placed(name, moment.utc[0], (note,), camera), None
    if moment.kind == "plain":
        return Placed(name, moment.utc[0], (), camera), None
    if camera.fold == "order":
        return Placed(name, None, (), camera), _Ambiguous(video, said.local, moment.utc)
    chosen = moment.utc[camera.fold == "second"]
    return Placed(name, chosen, (_ambiguous_note(said.local, chosen, "as fold says"),), camera), None


def _path_of(uri: str) -> str:
    """The path of a URI as its files are called; of object storage keys are literal."""
    return unquote(uri) if uri.startswith("file://") else uri


def _ambiguous_note(local: datetime, chosen: datetime, why: str) -> str:
    return f"ambiguous_time: the clock shows {local} twice; read as {chosen:%H:%M:%S} UTC, {why}"


class _Interval(NamedTuple):
    start: datetime
    end: datetime


def _interval(start: datetime, video: Recorded) -> _Interval:
    return _Interval(start, start + timedelta(seconds=min(max(video.duration_s or 0.0, 0.0), LONGEST_S)))


def _decide(
    questions: Sequence[_Ambiguous], video_ids: Sequence[str], placed: dict[str, Placed], known: dict[str, Recorded]
) -> None:
    """Choose a moment for every video of a camera whose local time occurs twice."""
    taken = [_interval(start, known[i]) for i in video_ids for start in [placed[i].start_utc] if start]
    # only what is near matters, and there may be years of it
    first = min(question.utc[0] for question in questions) - timedelta(days=1)
    last = max(question.utc[-1] for question in questions) + timedelta(days=1)
    taken = [there for there in taken if there.end > first and there.start < last]
    order = sorted(questions, key=lambda q: (q.local, len(q.video.video_id), q.video.video_id))
    for video, local, utc in order:
        intervals = [_interval(start, video) for start in utc]
        free = [not any(_overlap(here, there) for there in taken) for here in intervals]
        joined = [any(_follow(here, there) for there in taken) for here in intervals]
        second, why = _choice(free, joined)
        taken.append(intervals[second])
        there = placed[video.video_id]
        note = _ambiguous_note(local, utc[second], why)
        placed[video.video_id] = replace(there, start_utc=utc[second], notes=(*there.notes, note))


def _choice(free: Sequence[bool], joined: Sequence[bool]) -> tuple[int, str]:
    if free[0] != free[1]:
        return int(free[1]), "the other moment is taken by another file"
    if free[0] and joined[0] != joined[1]:
        return int(joined[1]), "next to another file"
    return 0, "the first, because the other files do not decide"


def _overlap(one: _Interval, other: _Interval) -> bool:
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared > SLACK or abs(one.start - other.start) < SLACK


def _follow(one: _Interval, other: _Interval) -> bool:
    return min(abs(one.start - other.end), abs(other.start - one.end)) <= NEAR


def _note_overlaps(video_ids: Sequence[str], placed: dict[str, Placed], known: dict[str, Recorded]) -> None:
    """Note files that start before an earlier one of the same camera has ended."""
    timed = sorted((start, i) for i in video_ids for start in [placed[i].start_utc] if start)
    reached, before = datetime.min.replace(tzinfo=UTC), ""
    for start, video_id in timed:
        if reached - start > SLACK:
            shared = (reached - start).total_seconds()
            note = f"overlap: it starts {shared:.0f} s before the end of {before}"
            placed[video_id] = replace(placed[video_id], notes=(*placed[video_id].notes, note))
        end = _interval(start, known[video_id]).end
        if end > reached:
            reached, before = end, video_id
