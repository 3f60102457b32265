"""UCFCrime2Local: 200 videos of six crimes with a box in every frame, and 100 normal ones (Landi et al., 2019).

``Train_split_AD.txt`` and ``Test_split_AD.txt`` hold a name a line (``Arrest001``, ``Normal_Videos003``); beside them
``Arrest001.txt`` and so on hold the rows that the annotation tool VATIC writes, separated by spaces::

    track xmin ymin xmax ymax frame lost occluded generated "label" [attributes …]

VATIC counts frames from 0. A row with ``lost`` = 1 says that the object is not in the picture. Pixels are those of the
stored 320x240 videos. All of the anomalous videos are in UCF-Crime's training list, under the same ids.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import PurePosixPath

from wsvad.errors import ManifestError
from wsvad.manifest.names import Split
from wsvad.manifest.public.folder import Folder, stem, whole
from wsvad.manifest.public.ucf_crime import HEIGHT, NORMAL, WIDTH, record
from wsvad.manifest.records import Box, VideoRecord
from wsvad.manifest.truth import merge_spans

_NAME = re.compile(r"(?P<category>[A-Za-z_]+?)_?\d+(?:_x264)?")


def read(folder: Folder) -> list[VideoRecord]:
    """Read the videos of both splits, with spans and boxes wherever an annotation file is due.

    Raises:
        ManifestError: a file is missing, a row is not as VATIC writes it, or a name is of no known class.
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
        raise ManifestError(f"the annotation of {video.video_id} has no row in which the object is in sight")
    spans = merge_spans((box.start_frame, box.end_frame) for box in boxes)
    return replace(video, spans=spans, boxes=boxes, width=WIDTH, height=HEIGHT)


def parse_vatic(lines: list[tuple[str, str]]) -> tuple[Box, ...]:
    """Read VATIC rows as boxes by track and frame; a box that stands still is one box over all of its frames.

    Args:
        lines: ``(where, line)``; rows with ``lost`` = 1 are left out.

    Raises:
        ManifestError: too few columns, no whole number, an empty box, or two boxes of a track in one frame.
    """
    rows: dict[int, dict[int, tuple[int, ...]]] = defaultdict(dict)
    for where, line in lines:
        words = line.split()
        if len(words) < 10:
            raise ManifestError(f"{where}: a VATIC row has at least 10 columns, got {len(words)}: {line!r:.120}")
        names = ("track", "xmin", "ymin", "xmax", "ymax", "frame", "lost")
        track, *corners, frame, lost = (whole(w, n, where) for w, n in zip(words, names, strict=False))
        if frame < 0 or track < 0 or lost not in (0, 1):
            raise ManifestError(f"{where}: track and frame count from 0 and lost is 0 or 1, got {line!r:.120}")
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
