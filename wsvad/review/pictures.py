"""Creates the pictures of an event, decoded in the decoder process and encoded here from raw pixels."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from wsvad.clips import ClipSpec
from wsvad.errors import UsageError, VideoError
from wsvad.extraction.indexing import IndexCache
from wsvad.manifest.ids import content_id
from wsvad.manifest.listing import VideoRef
from wsvad.manifest.source import StoredVideo
from wsvad.report.frames import video_uri
from wsvad.report.pictures import contact_sheet, jpeg, resized
from wsvad.review.choice import ReviewItem
from wsvad.review.config import MediaOptions, ReviewOptions
from wsvad.review.curves import Span, VideoCurve
from wsvad.review.detection import RegionDetector
from wsvad.review.encoding import SUFFIXES, TYPES, ClipEncoder
from wsvad.review.media import peak_of, window_of
from wsvad.review.pixelation import Frame, Pixelator
from wsvad.review.reading import Archive
from wsvad.storage import ObjectInfo, open_object, open_store
from wsvad.video import Clip, Geometry, ReadOptions, VideoIndex, VideoReader

log = logging.getLogger(__name__)

STRIP = 12
"""Number of pictures in a film strip."""
COLUMNS = 6
THUMB = 192
"""Longest side of a picture in a film strip in pixels."""
FRAME = ClipSpec(1, 1)
_NOWHERE = ObjectInfo("", 0, 0, "")


@dataclass(frozen=True)
class Pictures:
    """Pictures of an event."""

    files: Mapping[str, bytes]
    facts: Mapping[str, Any]


class PictureMaker:
    """Creates pictures of one event after another. Owns a decoder process. Not thread-safe."""

    def __init__(self, archive: Archive, options: ReviewOptions, videos: Iterable[ReviewItem] = ()) -> None:
        self._archive = archive
        self._source = options.source
        self._options = options.media
        self._reader = VideoReader(options.limits, queue_clips=8)
        self._aspects: dict[str, float] = {}
        self._indexes: dict[str, VideoIndex] = {}
        if archive.indexes:
            self._load_indexes(archive.indexes, videos)

    def __enter__(self) -> PictureMaker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the decoder process."""
        self._reader.close()

    def _load_indexes(self, root: str, videos: Iterable[ReviewItem]) -> None:
        """Read the video indexes stored by extraction, so that no video has to be scanned again."""
        refs = {
            row["video_id"]: VideoRef(
                row["video_id"], row["uri"], "", _NOWHERE, row["content_id"], self._reading(row["video_id"])
            )
            for row in (item.row for item in videos)
        }
        if refs:
            known = IndexCache(open_store(root, self._source.store), writable=False).load(list(refs.values()))
            self._indexes = {content: found.index for content, found in known.items() if found.index}

    def _reading(self, video_id: str) -> ReadOptions:
        record = self._archive.records.get(video_id)
        return ReadOptions(record.stream, record.frame_rate) if record else ReadOptions()

    def make(self, item: ReviewItem, curve: VideoCurve) -> Pictures:
        """Create strip, poster and clip of an event.

        Raises:
            VideoError: the video cannot be decoded at this position, or differs from the scored video.
            StorageError, UsageError: the video is not at its location.
        """
        row = item.row
        video_id = str(row["video_id"])
        ref = self._find(row)
        source = StoredVideo(ref, self._source.store)
        index = self._index(row, ref, source)
        window = window_of(row, self._options)
        first = min(max(0, curve.frame_at(window[0])), index.num_frames - 1)
        last = min(index.num_frames, max(first, curve.frame_at(window[1])) + 2)
        aspect = self._aspect(video_id, source, index)
        geometry, size = sizes(index.width, index.height, aspect, self._options.clip_width)
        run = cast(
            "Generator[Clip, None, None]",
            self._reader.clips(source, index, first, last, FRAME, geometry, name=video_id),
        )
        with closing(run):
            made = _PictureBuilder(self._options, window, peak_of(row), size)
            try:
                for picture_HWC, start_s, end_s in _frames(run):
                    made.add(picture_HWC, start_s, end_s)
            except VideoError as error:
                if not made.count:
                    raise
                made.notes.append(f"the clip ends early: {error}")
            except BaseException:
                made.discard()
                raise
        if not made.count:
            raise VideoError(
                "no_frames", f"{video_id!r:.120} has no frame between {window[0]:.3f} and {window[1]:.3f} s"
            )
        missing = sum(stop - start for start, stop in self._reader.report.missing)
        if missing:
            made.notes.append(f"{missing} frames of the clip could not be decoded")
        return made.finish(variable=index.variable_rate)

    def _find(self, row: Mapping[str, Any]) -> VideoRef:
        """Return a reference to the video as currently stored. Raises ``UsageError``, ``StorageError``."""
        options, video_id = self._source, str(row["video_id"])
        record = self._archive.records.get(video_id)
        if record is not None and options.manifest:
            uri = video_uri(record.uri, options.manifest, options.videos_root)
        elif options.videos_root:
            uri = f"{options.videos_root.removesuffix('/')}/{video_id}"
        else:
            uri = str(row["uri"])
        store, key = open_object(uri, options.store)
        info = store.stat(key)
        identity = content_id(video_id, str(info.size), info.etag or str(info.mtime_ns))
        return VideoRef(video_id, uri, store.uri, info, identity, self._reading(video_id))

    def _index(self, row: Mapping[str, Any], ref: VideoRef, source: StoredVideo) -> VideoIndex:
        """Return the index of a video; a copied video has another modification time and is indexed again."""
        content, same = str(row["content_id"]), ref.content_id == row["content_id"]
        key = content if same else ref.content_id
        if key not in self._indexes:
            self._indexes[key] = self._reader.index(source, name=ref.video_id, reading=ref.reading)
        index = self._indexes[key]
        known = self._archive.scores.videos[ref.video_id]["num_frames"]
        if not same and known is not None and known != index.num_frames:
            raise VideoError(
                "damaged",
                f"{ref.video_id!r:.120} differs from the scored video: it had {known} frames, now {index.num_frames}",
            )
        return index

    def _aspect(self, video_id: str, source: StoredVideo, index: VideoIndex) -> float:
        """Return the pixel aspect ratio of the video, from its first picture."""
        if video_id not in self._aspects:
            try:
                for clip in self._reader.clips(source, index, 0, 1, FRAME, Geometry(size=16), name=video_id):
                    clip.release()
                self._aspects[video_id] = self._reader.report.pixel_aspect
            except VideoError:  # the start of the video is damaged, but the event may be intact
                self._aspects[video_id] = 1.0
        return self._aspects[video_id]


