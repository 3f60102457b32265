"""Training manifest from verdicts: videos with one label each, excluding test and validation videos."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wsvad.manifest.records import VideoRecord
from wsvad.review.matching import MatchedVerdicts
from wsvad.review.reading import Archive
from wsvad.review.statistics import majority_verdict

HELD_OUT = ("test", "val")


@dataclass(frozen=True)
class TrainingVideos:
    """Videos for training, and why others are excluded."""

    records: tuple[VideoRecord, ...]
    left_out: Mapping[str, str]
    """Reasons by video id."""


def training_videos(archive: Archive, matches: MatchedVerdicts, splits: Iterable[VideoRecord]) -> TrainingVideos:
    """Label videos by the verdicts on their events.

    A video is anomalous if any of its events, or a span in it, was judged true. It is normal if all its currently
    published events were judged false. Verdicts on footage that was replaced since are ignored. Anomalous frames are
    not annotated, because reviewers only saw parts of the video.

    Args:
        archive: the currently published data.
        matches: verdicts matched to events.
        splits: records of all videos used for evaluation; test and validation videos, and videos with the same content
            or URI, are excluded.
    """
    held = [record for record in splits if record.split in HELD_OUT]
    held_ids = {record.video_id: str(record.split) for record in held}
    held_uris = {_plain(record.uri): str(record.split) for record in held}
    rows = archive.scores.videos
    held_contents = {rows[i]["content_id"]: split for i, split in held_ids.items() if i in rows}
    judgements, events = _judgements(archive, matches)
    records: list[VideoRecord] = []
    left_out: dict[str, str] = {}
    for video_id in sorted(judgements):
        row = rows.get(video_id)
        if row is None:
            left_out[video_id] = "it no longer has scores"
            continue
        split = held_ids.get(video_id) or held_contents.get(row["content_id"]) or held_uris.get(_plain(str(row["uri"])))
        if split:
            left_out[video_id] = f"it is in the {split} split"
            continue
        label, why = _label(judgements[video_id], events.get(video_id, 0))
        if label is None:
            left_out[video_id] = why
            continue
        records.append(
            VideoRecord(
                video_id, str(row["uri"]), label, "train",
                num_frames=row["num_frames"], width=row["width"], height=row["height"],
            )
        )  # fmt: skip
    return TrainingVideos(tuple(records), left_out)


def _plain(uri: str) -> str:
    return uri.removeprefix("file://")


def _judgements(archive: Archive, matches: MatchedVerdicts) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return the majority verdict of each event or span by video, and the number of events by video."""
    judgements: dict[str, list[str]] = defaultdict(list)
    events: dict[str, int] = defaultdict(int)
    for row in archive.events:
        by = matches.by_event.get(row["event_id"], {})
        for video_id in {part["video_id"] for part in row["parts"] or ()}:
            events[video_id] += 1
            if by:
                judgements[video_id].append(majority_verdict(match.value for match in by.values()))
    for verdict in (*matches.controls, *matches.missed):
        if verdict.verdict in ("true", "missed"):
            now = archive.scores.videos.get(verdict.video_id)
            same = now is None or now["content_id"] == verdict.content_id
            judgements[verdict.video_id].append("true" if same else "of footage that was replaced since")
    return judgements, events


def _label(judgements: Sequence[str], events: int) -> tuple[int | None, str]:
    if "true" in judgements:
        return 1, ""
    if judgements.count("false") == events and len(judgements) == events:
        return 0, ""
    words = sorted(set(judgements) - {"false"})
    return None, f"some of its events are {' or '.join(words)}" if words else "not all of its events were judged"
