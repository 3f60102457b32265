"""Synthetic documents and media of reviews: small, deterministic, with all special cases of the page."""

from __future__ import annotations

import datetime
import io
import random
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw

from wsvad.review.rendering import render_page

Event = dict[str, Any]
Document = dict[str, Any]
WIDTH, HEIGHT = 160, 96
CLIP_S = 16 / 30
CAMERAS = ("yard-north", "gate", "corridor 2", "loading bay")
MODEL = "sha256:" + "3f" * 32
START = datetime.datetime(2026, 7, 1, 21, 0, tzinfo=datetime.UTC)


def utc(seconds: float) -> str:
    """Return a time of the night in the format of documents."""
    return (START + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def event(number: int, score: float | None = None, **changes: Any) -> Event:
    """Return an event with a curve and without media; ``changes`` replace fields."""
    chance = random.Random(number)
    high = 0.5
    value = round(score if score is not None else high + 0.48 * (1 - ((number * 7) % 40) / 40), 3)
    start = round(30 + chance.random() * 20, 3)
    end = round(start + 2 + chance.random() * 8, 3)
    t = [round(index * CLIP_S, 3) for index in range(int((end + 30) / CLIP_S))]
    middle, wide = (start + end) / 2, (end - start) / 2
    smooth = [round(0.05 + (value - 0.05) * float(np.exp(-(((at - middle) / wide) ** 4))), 3) for at in t]
    raw = [round(min(1.0, max(0.0, at + chance.uniform(-0.05, 0.05))), 3) for at in smooth]
    camera = number % len(CAMERAS)
    made = {
        "id": f"event-{number:05d}",
        "kind": "event",
        "camera": camera,
        "day": f"2026-07-0{1 + number % 3}",
        "start_utc": utc(number * 40 + start),
        "end_utc": utc(number * 40 + end),
        "video_id": f"{CAMERAS[camera]}/{number:05d}.mp4",
        "content_id": f"sha256:{number:064x}",
        "name": f"{CAMERAS[camera]}_{number:05d}.mp4",
        "start_s": start,
        "end_s": end,
        "peak_s": round(middle, 3),
        "start_frame": round(start * 30),
        "end_frame": round(end * 30),
        "score": value,
        "high": high,
        "low": 0.4,
        "excess": round(value - high, 3),
        "continues": number % 17 == 3,
        "group": f"event-{number:05d}",
        "width": WIDTH,
        "height": HEIGHT,
        "box": [20 + number % 60, 20, 70 + number % 60, 80],
        "boxes": [[20 + number % 60, 20, 70 + number % 60, 80, value]],
        "curve": {"t": t, "score": raw, "smooth": smooth},
        "gaps": [],
        "truth": None,
        "neighbours": [],
        "heat": None,
        "strip": None,
        "poster": None,
        "clip": None,
        "media_error": None,
        "notes": [],
        "verdict": None,
    }
    return made | changes


def document(events: Sequence[Event], **changes: Any) -> Document:
    """Return a complete document with these events."""
    made = {
        "format": 1,
        "mode": "static",
        "title": "Review of site north",
        "made_utc": "2026-07-02T06:01:12Z",
        "wsvad": "0.3.0",
        "review_id": "sha256:" + "ab" * 32,
        "source": {
            "root": "s3://archive/site-north",
            "night": 12,
            "night_utc": "2026-07-02T03:00:00Z",
            "run_id": "20260702T030000Z-1a2b",
            "model": MODEL,
            "model_name": "st_ltgs",
            "events_snapshot": 3,
        },
        "settings": {"high": 0.5, "low": 0.4, "gap_s": 2.0, "smooth_s": 1.0, "min_length_s": 1.0},
        "banner": {
            "notices": [
                {"level": "error", "code": "failure", "text": "2 videos could not be decoded."},
                {
                    "level": "warning",
                    "code": "coverage",
                    "text": "gate: 31 minutes are missing between 02:10 and 02:41.",
                },
            ],
            "scored_s": 345600.0,
            "not_scored_s": 2100.0,
            "events": len(events),
            "shown": len(events),
            "left_out": 0,
        },
        "privacy": {"pixelated": "faces", "text": "Faces are pixelated, as far as they were found: best effort."},
        "cameras": [
            {
                "name": name,
                "purpose": "safety of visitors" if number else None,
                "retention_days": 30 if number else None,
                "legal_hold": number == 2,
                "high": 0.5,
                "low": 0.4,
                "budget": 1.0,
                "time_zone": "Europe/Berlin" if number % 2 == 0 else None,
            }
            for number, name in enumerate(CAMERAS)
        ],
        "events": list(events),
        "not_scored": [
            {
                "camera": 1,
                "day": "2026-07-01",
                "start_utc": "2026-07-02T02:10:00Z",
                "end_utc": "2026-07-02T02:41:00Z",
                "video_id": "gate/00099.mp4",
                "start_s": 0.0,
                "end_s": 1860.0,
                "reason": "missing",
                "message": "no such object",
            }
        ],
    }
    return made | changes


def write(folder: Path, made: Document) -> str:
    """Write the static page; return its ``file://`` address."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_bytes(render_page(made, "static"))
    return (folder / "index.html").resolve().as_uri()


def coded_picture(code: int, words: str = "") -> Image.Image:
    """Return a picture that shows its number as eight black and white bars, and as text."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (70, 82, 92))
    pen = ImageDraw.Draw(image)
    for bit in range(8):
        grey = 255 if code >> bit & 1 else 0
        pen.rectangle((bit * 20, 0, bit * 20 + 19, 31), fill=(grey, grey, grey))
    pen.ellipse((40 + code, 48, 64 + code, 72), fill=(214, 120, 70))
    pen.text((6, 80), words or f"frame {code}", fill=(240, 240, 240))
    return image


def with_media(folder: Path, made: Event, times_s: Sequence[float]) -> Event:
    """Add a clip with frames at ``times_s`` of the source, strip, poster, and heat maps of clips of 4 frames.

    Frame ``i`` shows the code ``i``; all cells in the heat map of clip ``c`` have the grey value ``8 c + 8``.
    """
    place = folder / "media" / made["id"]
    place.mkdir(parents=True, exist_ok=True)
    path = f"media/{made['id']}"
    pictures = [coded_picture(code) for code in range(len(times_s))]
    _write_clip(place / "clip.webm", pictures, times_s)
    pictures[len(pictures) // 2].save(place / "poster.jpg", quality=80)
    columns = 5
    chosen = list(range(0, len(pictures), 4))
    rows = -(-len(chosen) // columns)
    sheet = Image.new("RGB", (columns * WIDTH, rows * HEIGHT))
    for at, code in enumerate(chosen):
        sheet.paste(pictures[code], ((at % columns) * WIDTH, (at // columns) * HEIGHT))
    sheet.save(place / "strip.jpg", quality=70)
    starts = list(times_s[::4])
    ends = [*starts[1:], times_s[-1] + 0.04]
    heat = np.zeros((7, 7 * len(starts)), np.uint8)
    for clip in range(len(starts)):
        heat[:, clip * 7 : clip * 7 + 7] = heat_grey(clip)
    (place / "heat.png").write_bytes(_png(heat))
    shape = {"columns": columns, "rows": rows, "width": WIDTH, "height": HEIGHT}
    return made | {
        "clip": {
            "src": f"{path}/clip.webm",
            "type": 'video/webm; codecs="vp9"',
            "start_s": times_s[0],
            "end_s": ends[-1],
            "times_s": list(times_s),
        },
        "poster": f"{path}/poster.jpg",
        "strip": {"src": f"{path}/strip.jpg", **shape, "times_s": [times_s[code] for code in chosen]},
        "heat": {"src": f"{path}/heat.png", "clips": len(starts), "start_s": starts, "end_s": ends, "grid": 7},
    }


def heat_grey(clip: int) -> int:
    """Return the grey value of every cell in the heat map of a clip."""
    return 8 * clip + 8


def _png(grey: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(grey).save(held, "PNG")
    return held.getvalue()


def _write_clip(path: Path, pictures: Sequence[Image.Image], times_s: Sequence[float]) -> None:
    """Encode VP9 in WebM with presentation times in milliseconds, starting at zero."""
    with av.open(str(path), "w", format="webm") as out:
        stream = out.add_stream("libvpx-vp9", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"}
        for picture, at in zip(pictures, times_s, strict=True):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = round((at - times_s[0]) * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def variable_times(
    start_s: float, count: int = 40, steps: Sequence[float] = (0.02, 0.033, 0.04, 0.1, 0.18)
) -> list[float]:
    """Return presentation times with varying steps, rounded to milliseconds."""
    chance = random.Random(5)
    times = [start_s]
    for _ in range(count - 1):
        times.append(round(times[-1] + chance.choice(steps), 3))
    return times