def _frames(run: Iterator[Clip]) -> Iterator[tuple[npt.NDArray[np.uint8], float, float]]:
    for clip in run:
        with clip:
            yield clip.frames_THWC[0], clip.start_s, clip.end_s


def sizes(width: int, height: int, aspect: float, longest: int) -> tuple[Geometry, tuple[int, int]]:
    """Return the geometry of decoded frames, and the display size ``(width, height)`` of pictures, without upscaling.

    Args:
        width: width of the upright video in its own pixels.
        height: height of the upright video in its own pixels.
        aspect: pixel aspect ratio, width divided by height.
        longest: maximum length of the longer side of a picture in pixels.
    """
    shrink = min(1.0, longest / max(width, height))
    geometry = Geometry("ten-crop", size=1, resize=max(1, round(min(width, height) * shrink)))
    wide, high = geometry.delivered(width, height)
    if abs(aspect - 1) > 1e-3:
        wide, high = (round(wide * aspect), high) if aspect > 1 else (wide, round(high / aspect))
        shrink = min(1.0, longest / max(wide, high))
        wide, high = max(1, round(wide * shrink)), max(1, round(high * shrink))
    return geometry, (wide, high)


class _PictureBuilder:
    """Builds the pictures of an event from the frames of its window."""

    def __init__(self, options: MediaOptions, window: Span, peak_s: float, size: tuple[int, int]) -> None:
        self._options, self._window, self._peak_s, self._size = options, window, peak_s, size
        shrink = min(1.0, THUMB / max(size))
        self._thumb = (max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink)))
        step = (window[1] - window[0]) / STRIP
        self._wanted = [window[0] + step * n for n in range(STRIP)]
        self._encoder: ClipEncoder | None = None
        self._thumbs: list[npt.NDArray[np.uint8]] = []
        self._thumb_times: list[float] = []
        self._poster: npt.NDArray[np.uint8] | None = None
        self._end_s = 0.0
        self._pixelator = Pixelator(RegionDetector(options.pixelate)) if options.pixelate else None
        self.count = 0
        self.notes: list[str] = []

    def add(self, delivered_HWC: npt.NDArray[np.uint8], start_s: float, end_s: float) -> None:
        """Add a frame with its presentation times, if it is within the window."""
        if not self._window[0] - 1e-6 <= start_s <= self._window[1]:
            return
        shot = Frame(resized(delivered_HWC, *self._size), start_s, end_s)
        if self._pixelator is None:
            self._keep(shot)
        else:  # the picture is delayed until later ones are searched, so it must own its pixels
            for hidden in self._pixelator.add(shot._replace(picture_HWC=shot.picture_HWC.copy())):
                self._keep(hidden)
        self.count += 1

    def _keep(self, shot: Frame) -> None:
        """Add a picture to clip, strip and poster."""
        picture, start_s, end_s = shot
        if self._encoder is None:
            self._encoder = ClipEncoder(self._options.clip_codec, *self._size, start_s)
        self._encoder.add(picture, start_s)
        self._end_s = end_s
        due = [t for t in self._wanted if t <= start_s]
        if due:
            self._wanted = self._wanted[len(due) :]
            self._thumbs.append(resized(picture, *self._thumb).copy())
            self._thumb_times.append(round(start_s, 3))
        if self._poster is None or start_s <= self._peak_s:
            self._poster = picture.copy()

    def finish(self, *, variable: bool) -> Pictures:
        """Return the files and their metadata."""
        for hidden in self._pixelator.flush() if self._pixelator else ():
            self._keep(hidden)
        assert self._encoder is not None
        assert self._poster is not None
        if not self._thumbs:
            self._thumbs.append(resized(self._poster, *self._thumb).copy())
            self._thumb_times.append(round(self._window[0], 3))
        columns = min(COLUMNS, len(self._thumbs))
        codec = self._options.clip_codec
        clip, times = self._encoder.finish(), self._encoder.times_s
        files = {
            "strip.jpg": jpeg(contact_sheet(self._thumbs, columns)),
            "poster.jpg": jpeg(self._poster),
            f"clip.{SUFFIXES[codec]}": clip,
        }
        strip = {
            "src": "strip.jpg",
            "columns": columns,
            "rows": -(-len(self._thumbs) // columns),
            "width": self._thumb[0],
            "height": self._thumb[1],
            "times_s": self._thumb_times,
        }
        cut = {
            "src": f"clip.{SUFFIXES[codec]}",
            "type": TYPES[codec],
            "start_s": round(times[0], 6),
            "end_s": round(self._end_s, 6),
            "times_s": [round(t, 6) for t in times] if variable else None,
        }
        return Pictures(files, {"strip": strip, "clip": cut, "poster": "poster.jpg", "notes": self.notes})

    def discard(self) -> None:
        """Discard an unfinished clip."""
        if self._encoder is not None:
            self._encoder.discard()


def failure(error: BaseException) -> str:
    """Return the reason why there are no pictures, for the page."""
    kind = f"{error.kind}: " if isinstance(error, VideoError) else ""
    return f"{kind}{error}" if not isinstance(error, UsageError) else str(error)
