"""Bytes of a stored video for the decoder: ranges, pinned to the content that was listed."""

from __future__ import annotations

from dataclasses import replace

from wsvad.manifest.listing import VideoRef
from wsvad.storage import StoreOptions, open_store


class StoredVideo:
    """The :class:`wsvad.video.ByteSource` of an object. Every read fails if the object is no longer what was listed.

    Raises on read:
        ObjectNotFound, ObjectChanged, AccessDenied, StoreUnavailable: never evidence against the video.
    """

    def __init__(self, video: VideoRef, options: StoreOptions) -> None:
        self._store = open_store(video.root, replace(options, follow_links=True))  # the listing chose
        self._info = video.info
        self.size = video.info.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return the bytes ``[offset, offset + length)``, fewer only at the end of the object."""
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        return self._store.read_range(self._info.key, offset, end, expect=self._info)
