"""Byte access to a stored video for the decoder: range reads that fail if the content has changed since the listing."""

from __future__ import annotations

from dataclasses import replace

from wsvad.manifest.listing import VideoRef
from wsvad.storage import StoreOptions, open_store


class StoredVideo:
    """A :class:`wsvad.video.ByteSource` of a stored object. Reads fail if the object has changed since it was listed.

    Raises on read:
        ObjectNotFound, ObjectChanged, AccessDenied, StoreUnavailable: the store failed; not evidence against the video.
    """

    def __init__(self, video: VideoRef, options: StoreOptions) -> None:
        # The listing decided whether a link may be followed.
        self._store = open_store(video.root, replace(options, follow_links=True))
        self._info = video.info
        self.size = video.info.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return the bytes ``[offset, offset + length)``; fewer only at the end of the object."""
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        return self._store.read_range(self._info.key, offset, end, expect=self._info)
