"""SurvFight: fights in real surveillance footage, composed so that the classes differ only in the fight.

Each track (temporal, spatial) is a folder with ``videos.csv`` (``video,split,label,class,frames,fps,width,height``),
``train_list.txt`` and ``test_list.txt`` (``name label``), ``test_temporal_annotations.txt`` (as UCF-Crime: frames from
1, both ends inclusive) and ``test_boxes.csv`` (``video,frame_start,frame_end,x1,y1,x2,y2``, from 0, half-open; one row
per event and tile). The videos of ``test_list.txt`` have split ``test`` here. They are published for model *selection*,
so metrics on them are validation metrics; final metrics need videos of other sources in the same layout.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from wsvad.errors import ManifestError
from wsvad.manifest.public.folder import Folder, frame_pairs, parse_int
from wsvad.manifest.records import Box, VideoRecord
from wsvad.manifest.truth import Span, merge_spans

_COLUMNS = ("video", "split", "label", "class", "frames", "width", "height")
_CORNERS = ("frame_start", "frame_end", "x1", "y1", "x2", "y2")


def read(folder: Folder) -> list[VideoRecord]:
    """Read the videos of one track. Files of splits that do not occur in ``videos.csv`` are not needed.

    Raises:
        ManifestError: a file is missing, the files contradict each other, or the folder contains both tracks.
    """
    rows = {row["video"]: (where, row) for where, row in folder.rows("videos.csv", _COLUMNS)}
    splits = {row["split"] for _, row in rows.values()}
    for split in sorted(splits):
        _check_list(folder, split, {name: row["label"] for name, (_, row) in rows.items() if row["split"] == split})
    spans = _spans(folder) if "test" in splits else {}
    boxes = _boxes(folder) if "test" in splits else {}
    test = {name for name, (_, row) in rows.items() if row["split"] == "test"}
    odd = sorted((set(spans) ^ test) | (set(boxes) - test))
    if odd:
        raise ManifestError(f"{folder.where('videos.csv')}: {odd[0]} is in some of the test files but not in others")
    return [_record(name, row, where, spans, boxes) for name, (where, row) in rows.items()]


def _record(
    name: str,
    row: Mapping[str, str],
    where: str,
    spans: Mapping[str, tuple[Span, ...]],
    boxes: Mapping[str, tuple[Box, ...]],
) -> VideoRecord:
    record = VideoRecord(
        video_id=name,
        uri=name,
        label=parse_int(row["label"], "label", where),
        split="test" if row["split"] == "test" else "train",
        category=row["class"],
        num_frames=parse_int(row["frames"], "frames", where),
        width=parse_int(row["width"], "width", where),
        height=parse_int(row["height"], "height", where),
        spans=spans.get(name),
        boxes=boxes.get(name),
    )
    if name in spans and merge_spans((b.start_frame, b.end_frame) for b in record.boxes or ()) != (record.spans or ()):
        raise ManifestError(f"{where}: the boxes and the temporal annotation of {name} have different frames")
    return record


def _check_list(folder: Folder, split: str, expected: Mapping[str, str]) -> None:
    if split not in ("train", "test"):
        raise ManifestError(f"{folder.where('videos.csv')}: split must be train or test, got {split!r:.40}")
    listed = {}
    for where, line in folder.lines(f"{split}_list.txt"):
        name, _, label = line.rpartition(" ")
        if name.strip() not in expected or label != expected[name.strip()]:
            raise ManifestError(f"{where}: {line!r:.120} is not a {split} video of videos.csv with that label")
        listed[name.strip()] = label
    absent = sorted(set(expected) - set(listed))
    if absent:
        raise ManifestError(f"{folder.where(f'{split}_list.txt')}: {len(absent)} videos are missing, e.g. {absent[0]}")


def _spans(folder: Folder) -> dict[str, tuple[Span, ...]]:
    spans = {}
    for where, line in folder.lines("test_temporal_annotations.txt"):
        words = line.split()
        if len(words) < 2:
            raise ManifestError(f"{where}: expected name, class and pairs of frames, got {line!r:.120}")
        spans[words[0]] = merge_spans(frame_pairs(words[2:], where, first=1))
    return spans


def _boxes(folder: Folder) -> dict[str, tuple[Box, ...]]:
    boxes: dict[str, list[Box]] = defaultdict(list)
    for where, row in folder.rows("test_boxes.csv", ("video", *_CORNERS)):
        start, end, x1, y1, x2, y2 = (parse_int(row[column], column, where) for column in _CORNERS)
        boxes[row["video"]].append(Box(start, end, x1, y1, x2, y2, len(boxes[row["video"]])))
    return {name: tuple(rows) for name, rows in boxes.items()}
