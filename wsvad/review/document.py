"""The document that the page shows: one JSON object with everything but the pictures themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from wsvad import __version__
from wsvad.errors import UsageError
from wsvad.review.choosing import Choice, Shown, choose
from wsvad.review.config import FORMAT, ReviewOptions
from wsvad.review.curves import Curves, Heat, curve_within, heat_within, neighbours, rounded
from wsvad.review.media import HEAT, MediaFolder, about, media_name, window_of
from wsvad.review.notices import CASE, UNPICTURED, of_choice, of_footage, of_media, of_night, privacy_of, worst_first
from wsvad.review.reading import Archive, digest_source
from wsvad.scores.grid import view_of

Mode = Literal["static", "served"]
Link = Callable[[str, str], str]
"""From the name of an event's folder and a file in it to the URL that the page uses."""

_WRITERS = 16
_NO_PICTURE = "no pictures were asked for"


def plain_link(name: str, file: str) -> str:
    """Return the URL of a picture beside the page."""
    return f"media/{name}/{file}"


@dataclass
class Review:
    """Everything that a document is made of; the pictures of its events come one by one."""

    archive: Archive
    options: ReviewOptions
    choice: Choice
    folder: MediaFolder | None
    curves: Curves
    review_id: str
    failures: dict[str, str] = field(default_factory=dict)
    """Why events have no picture, by event id."""
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the document says of each event but its pictures, by event id."""
    created_utc: str = ""
    is_case: bool = False
    """Whether it is of some events that somebody chose."""

    @classmethod
    def gather(cls, archive: Archive, options: ReviewOptions, folder: MediaFolder | None) -> Review:
        """Choose what is shown and read the scores around it; the heat of each event is written.

        Args:
            archive: what is reviewed.
            options: how.
            folder: where pictures are; None: there are none.

        Raises:
            UsageError: a camera or day that is not there.
            StorageError: scores cannot be read, or the heat not be written.
        """
        choice = choose(archive, options.choice)
        shown = [[s.event_id, s.kind, s.group] for s in choice.shown]
        review_id = digest_source(archive, {"shown": shown})
        made = cls(archive, options, choice, folder, Curves(archive), review_id)
        made.created_utc = archive.source["night_utc"] or archive.scores.snapshot.created_utc
        with ThreadPoolExecutor(_WRITERS) as pool:
            writing = []
            # by video, so that each is read once
            for one in sorted(choice.shown, key=lambda s: (s.row["video_id"], s.row["start_s"])):
                made.entries[one.event_id], heat = made._entry(one)
                if heat is not None and folder is not None:
                    writing.append(pool.submit(folder.add_heat, made.name_of(one), about(one), heat))
            for written in writing:
                written.result()
        return made

    @cached_property
    def by_name(self) -> dict[str, Shown]:
        """What is shown by the name of the folder of its pictures."""
        return {self.name_of(shown): shown for shown in self.choice.shown}

    def of(self, event_id: str) -> Shown:
        """Return what is shown by its id. Raises ``UsageError``."""
        for shown in self.choice.shown:
            if shown.event_id == event_id:
                return shown
        raise UsageError(f"there is no event {event_id!r:.80} on this page")

    def name_of(self, shown: Shown) -> str:
        """Return the name of the folder of an event's pictures."""
        unit = self.archive.scores.units.get(shown.row["video_id"])
        return media_name(shown, unit.sha256 if unit else "", self.options.media)

    def _entry(self, shown: Shown) -> tuple[dict[str, Any], Heat | None]:
        row, video_id = shown.row, str(shown.row["video_id"])
        curve = self.curves.of(video_id, str(row["camera"]))
        context = self.options.choice.context_s
        within = max(0.0, row["start_s"] - context), row["end_s"] + context
        drawn = curve_within(curve, within)
        if shown.kind == "control":
            peak_s, score = _highest(drawn, row["start_s"], row["end_s"])
        else:
            peak_s, score = row["peak_s"], row["score"]
        window = window_of(row, self.options.media)
        heat = heat_within(curve, window)
        boxes = [[rounded(b[c]) for c in ("x1", "y1", "x2", "y2", "score")] for b in row["boxes"] or ()]
        notes = [str(note) for note in row["notes"] or ()]
        if len(row["parts"] or ()) > 1:
            notes.append("it runs through several files; the picture is of the one with the peak")
        if row["end_s"] > window[1]:
            notes.append(f"the clip shows {window[1] - window[0]:.0f} s of it")
        if self.archive.scores.videos[video_id]["content_id"] != row["content_id"]:
            notes.append("the video has changed since the event was found; the curve is of what it is now")
        entry = {
            "id": shown.event_id,
            "kind": shown.kind,
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
            "start_frame": row["start_frame"] if shown.kind == "event" else curve.frame_at(row["start_s"]),
            "end_frame": row["end_frame"] if shown.kind == "event" else curve.frame_at(row["end_s"]),
            "score": rounded(score),
            "high": rounded(row["high"]),
            "low": rounded(row["low"]),
            "excess": rounded(score - row["high"]),
            "continues": bool(row["continues"]),
            "group": shown.group,
            "width": row["width"],
            "height": row["height"],
            "box": boxes[0][:4] if boxes else None,
            "boxes": boxes,
            "curve": drawn,
            "gaps": self.curves.gaps(video_id, within),
            "truth": self.curves.truth(curve),
            "neighbours": neighbours(self.choice.parts.get(video_id, ()), shown.event_id, within),
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
        """Part of the picture that the grid covers."""
        if not row["width"] or not row["height"]:
            return None
        view = view_of(self.archive.features, row["width"], row["height"])
        return None if view is None else [rounded(edge) for edge in view]

    def pictures(self, shown: Shown, link: Link = plain_link) -> dict[str, Any]:
        """Return ``heat``, ``strip``, ``poster`` and ``clip`` of an event as the document has them."""
        name = self.name_of(shown)
        heat = self.entries[shown.event_id]["heat"]
        made = self.folder.made(name) if self.folder else None
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
            mode: how the page is read.
            link: makes URLs of pictures.
            verdicts: the record that stands for each event, by event id.
            waiting: events whose pictures are still to be made.
        """
        own = {str(s.row["camera"]) for s in self.choice.shown}
        cameras = sorted(own if self.is_case else own | self.archive.cameras.keys())
        place = {name: number for number, name in enumerate(cameras)}
        if self.folder:
            self.folder.load({self.name_of(shown) for shown in self.choice.shown})
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
            "events": [self._event(shown, place, link, verdicts or {}) for shown in self.choice.shown],
            "not_scored": [self._absent(row, place) for row in self._in_scope("not_scored") if row["camera"] in place],
        }

    def _event(
        self, shown: Shown, place: Mapping[str, int], link: Link, verdicts: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        entry, name = self.entries[shown.event_id], self.name_of(shown)
        made = self.folder.made(name) if self.folder else None
        pictures = self.pictures(shown, link)
        error = self.failures.get(shown.event_id)
        if self.folder is None or not self.options.media.media:
            error = _NO_PICTURE
        return {
            **entry,
            "camera": place[entry["camera"]],
            **pictures,
            "media_error": None if made else error,
            "notes": [*entry["notes"], *(made["notes"] if made else ())],
            "verdict": verdicts.get(shown.event_id),
        }

    def _banner(self, waiting: int) -> dict[str, Any]:
        absent = self._in_scope("not_scored")
        not_scored_s = sum(row["end_s"] - row["start_s"] for row in absent if row["end_s"] is not None)
        unknown = sum(row["end_s"] is None for row in absent)
        around = [CASE]
        if not self.is_case:
            around = [
                *of_night(self.archive.report, str(self.archive.source["model"])),
                *of_footage(not_scored_s, unknown),
                *of_choice(self.choice, self.options.choice),
            ]
        pictured = of_media(self.failures, waiting) if self.options.media.media else [UNPICTURED]
        notices = [*around, *pictured]
        shown = sum(s.kind == "event" for s in self.choice.shown)
        return {
            "notices": worst_first(notices),
            "scored_s": rounded(sum(row["end_s"] - row["start_s"] for row in self._in_scope("scored"))),
            "not_scored_s": rounded(not_scored_s),
            "events": self.choice.events,
            "shown": shown,
            "left_out": self.choice.events - shown,
        }

    def _in_scope(self, kind: str) -> list[Mapping[str, Any]]:
        """Footage that the page is of; of a case, that of its videos: it goes to people who see no others."""
        options = self.options.choice
        videos = {s.row["video_id"] for s in self.choice.shown}
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
    """Return a moment as ISO 8601 in UTC, in milliseconds."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _title(archive: Archive) -> str:
    night = archive.source["night"]
    return f"Review of night {night}" if night else "Review of events"


def _highest(drawn: Mapping[str, list[float]], start_s: float, end_s: float) -> tuple[float, float]:
    """Return time and smoothed score of the highest clip of a control span."""
    inside = [(s, t) for t, s in zip(drawn["t"], drawn["smooth"], strict=True) if start_s - 1e-3 <= t < end_s]
    score, start = max(inside, default=(0.0, start_s))
    return start, score
