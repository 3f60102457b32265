"""What reviewers said as a manifest for the next training: videos with a label each, never one of a test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wsvad.manifest.records import VideoRecord
from wsvad.review.attaching import Attachments
from wsvad.review.figures import outcome
from wsvad.review.reading import Archive

HELD_OUT = ("test", "val")


@dataclass(frozen=True)
class TrainingVideos:
    """Videos for training, and why others are not among them."""

    records: tuple[VideoRecord, ...]
    left_out: Mapping[str, str]
    """Reason by video id."""


def training_videos(archive: Archive, attachments: Attachments, splits: Iterable[VideoRecord]) -> TrainingVideos:
    """Label videos by what reviewers said of their events.

    A video is anomalous where any of its events, or a span of it, was judged true; normal where every event of it that
    is published now was judged false. Spans of footage that was replaced since say nothing of the
    video. Which frames are anomalous is not claimed: nobody looked at the rest.

    Args:
        archive: what is published now.
        attachments: verdicts with their events.
        splits: of all data sets that the model is ever measured on; videos of a test or validation split, and others
            with the same content or the same place, are left out.
    """
    held = [record for record in splits if record.split in HELD_OUT]
    held_ids = {record.video_id: str(record.split) for record in held}
    held_uris = {_plain(record.uri): str(record.split) for record in held}
    rows = archive.scores.videos
    held_contents = {rows[i]["content_id"]: split for i, split in held_ids.items() if i in rows}
    said, events = _said(archive, attachments)
    records: list[VideoRecord] = []
    left_out: dict[str, str] = {}
    for video_id in sorted(said):
        row = rows.get(video_id)
        if row is None:
            left_out[video_id] = "it has no scores any more"
            continue
        split = held_ids.get(video_id) or held_contents.get(row["content_id"]) or held_uris.get(_plain(str(row["uri"])))
        if split:
            left_out[video_id] = f"it is of the {split} split"
            continue
        label, why = _label(said[video_id], events.get(video_id, 0))
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


def _said(archive: Archive, attachments: Attachments) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return what was said of each video, one word an event or span, and how many events it has."""
    said: dict[str, list[str]] = defaultdict(list)
    events: dict[str, int] = defaultdict(int)
    for row in archive.events:
        by = attachments.by_event.get(row["event_id"], {})
        for video_id in {part["video_id"] for part in row["parts"] or ()}:
            events[video_id] += 1
            if by:
                said[video_id].append(outcome(attached.said for attached in by.values()))
    for verdict in (*attachments.controls, *attachments.missed):
        if verdict.verdict in ("true", "missed"):
            now = archive.scores.videos.get(verdict.video_id)
            same = now is None or now["content_id"] == verdict.content_id
            said[verdict.video_id].append("true" if same else "of footage that was replaced since")
    return said, events


def _label(said: Sequence[str], events: int) -> tuple[int | None, str]:
    if "true" in said:
        return 1, ""
    if said.count("false") == events and len(said) == events:
        return 0, ""
    words = sorted(set(said) - {"false"})
    return None, f"some of its events are {' or '.join(words)}" if words else "not all of its events were judged"
