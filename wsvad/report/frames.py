"""Decodes single frames of videos in a child process; a failure only omits the frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wsvad.clips import ClipSpec
from wsvad.errors import StorageError, UsageError, VideoError
from wsvad.manifest.ids import content_id
from wsvad.manifest.listing import VideoRef, resolve_uri
from wsvad.manifest.source import StoredVideo
from wsvad.metrics.results import VideoResult
from wsvad.storage import StoreOptions, open_object
from wsvad.video import Geometry, Limits, VideoReader

SIDE = 256
"""Width and height of a decoded frame in pixels; the report stretches it to the aspect ratio of the video."""
GIVE_UP = 3
"""Number of consecutive store failures after which no more videos are tried: each may take a minute of retries."""

Pictures = Mapping[str, npt.NDArray[np.uint8]]


def video_uri(uri: str, manifest_uri: str, videos_root: str | None) -> str:
    """Return the URI of a record's video, resolved against ``videos_root`` if given, else against its manifest."""
    if videos_root is None:
        return resolve_uri(manifest_uri, uri)
    return resolve_uri(videos_root.removesuffix("/") + "/manifest", uri)


def peak_frames(
    results: Sequence[VideoResult],
    manifest_uri: str,
    videos_root: str | None,
    options: StoreOptions,
    limits: Limits | None = None,
) -> tuple[Pictures, dict[str, str]]:
    """Decode the frame in the middle of each video's highest-scoring clip.

    Returns:
        RGB ``[SIDE, SIDE, 3]`` by video id, and the reason for each video without a frame.
    """
    pictures: dict[str, npt.NDArray[np.uint8]] = {}
    reasons: dict[str, str] = {}
    failures = 0
    with VideoReader(limits, queue_clips=2) as reader:
        for result in results:
            video_id = result.record.video_id
            if failures >= GIVE_UP:
                reasons[video_id] = "not tried: the store failed for the previous videos"
                continue
            try:
                uri = video_uri(result.record.uri, manifest_uri, videos_root)
                pictures[video_id] = _decode(reader, video_id, uri, result.peak_frame, options)
                failures = 0
            except (StorageError, VideoError, UsageError) as error:
                reasons[video_id] = str(error)
                failures = failures + 1 if isinstance(error, StorageError) else 0
    return pictures, reasons


def _decode(reader: VideoReader, video_id: str, uri: str, frame: int, options: StoreOptions) -> npt.NDArray[np.uint8]:
    store, key = open_object(uri, options)
    info = store.stat(key)
    source = StoredVideo(VideoRef(video_id, uri, store.uri, info, content_id(video_id, str(info.size))), options)
    index = reader.index(source, name=video_id)
    found: npt.NDArray[np.uint8] | None = None
    for clip in reader.clips(source, index, frame, frame + 1, ClipSpec(1, 1), Geometry(size=SIDE), name=video_id):
        with clip:
            found = clip.frames_THWC[0].copy()
    if found is None:
        raise VideoError("missing", f"frame {frame} of {video_id!r} cannot be decoded")
    return found
