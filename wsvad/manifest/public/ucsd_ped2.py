"""UCSD Ped2: 28 short videos of one walkway, 16 normal, 12 with bicycles, carts, skaters (Mahadevan et al., 2010).

``videos.csv`` has ``video,part,frames,fps,width,height,anomalous_intervals`` (frames from 0, half-open).
``test_boxes.csv`` has one box per frame and connected component of the published pixel masks; boxes that overlap from
frame to frame are linked into tracks.

The data set was made for training on normal videos only. For weak supervision some of the 12 anomalous videos have to
be used for training. All videos are of one camera, so all splits share the scene.
"""

from __future__ import annotations

from collections import defaultdict
from typing import get_args

from wsvad.errors import ManifestError, UsageError
from wsvad.manifest.names import Ped2Split, Split
from wsvad.manifest.public.folder import Folder, parse_int
from wsvad.manifest.public.tracks import link
from wsvad.manifest.records import Box, VideoRecord
from wsvad.manifest.truth import parse_spans


def read(folder: Folder, split: Ped2Split = "weak") -> list[VideoRecord]:
    """Read all 28 videos with frame size, length, spans and boxes. Raises ``ManifestError``."""
    if split not in get_args(Ped2Split):
        raise UsageError(f"the split of Ped2 must be one of {', '.join(get_args(Ped2Split))}, got {split!r}")
    boxes = _boxes(folder)
    records = []
    for where, row in folder.rows("videos.csv", ("video", "frames", "width", "height", "anomalous_intervals")):
        try:
            spans = parse_spans(row["anomalous_intervals"])
        except ValueError as error:
            raise ManifestError(f"{where}: {error}") from error
        name = row["video"]
        records.append(
            VideoRecord(
                video_id=name,
                uri=name,
                label=int(bool(spans)),
                split=_split(name, split, where),
                category="Anomaly" if spans else "Normal",
                num_frames=parse_int(row["frames"], "frames", where),
                width=parse_int(row["width"], "width", where),
                height=parse_int(row["height"], "height", where),
                spans=spans,
                boxes=link(boxes.pop(name, [])),
            )
        )
    if boxes:
        raise ManifestError(f"{folder.where('test_boxes.csv')}: {sorted(boxes)[0]} is not in videos.csv")
    return records


def _split(name: str, split: Ped2Split, where: str) -> Split:
    part, number = name[:-7], name[-7:-4]
    if part not in ("Train", "Test") or not number.isdigit():
        raise ManifestError(f"{where}: expected a name such as Train001.mp4 or Test001.mp4, got {name!r:.80}")
    if split == "original":
        return "train" if part == "Train" else "test"
    if part == "Test":
        odd = int(number) % 2 == 1
        return "train" if odd == (split == "weak") else "test"
    return "train" if (int(number) <= 10 if split == "weak" else int(number) >= 7) else "test"


def _boxes(folder: Folder) -> dict[str, list[Box]]:
    boxes: dict[str, list[Box]] = defaultdict(list)
    columns = ("frame_start", "frame_end", "x1", "y1", "x2", "y2")
    for where, row in folder.rows("test_boxes.csv", ("video", *columns)):
        start, end, x1, y1, x2, y2 = (parse_int(row[column], column, where) for column in columns)
        boxes[row["video"]].append(Box(start, end, x1, y1, x2, y2))
    return boxes
