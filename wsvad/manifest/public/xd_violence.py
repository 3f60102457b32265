"""XD-Violence: 4,754 videos from films and the web (Wu et al., ECCV 2020).

The label is part of a video's name: ``…_label_A`` is normal, ``…_label_B2-G-0`` has shooting and, less important, an
explosion. ``train_videos.txt`` and ``test_videos.txt`` have lines ``name label``; the authors' lists of feature files,
``rgb.list`` and ``rgb_test.list``, are supported as well. ``annotations.txt`` has lines ``name start end start end …``
for the 500 anomalous test videos. Frames are assumed to count from 0, half-open: 88 events start at 0, and the authors'
evaluation marks ``truth[start:end]``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from wsvad.errors import ManifestError
from wsvad.manifest.names import Split
from wsvad.manifest.public.folder import Folder, frame_pairs, stem
from wsvad.manifest.records import VideoRecord
from wsvad.manifest.truth import merge_spans

CATEGORIES = {
    "A": "Normal",
    "B1": "Fighting",
    "B2": "Shooting",
    "B4": "Riot",
    "B5": "Abuse",
    "B6": "Car accident",
    "G": "Explosion",
}
"""Categories of the codes. A video with several codes has the category of the first, most important one."""

_LABEL = re.compile(r"_label_([A-Z]\d?)(?:-[A-Z0-9]+)*$")
_ANNOTATION = re.compile(r"(?P<name>.*_label_[A-Z0-9-]+(?:\.[A-Za-z0-9]+)?)\s+(?P<frames>.*)")
_FEATURE_FILE = re.compile(r"(?:__\d+)?\.npy$")


def read(folder: Folder) -> list[VideoRecord]:
    """Read the videos of both splits, with the spans of the test videos. Raises ``ManifestError``."""
    train = _videos(folder, ("train_videos.txt", "rgb.list"), "train")
    test = {video.video_id: video for video in _videos(folder, ("test_videos.txt", "rgb_test.list"), "test")}
    seen: set[str] = set()
    for where, line in folder.lines("annotations.txt"):
        match = _ANNOTATION.fullmatch(line)
        video = test.get(stem(match["name"])) if match else None
        if match is None or video is None or video.label == 0 or video.video_id in seen:
            raise ManifestError(f"{where}: expected an anomalous test video that occurs once, got {line!r:.160}")
        seen.add(video.video_id)
        test[video.video_id] = replace(video, spans=merge_spans(frame_pairs(match["frames"].split(), where, first=0)))
    bare = [i for i, video in test.items() if video.label == 1 and not video.spans]
    if bare:
        raise ManifestError(
            f"{folder.where('annotations.txt')}: {len(bare)} anomalous test videos are missing, e.g. {bare[0]}"
        )
    return [*train, *test.values()]


def _videos(folder: Folder, names: tuple[str, ...], split: Split) -> list[VideoRecord]:
    videos: dict[str, VideoRecord] = {}
    for where, line in folder.lines(*names):
        name, stated = _name_and_label(line)
        match = _LABEL.search(name)
        if match is None or match[1] not in CATEGORIES:
            raise ManifestError(
                f"{where}: expected a name that ends with _label_A or codes such as B2-G-0: {line!r:.160}"
            )
        label = int(match[1] != "A")
        if stated is not None and stated != label:
            raise ManifestError(f"{where}: the list has label {stated}, the name has label {label}: {name!r:.160}")
        # Lists of feature files contain every video five times, once per crop.
        videos[name] = VideoRecord(name, f"{name}.mp4", label, split, CATEGORIES[match[1]])
    return list(videos.values())


def _name_and_label(line: str) -> tuple[str, int | None]:
    name, _, last = line.rpartition(" ")
    stated = int(last) if name and last in ("0", "1") else None
    name = line if stated is None else name.strip()
    return stem(_FEATURE_FILE.sub("", name)), stated
