"""Data for the curves of an event: surrounding scores, unscored spans, annotations, and heat maps of clips.

Axes: T clips of one video, K cuboids.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wsvad.events.boxes import masked_cells, unmasked_scores
from wsvad.events.smoothing import smooth
from wsvad.review.reading import Archive
from wsvad.scores.grid import cells, view_of
from wsvad.scores.table import VideoScores

Floats = npt.NDArray[np.float64]
MAX_POINTS = 1200
"""Maximum number of points of a curve; longer curves are reduced by the maximum of neighbouring points."""
_HELD = 32

Span = tuple[float, float]


@dataclass(frozen=True)
class VideoCurve:
    """Scores of a whole video, as events were found in them."""

    scores: VideoScores
    score_T: Floats
    """Scores ``[T]`` without masked cuboids."""
    smooth_T: Floats
    """Scores ``[T]`` smoothed within the video."""
    cuboids_TK: npt.NDArray[np.float32] | None
    """Scores of cuboids ``[T, K]``; masked cuboids are 0."""

    def frame_at(self, seconds: float) -> int:
        """Return the frame shown at a time, interpolated from the times of clips; supports variable frame rates."""
        scores = self.scores
        times = np.append(scores.start_s, scores.end_s[-1])
        frames = np.append(scores.start_frame, scores.end_frame[-1]).astype(np.float64)
        fps = (frames[-1] - frames[0]) / max(1e-6, times[-1] - times[0])
        if seconds < times[0]:
            return max(0, int(frames[0] - np.ceil((times[0] - seconds) * fps)))
        if seconds > times[-1]:
            return int(frames[-1] + np.ceil((seconds - times[-1]) * fps))
        return int(np.interp(seconds, times, frames))

    def seconds_at(self, frame: int) -> float:
        """Return the start time of a frame, interpolated from the times of clips."""
        scores = self.scores
        frames = np.append(scores.start_frame, scores.end_frame[-1])
        return float(np.interp(frame, frames, np.append(scores.start_s, scores.end_s[-1])))


class Curves:
    """Reads the scores of videos and caches the last ones. Raises as ``ScoreSet.load``."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._held: OrderedDict[tuple[str, str], VideoCurve] = OrderedDict()
        self._absent: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in archive.rows:
            if row["kind"] == "not_scored":
                self._absent[row["video_id"]].append(row)

    def of(self, video_id: str, camera: str) -> VideoCurve:
        """Return the scores of a video with the masks and smoothing of a camera."""
        key = (video_id, camera)
        if key not in self._held:
            self._held[key] = self._read(video_id, camera)
            if len(self._held) > _HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key]

    def gaps(self, video_id: str, within: Span) -> list[list[Any]]:
        """Return ``[start_s, end_s, reason]`` of the unscored spans in a part of a video."""
        found = []
        for row in self._absent.get(video_id, ()):
            end_s = within[1] if row["end_s"] is None else row["end_s"]
            if row["start_s"] < within[1] and end_s > within[0]:
                found.append([rounded(row["start_s"]), rounded(end_s), str(row["reason"])])
        return found

    def truth(self, curve: VideoCurve) -> list[list[float]] | None:
        """Return annotated anomalous spans in seconds; ``None`` if the video is not annotated."""
        record = self._archive.records.get(curve.scores.video_id)
        if record is None or record.spans is None:
            return None
        return [[rounded(curve.seconds_at(first)), rounded(curve.seconds_at(last))] for first, last in record.spans]

    def _read(self, video_id: str, camera: str) -> VideoCurve:
        archive = self._archive
        scores = archive.scores.load(video_id)
        cuboids, values = scores.cuboid_scores_TK, scores.score_T
        found = archive.cameras.get(camera)
        if found and found.masks and cuboids is not None and scores.width and scores.height:
            view = view_of(archive.features, scores.width, scores.height)
            if view is not None:
                cells_K4 = cells(view, cuboids.shape[1])
                masked_K = masked_cells(found.masks, cells_K4, scores.width, scores.height)
                values, cuboids = unmasked_scores(cuboids, masked_K), np.where(masked_K, np.float32(0), cuboids)
        values = np.asarray(values, np.float64)
        smoothed = smooth(scores.start_s, values, archive.settings_of(camera).smooth_s)
        return VideoCurve(scores, values, smoothed, cuboids)


def rounded(value: float) -> float:
    """Return seconds or a score with three decimals."""
    return round(float(value), 3)


def curve_within(curve: VideoCurve, within: Span) -> dict[str, list[float]]:
    """Return ``t``, ``score``, ``smooth`` of the clips that start in a part of a video."""
    first, last = np.searchsorted(curve.scores.start_s, within, side="left")
    if first == last:
        return {"t": [], "score": [], "smooth": []}
    step = -(-int(last - first) // MAX_POINTS)
    starts = np.arange(0, last - first, step)
    return {
        "t": _rounded(curve.scores.start_s[first:last:step]),
        "score": _rounded(np.maximum.reduceat(curve.score_T[first:last], starts)),
        "smooth": _rounded(np.maximum.reduceat(curve.smooth_T[first:last], starts)),
    }


def _rounded(values: npt.NDArray[Any]) -> list[float]:
    found: list[float] = np.round(np.asarray(values, np.float64), 3).tolist()
    return found


@dataclass(frozen=True)
class Heat:
    """Scores of cuboids as a horizontal strip of small images, one per clip."""

    picture_HW: npt.NDArray[np.uint8]
    """Image ``[side, side x clips]``; 255 is a score of 1."""
    start_s: list[float]
    end_s: list[float]
    side: int


def heat_within(curve: VideoCurve, within: Span) -> Heat | None:
    """Return the heat map of the clips that overlap a part of a video; ``None`` without cuboids or without clips."""
    scores, cuboids = curve.scores, curve.cuboids_TK
    if cuboids is None:
        return None
    inside = np.flatnonzero((scores.end_s > within[0]) & (scores.start_s < within[1]))
    side = round(cuboids.shape[1] ** 0.5)
    if not len(inside) or side * side != cuboids.shape[1]:
        return None
    grid = np.clip(np.rint(cuboids[inside] * 255.0), 0, 255).astype(np.uint8).reshape(len(inside), side, side)
    picture = np.ascontiguousarray(grid.transpose(1, 0, 2).reshape(side, side * len(inside)))
    return Heat(picture, [rounded(s) for s in scores.start_s[inside]], [rounded(s) for s in scores.end_s[inside]], side)


def neighbours(parts: Sequence[tuple[float, float, str]], event_id: str, within: Span) -> list[list[Any]]:
    """Return ``[start_s, end_s, event_id]`` of the other events in a part of a video."""
    return [
        [rounded(start_s), rounded(end_s), other]
        for start_s, end_s, other in parts
        if other != event_id and start_s < within[1] and end_s > within[0]
    ]
