"""Whether the store of the videos works, found out from a few of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from wsvad.errors import StorageError
from wsvad.extract.source import StoredVideo
from wsvad.manifest.listing import VideoRef
from wsvad.storage import StoreOptions
from wsvad.work.health import IN_A_ROW, hasty, readable

_SAMPLES = 4


def look_at(video: VideoRef, options: StoreOptions) -> None:
    """Read the first byte of a video, with little patience.

    Raises:
        StorageError: it cannot be read.
    """
    StoredVideo(video, hasty(options)).read_at(0, 1)


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
        self._in_a_row = 0
        self._look_at = IN_A_ROW

    def note(self, video: VideoRef, *, reached: bool) -> None:
        """Take note of whether a video could be reached; after three in a row that could not, look at others.

        Raises:
            StorageError: none of them can be read either.
        """
        if reached:
            self._in_a_row = 0
            return
        self._unreachable.add(video.content_id)
        self._in_a_row += 1
        if self._in_a_row < self._look_at:
            return
        others = [v for v in self._videos if v.content_id not in self._unreachable]
        chosen = others[:: max(1, len(others) // _SAMPLES)][:_SAMPLES]
        error: StorageError | None = readable([functools.partial(look_at, v, self._options) for v in chosen])
        if error is not None:
            raise error
        self._look_at *= 2  # single videos that cannot be read, however many, are no reason to stop
