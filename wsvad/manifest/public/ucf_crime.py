"""UCF-Crime: 1,900 surveillance videos of 13 crime categories and of normal activity (Sultani et al., CVPR 2018).

Training: ``Anomaly_Train.txt``, one line ``Class/name.mp4`` per video. Test: ``Temporal_Anomaly_Annotation.txt``, lines
``name Class start1 end1 start2 end2`` with frames from 1, both ends inclusive, and -1 for no event.

``ucf-crime-boxes`` adds the boxes of Liu and Ma (ACM MM 2019): ``test_boxes.csv`` and ``train_boxes.csv`` with columns
``video,class,frame,x1,y1,x2,y2``, frames from 1, pixels of 320x240. Every 16th frame of an event is annotated; a box is
extended to the frames nearest to it within the event, at most 16 to either side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from wsvad.errors import ManifestError
from wsvad.manifest.names import Split
from wsvad.manifest.public.folder import Folder, frame_pairs, parse_int
from wsvad.manifest.public.tracks import Sighting, extend
from wsvad.manifest.records import Box, VideoRecord

NORMAL = "Normal"
CATEGORIES = frozenset(
    (
        "Abuse Arrest Arson Assault Burglary Explosion Fighting RoadAccidents Robbery Shooting Shoplifting Stealing"
        " Vandalism"
    ).split()
)
BOX_STEP = 16
"""Frames between two annotated boxes of Liu and Ma while the object is visible."""
WIDTH, HEIGHT = 320, 240

_TEST_NAMES = ("Temporal_Anomaly_Annotation.txt", "Temporal_Anomaly_Annotation_for_Testing_Videos.txt")
_NORMAL_FOLDERS: Mapping[str, str] = {
    "train": "Training_Normal_Videos_Anomaly",
    "test": "Testing_Normal_Videos_Anomaly",
}


def read(folder: Folder) -> list[VideoRecord]:
    """Read the videos of ``ucf-crime``: all labels, and spans of the test videos. Raises ``ManifestError``."""
    return [*_train(folder), *_test(folder)]


def read_with_boxes(folder: Folder) -> list[VideoRecord]:
    """Read the videos of ``ucf-crime-boxes``: as :func:`read`, with the boxes of Liu and Ma.

    The boxes of training videos are optional, because weak supervision does not use them.
    """
    records = read(folder)
    for split in ("train", "test"):
        if split == "test" or folder.has("train_boxes.csv"):
            records = _add_boxes(folder, records, split)
    return records


def _add_boxes(folder: Folder, records: list[VideoRecord], split: str) -> list[VideoRecord]:
    name = f"{split}_boxes.csv"
    boxes = _boxes(folder, name)
    known = {r.video_id for r in records if r.split == split and r.label == 1}
    if set(boxes) != known:
        odd = sorted(set(boxes) ^ known)
        raise ManifestError(
            f"{folder.where(name)}: expected boxes for exactly the {len(known)} anomalous {split} videos;"
            f" {len(odd)} do not match, e.g. {odd[0]}"
        )
    return [_with_boxes(r, boxes[r.video_id], folder) if r.video_id in boxes else r for r in records]


def _train(folder: Folder) -> list[VideoRecord]:
    records = []
    for where, line in folder.lines("Anomaly_Train.txt"):
        parts = line.split("/")
        if len(parts) != 2:
            raise ManifestError(f"{where}: expected Class/name.mp4, got {line!r:.120}")
        category = NORMAL if parts[0] == _NORMAL_FOLDERS["train"] else parts[0]
        records.append(record(parts[1], category, "train", where))
    return records


def _test(folder: Folder) -> list[VideoRecord]:
    records = []
    for where, line in folder.lines(*_TEST_NAMES):
        words = line.split()
        if len(words) < 4:
            raise ManifestError(f"{where}: expected name, class and pairs of frames, got {line!r:.120}")
        spans = frame_pairs(words[2:], where, first=1)
        if (words[1] == NORMAL) != (spans == ()):
            raise ManifestError(f"{where}: {words[0]} is of class {words[1]!r:.40} but has {len(spans)} events")
        records.append(record(words[0], words[1], "test", where, spans))
    return records


def record(
    name: str, category: str, split: Split, where: str, spans: tuple[tuple[int, int], ...] | None = None
) -> VideoRecord:
    """Return the record of a UCF-Crime video. Its id is its file name, the same in every data set with the video.

    Raises:
        ManifestError: the class is neither one of the 13 nor ``Normal``.
    """
    if category != NORMAL and category not in CATEGORIES:
        raise ManifestError(
            f"{where}: unknown class {category!r:.80}; known: {NORMAL}, {', '.join(sorted(CATEGORIES))}"
        )
    video_id = name if PurePosixPath(name).suffix else f"{name}.mp4"
    return VideoRecord(
        video_id=video_id,
        uri=f"{_NORMAL_FOLDERS[split] if category == NORMAL else category}/{video_id}",
        label=int(category != NORMAL),
        split=split,
        category=category,
        spans=spans,
    )


def _boxes(folder: Folder, name: str) -> dict[str, list[Sighting]]:
    boxes: dict[str, list[Sighting]] = defaultdict(list)
    for where, row in folder.rows(name, ("video", "frame", "x1", "y1", "x2", "y2")):
        frame, *corners = (parse_int(row[column], column, where) for column in ("frame", "x1", "y1", "x2", "y2"))
        x1, y1, x2, y2 = corners
        if frame < 1 or not (0 <= x1 < x2 <= WIDTH and 0 <= y1 < y2 <= HEIGHT):
            raise ManifestError(f"{where}: expected a frame from 1 on and a box inside {WIDTH}x{HEIGHT}, got {row}")
        boxes[row["video"]].append(Sighting(frame - 1, x1, y1, x2, y2))
    return boxes


def _with_boxes(video: VideoRecord, sightings: list[Sighting], folder: Folder) -> VideoRecord:
    try:
        boxes: tuple[Box, ...] = extend(sightings, reach=BOX_STEP, within=video.spans)
    except ValueError as error:
        raise ManifestError(f"{folder.where('test_boxes.csv')}: {video.video_id}: {error}") from error
    return replace(video, width=WIDTH, height=HEIGHT, boxes=boxes)
