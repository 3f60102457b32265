"""Whether the store of the videos works, found out from a few of them."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence

from wsvad.manifest.listing import VideoRef
from wsvad.manifest.source import StoredVideo
from wsvad.storage import StoreOptions
from wsvad.work.health import CHECK_EVERY_S, check_readable, sample_evenly, with_short_timeouts


def look_at(video: VideoRef, options: StoreOptions) -> None:
    """Read the first byte of a video, with little patience.

    Raises:
        StorageError: it cannot be read.
    """
    StoredVideo(video, with_short_timeouts(options)).read_at(0, 1)


class SourceWatch:
    """Ends the indexing of videos whose store does not work: else each of them would wait for it in turn.

    Args:
        videos: that are being indexed.
        options: how to reach them.
    """

    def __init__(self, videos: Sequence[VideoRef], options: StoreOptions) -> None:
        self._videos = videos
        self._options = options
        self._unreachable: set[str] = set()
        self._looked = -CHECK_EVERY_S

    def note(self, video: VideoRef, *, reached: bool) -> None:
        """Take note of whether a video could be reached; where one could not, look at others.

        Raises:
            StorageError: none of them can be read either.
        """
        if reached:
            return
        self._unreachable.add(video.content_id)
        if time.monotonic() - self._looked < CHECK_EVERY_S:
            return
        others = sample_evenly([v for v in self._videos if v.content_id not in self._unreachable])
        error = check_readable([functools.partial(look_at, v, self._options) for v in others])
        if error is not None:
            raise error
        self._looked = time.monotonic()
