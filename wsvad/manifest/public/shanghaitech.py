"""ShanghaiTech Campus in the weakly supervised split (Zhong et al., CVPR 2019): 238 training and 199 test videos.

Files: ``SH_Train_new.txt`` (lines ``name,label``), ``SH_Test_NEW.txt`` (``name,label,frames``, frames -1 for an
anomalous video) and ``test_frame_intervals.csv`` (``video,frames,anomalous_intervals_0based_halfopen`` of every
anomalous video). Names have three digits (training part of the original data set, stored as .avi) or four (its test
part, stored as folders of frames, which have to be encoded as videos first). Categories of anomalies are not published.
"""

from __future__ import annotations

from dataclasses import replace

from wsvad.errors import ManifestError
from wsvad.manifest.names import Split
from wsvad.manifest.public.folder import Folder, parse_int
from wsvad.manifest.records import VideoRecord
from wsvad.manifest.truth import parse_spans

INTERVALS = "anomalous_intervals_0based_halfopen"


def read(folder: Folder) -> list[VideoRecord]:
    """Read the videos of both splits. Raises ``ManifestError``."""
    truth = _intervals(folder)
    splits: tuple[tuple[str, Split], ...] = (("SH_Train_new.txt", "train"), ("SH_Test_NEW.txt", "test"))
    return [_with_truth(video, truth, where) for name, split in splits for where, video in _videos(folder, name, split)]


def _videos(folder: Folder, name: str, split: Split) -> list[tuple[str, VideoRecord]]:
    videos = []
    for where, line in folder.lines(name):
        words = [word.strip() for word in line.split(",")]
        if len(words) not in (2, 3) or words[1] not in ("0", "1"):
            raise ManifestError(f"{where}: expected name,label[,frames] with label 0 or 1, got {line!r:.80}")
        label = int(words[1])
        frames = parse_int(words[2], "the number of frames", where) if len(words) == 3 else -1
        video = VideoRecord(
            video_id=words[0],
            uri=words[0],
            label=label,
            split=split,
            category=None if label else "Normal",
            num_frames=None if frames == -1 else frames,
        )
        videos.append((where, video))
    return videos


def _intervals(folder: Folder) -> dict[str, tuple[int, tuple[tuple[int, int], ...]]]:
    truth = {}
    for where, row in folder.rows("test_frame_intervals.csv", ("video", "frames", INTERVALS)):
        try:
            truth[row["video"]] = (parse_int(row["frames"], "frames", where), parse_spans(row[INTERVALS]))
        except ValueError as error:
            raise ManifestError(f"{where}: {error}") from error
    return truth


def _with_truth(
    video: VideoRecord, truth: dict[str, tuple[int, tuple[tuple[int, int], ...]]], where: str
) -> VideoRecord:
    if (video.video_id in truth) != (video.label == 1):
        raise ManifestError(
            f"{where}: {video.video_id} is labelled {video.label}, but test_frame_intervals.csv, which lists the"
            f" anomalous videos, {'has' if video.label == 0 else 'does not have'} it"
        )
    if video.label == 0:
        return video
    frames, spans = truth[video.video_id]
    return replace(video, num_frames=frames, spans=spans)
