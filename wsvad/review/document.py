"""The document of a review page: one JSON object with everything except the pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from wsvad import __version__
from wsvad.errors import UsageError
from wsvad.review.choice import Choice, ReviewItem, choose
from wsvad.review.config import FORMAT, ReviewOptions
from wsvad.review.curves import Curves, Heat, curve_within, heat_within, neighbours, rounded
from wsvad.review.media import HEAT, MediaFolder, about, media_name, window_of
from wsvad.review.notices import (
    CASE,
    UNPICTURED,
    choice_notices,
    footage_notices,
    media_notices,
    night_notices,
    privacy_of,
    worst_first,
)
from wsvad.review.reading import Archive, digest_source
from wsvad.scores.grid import view_of

Mode = Literal["static", "served"]
Link = Callable[[str, str], str]
"""Returns the URL of a picture, given the name of the event's folder and the file name."""

_WRITERS = 16
_NO_PICTURE = "pictures are disabled (--no-media)"


def plain_link(name: str, file: str) -> str:
    """Return the URL of a picture relative to the page."""
    return f"media/{name}/{file}"


@dataclass
class Review:
    """Everything that a document is built from; pictures of its events are added one by one."""

    archive: Archive
    options: ReviewOptions
    choice: Choice
    folder: MediaFolder | None
    curves: Curves
    review_id: str
    failures: dict[str, str] = field(default_factory=dict)
    """Why events have no pictures, by event id."""
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Data of each event in the document except its pictures, by event id."""
    created_utc: str = ""
    is_case: bool = False
    """Whether the review is a case, restricted to selected events."""

    @classmethod
    def gather(cls, archive: Archive, options: ReviewOptions, folder: MediaFolder | None) -> Review:
        """Choose the items, read the scores around them, and write their heat maps.

        Args:
            archive: data to review.
            options: options of the review.
            folder: folder for pictures; None: no pictures.

        Raises:
            UsageError: unknown camera or invalid day.
            StorageError: scores cannot be read, or heat maps cannot be written.
        """
        choice = choose(archive, options.choice)
        shown = [[s.event_id, s.kind, s.group] for s in choice.items]
        review_id = digest_source(archive, {"shown": shown})
        made = cls(archive, options, choice, folder, Curves(archive), review_id)
        made.created_utc = archive.source["night_utc"] or archive.scores.snapshot.created_utc
        with ThreadPoolExecutor(_WRITERS) as pool:
            writing = []
            # ordered by video, so that each is read once
            for one in sorted(choice.items, key=lambda s: (s.row["video_id"], s.row["start_s"])):
                made.entries[one.event_id], heat = made._entry(one)
                if heat is not None and folder is not None:
                    writing.append(pool.submit(folder.add_heat, made.folder_name(one), about(one), heat))
            for written in writing:
                written.result()
        return made

    @cached_property
    def by_name(self) -> dict[str, ReviewItem]:
        """Items by the name of their picture folder."""
        return {self.folder_name(item): item for item in self.choice.items}

    def of(self, event_id: str) -> ReviewItem:
        """Return an item by its id. Raises ``UsageError``."""
        for item in self.choice.items:
            if item.event_id == event_id:
                return item
        raise UsageError(f"this page has no event {event_id!r:.80}")

    def folder_name(self, item: ReviewItem) -> str:
        """Return the name of an item's picture folder."""
        unit = self.archive.scores.units.get(item.row["video_id"])
        return media_name(item, unit.sha256 if unit else "", self.options.media)

    def _entry(self, item: ReviewItem) -> tuple[dict[str, Any], Heat | None]:
        row, video_id = item.row, str(item.row["video_id"])
        curve = self.curves.of(video_id, str(row["camera"]))
        context = self.options.choice.context_s
        within = max(0.0, row["start_s"] - context), row["end_s"] + context
        drawn = curve_within(curve, within)
        if item.kind == "control":
            peak_s, score = _highest(drawn, row["start_s"], row["end_s"])
        else:
            peak_s, score = row["peak_s"], row["score"]
        window = window_of(row, self.options.media)
        heat = heat_within(curve, window)
        boxes = [[rounded(b[c]) for c in ("x1", "y1", "x2", "y2", "score")] for b in row["boxes"] or ()]
        notes = [str(note) for note in row["notes"] or ()]
        if len(row["parts"] or ()) > 1:
            notes.append("it spans several files; the pictures are from the file with the peak")
        if row["end_s"] > window[1]:
            notes.append(f"the clip shows {window[1] - window[0]:.0f} s of the event")
        if self.archive.scores.videos[video_id]["content_id"] != row["content_id"]:
            notes.append("the video has changed since the event was found; the curve shows the current video")
        entry = {
            "id": item.event_id,
            "kind": item.kind,
            "camera": str(row["camera"]),
            "day": str(row["day"]) if row["day"] else None,
            "start_utc": utc(row["start_utc"]),
            "end_utc": utc(row["end_utc"]),
            "video_id": video_id,
            "content_id": str(row["content_id"]),
            "name": video_id,
            "start_s": rounded(row["start_s"]),
            "end_s": rounded(row["end_s"]),
            "peak_s": rounded(peak_s),
            "start_frame": row["start_frame"] if item.kind == "event" else curve.frame_at(row["start_s"]),
            "end_frame": row["end_frame"] if item.kind == "event" else curve.frame_at(row["end_s"]),
            "score": rounded(score),
            "high": rounded(row["high"]),
            "low": rounded(row["low"]),
            "excess": rounded(score - row["high"]),
            "continues": bool(row["continues"]),
            "group": item.group,
            "width": row["width"],
            "height": row["height"],
            "box": boxes[0][:4] if boxes else None,
            "boxes": boxes,
            "curve": drawn,
            "gaps": self.curves.gaps(video_id, within),
            "truth": self.curves.truth(curve),
            "neighbours": neighbours(self.choice.parts.get(video_id, ()), item.event_id, within),
            "heat": None
            if heat is None or self.folder is None
            else {
                "clips": len(heat.start_s),
                "start_s": heat.start_s,
                "end_s": heat.end_s,
                "grid": heat.side,
                "view": self._view(row),
            },
            "notes": notes,
        }
        return entry, heat

    def _view(self, row: Mapping[str, Any]) -> list[float] | None:
        """Return the part of the picture covered by the grid of cuboids."""
        if not row["width"] or not row["height"]:
            return None
        view = view_of(self.archive.features, row["width"], row["height"])
        return None if view is None else [rounded(edge) for edge in view]

    def pictures(self, item: ReviewItem, link: Link = plain_link) -> dict[str, Any]:
        """Return ``heat``, ``strip``, ``poster`` and ``clip`` of an item for the document."""
        name = self.folder_name(item)
        heat = self.entries[item.event_id]["heat"]
        made = self.folder.get(name) if self.folder else None
        found: dict[str, Any] = {
            "heat": heat and {"src": link(name, HEAT), **heat},
            "strip": None,
            "poster": None,
            "clip": None,
        }
        if made:
            for part in ("strip", "clip"):
                found[part] = made[part] and {**made[part], "src": link(name, made[part]["src"])}
            found["poster"] = made["poster"] and link(name, made["poster"])
        return found

    def document(
        self,
        mode: Mode,
        *,
        link: Link = plain_link,
        verdicts: Mapping[str, Mapping[str, Any]] | None = None,
        waiting: int = 0,
    ) -> dict[str, Any]:
        """Return the document.

        Args:
            mode: whether the page is read from a folder or served.
            link: returns the URL of a picture.
            verdicts: current record by event id.
            waiting: number of events whose pictures do not exist yet.
        """
        own = {str(s.row["camera"]) for s in self.choice.items}
        cameras = sorted(own if self.is_case else own | self.archive.cameras.keys())
        place = {name: number for number, name in enumerate(cameras)}
        if self.folder:
            self.folder.load({self.folder_name(item) for item in self.choice.items})
        return {
            "format": FORMAT,
            "mode": mode,
            "title": self.options.title or _title(self.archive),
            "made_utc": self.created_utc if mode == "static" else utc(datetime.now(UTC)),
            "wsvad": __version__,
            "review_id": self.review_id,
            "source": dict(self.archive.source),
            "settings": self.archive.settings.to_dict(),
            "banner": self._banner(waiting),
            "privacy": privacy_of(self.options.media),
            "cameras": [self._camera(name) for name in cameras],
            "events": [self._event(item, place, link, verdicts or {}) for item in self.choice.items],
            "not_scored": [self._absent(row, place) for row in self._in_scope("not_scored") if row["camera"] in place],
        }

    def _event(
        self, item: ReviewItem, place: Mapping[str, int], link: Link, verdicts: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        entry, name = self.entries[item.event_id], self.folder_name(item)
        made = self.folder.get(name) if self.folder else None
        pictures = self.pictures(item, link)
        error = self.failures.get(item.event_id)
        if self.folder is None or not self.options.media.media:
            error = _NO_PICTURE
        return {
            **entry,
            "camera": place[entry["camera"]],
            **pictures,
            "media_error": None if made else error,
            "notes": [*entry["notes"], *(made["notes"] if made else ())],
            "verdict": verdicts.get(item.event_id),
        }

    def _banner(self, waiting: int) -> dict[str, Any]:
        absent = self._in_scope("not_scored")
        not_scored_s = sum(row["end_s"] - row["start_s"] for row in absent if row["end_s"] is not None)
        unknown = sum(row["end_s"] is None for row in absent)
        around = [CASE]
        if not self.is_case:
            around = [
                *night_notices(self.archive.report, str(self.archive.source["model"])),
                *footage_notices(not_scored_s, unknown),
                *choice_notices(self.choice, self.options.choice),
            ]
        pictured = media_notices(self.failures, waiting) if self.options.media.media else [UNPICTURED]
        notices = [*around, *pictured]
        shown = sum(s.kind == "event" for s in self.choice.items)
        return {
            "notices": worst_first(notices),
            "scored_s": rounded(sum(row["end_s"] - row["start_s"] for row in self._in_scope("scored"))),
            "not_scored_s": rounded(not_scored_s),
            "events": self.choice.events,
            "shown": shown,
            "left_out": self.choice.events - shown,
        }

    def _in_scope(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the footage covered by the page. A case only covers its own videos, as its readers see no others."""
        options = self.options.choice
        videos = {s.row["video_id"] for s in self.choice.items}
        return [
            row
            for row in self.archive.rows
            if row["kind"] == kind
            and (not self.is_case or row["video_id"] in videos)
            and (not options.camera or row["camera"] in options.camera)
            and (not options.day or str(row["day"]) in options.day)
        ]

    def _camera(self, name: str) -> dict[str, Any]:
        camera, settings = self.archive.cameras.get(name), self.archive.settings_of(name)
        return {
            "name": name,
            "purpose": (camera.purpose or None) if camera else None,
            "retention_days": camera.retention_days if camera else None,
            "legal_hold": bool(camera and camera.legal_hold),
            "high": settings.high,
            "low": settings.low_level,
            "budget": camera.budget if camera else None,
            "time_zone": camera.time_zone if camera else None,
        }

    def _absent(self, row: Mapping[str, Any], place: Mapping[str, int]) -> dict[str, Any]:
        return {
            "camera": place[row["camera"]],
            "day": str(row["day"]) if row["day"] else None,
            "start_utc": utc(row["start_utc"]),
            "end_utc": utc(row["end_utc"]),
            "video_id": row["video_id"],
            "start_s": rounded(row["start_s"]),
            "end_s": None if row["end_s"] is None else rounded(row["end_s"]),
            "reason": row["reason"],
            "message": row["message"],
        }


def utc(moment: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC with milliseconds."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _title(archive: Archive) -> str:
    night = archive.source["night"]
    return f"Review of night {night}" if night else "Review of events"


def _highest(drawn: Mapping[str, list[float]], start_s: float, end_s: float) -> tuple[float, float]:
    """Return time and smoothed score of the highest-scoring clip in a control span."""
    inside = [(s, t) for t, s in zip(drawn["t"], drawn["smooth"], strict=True) if start_s - 1e-3 <= t < end_s]
    score, start = max(inside, default=(0.0, start_s))
    return start, score
