"""Detect an unavailable store of the videos by probing a few of them."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence

from wsvad.manifest.listing import VideoRef
from wsvad.manifest.source import StoredVideo
from wsvad.storage import StoreOptions
from wsvad.work.health import CHECK_EVERY_S, check_readable, sample_evenly, with_short_timeouts


def probe_video(video: VideoRef, options: StoreOptions) -> None:
    """Read the first byte of a video, with few retries.

    Raises:
        StorageError: It cannot be read.
    """
    StoredVideo(video, with_short_timeouts(options)).read_at(0, 1)


class SourceMonitor:
    """Aborts indexing if the videos' store is unavailable; otherwise every video would wait for it in turn.

    Args:
        videos: Videos to index.
        options: Access options of their stores.
    """

    def __init__(self, videos: Sequence[VideoRef], options: StoreOptions) -> None:
        self._videos = videos
        self._options = options
        self._unreachable: set[str] = set()
        self._probed_at = -CHECK_EVERY_S

    def record(self, video: VideoRef, *, reached: bool) -> None:
        """Record whether a video could be read; after a failure, probe other videos.

        Raises:
            StorageError: None of them can be read either.
        """
        if reached:
            return
        self._unreachable.add(video.content_id)
        if time.monotonic() - self._probed_at < CHECK_EVERY_S:
            return
        others = sample_evenly([v for v in self._videos if v.content_id not in self._unreachable])
        error = check_readable([functools.partial(probe_video, v, self._options) for v in others])
        if error is not None:
            raise error
        self._probed_at = time.monotonic()
