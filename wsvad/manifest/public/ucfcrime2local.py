"""UCFCrime2Local: 200 videos of six crime categories with a box in every frame, 100 normal ones (Landi et al., 2019).

``Train_split_AD.txt`` and ``Test_split_AD.txt`` contain one name per line (``Arrest001``, ``Normal_Videos003``); next
to them, ``Arrest001.txt`` etc. contain rows of the annotation tool VATIC, separated by spaces::

    track xmin ymin xmax ymax frame lost occluded generated "label" [attributes …]

VATIC counts frames from 0. ``lost`` = 1 means that the object is not in the frame. Pixels are those of the stored
320x240 videos. All anomalous videos are in UCF-Crime's training list, with the same ids.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import PurePosixPath

from wsvad.errors import ManifestError
from wsvad.manifest.names import Split
from wsvad.manifest.public.folder import Folder, parse_int, stem
from wsvad.manifest.public.ucf_crime import HEIGHT, NORMAL, WIDTH, record
from wsvad.manifest.records import Box, VideoRecord
from wsvad.manifest.truth import merge_spans

_NAME = re.compile(r"(?P<category>[A-Za-z_]+?)_?\d+(?:_x264)?")


def read(folder: Folder) -> list[VideoRecord]:
    """Read the videos of both splits, with spans and boxes of anomalous videos.

    Raises:
        ManifestError: a file is missing, a row is not in VATIC's format, or the class of a name is unknown.
    """
    return [*_split(folder, "Train_split_AD.txt", "train"), *_split(folder, "Test_split_AD.txt", "test")]


def _split(folder: Folder, list_name: str, split: Split) -> list[VideoRecord]:
    records = []
    for where, line in folder.lines(list_name):
        name = stem(line.split()[0])
        match = _NAME.fullmatch(PurePosixPath(name).name)
        if match is None:
            raise ManifestError(f"{where}: expected a name such as Arrest001, got {line!r:.80}")
        category = NORMAL if match["category"].startswith("Normal") else match["category"]
        video = record(name if name.endswith("_x264") else f"{name}_x264", category, split, where)
        records.append(video if video.label == 0 else _with_truth(video, name, folder))
    return records


def _with_truth(video: VideoRecord, name: str, folder: Folder) -> VideoRecord:
    short = name.removesuffix("_x264")
    boxes = parse_vatic(list(folder.lines(f"{short}.txt", f"{short}_x264.txt")))
    if not boxes:
        raise ManifestError(f"the annotation of {video.video_id} has no row in which the object is visible")
    spans = merge_spans((box.start_frame, box.end_frame) for box in boxes)
    return replace(video, spans=spans, boxes=boxes, width=WIDTH, height=HEIGHT)


def parse_vatic(lines: list[tuple[str, str]]) -> tuple[Box, ...]:
    """Parse VATIC rows into boxes, sorted by track and frame; a stationary box is merged over consecutive frames.

    Args:
        lines: pairs ``(where, line)``; rows with ``lost`` = 1 are skipped.

    Raises:
        ManifestError: too few columns, a value that is not an integer, an empty box, or two boxes of a track
            in a frame.
    """
    rows: dict[int, dict[int, tuple[int, ...]]] = defaultdict(dict)
    for where, line in lines:
        words = line.split()
        if len(words) < 10:
            raise ManifestError(f"{where}: expected a VATIC row of 10 or more columns, got {len(words)}: {line!r:.120}")
        names = ("track", "xmin", "ymin", "xmax", "ymax", "frame", "lost")
        track, *corners, frame, lost = (parse_int(w, n, where) for w, n in zip(words, names, strict=False))
        if frame < 0 or track < 0 or lost not in (0, 1):
            raise ManifestError(f"{where}: expected track and frame from 0, and lost 0 or 1, got {line!r:.120}")
        if lost:
            continue
        if not (corners[0] < corners[2] and corners[1] < corners[3]):
            raise ManifestError(f"{where}: expected xmin < xmax and ymin < ymax, got {line!r:.120}")
        if frame in rows[track]:
            raise ManifestError(f"{where}: track {track} has two boxes in frame {frame}")
        rows[track][frame] = tuple(corners)
    return tuple(box for track in sorted(rows) for box in _runs(track, rows[track]))


def _runs(track: int, by_frame: dict[int, tuple[int, ...]]) -> list[Box]:
    boxes: list[Box] = []
    for frame in sorted(by_frame):
        x1, y1, x2, y2 = by_frame[frame]
        if boxes and boxes[-1].end_frame == frame and boxes[-1][2:6] == (x1, y1, x2, y2):
            boxes[-1] = boxes[-1]._replace(end_frame=frame + 1)
        else:
            boxes.append(Box(frame, frame + 1, x1, y1, x2, y2, track))
    return boxes
