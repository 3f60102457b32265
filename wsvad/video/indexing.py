"""Index a video from its packets, in the decode child: number of frames, their times, and seek points."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from wsvad.video.contract import SEEK_SPACING_S, Note, ReadOptions, SeekPoint, VideoIndex
from wsvad.video.demux import open_video, pick_stream, time_base
from wsvad.video.frame_times import DEFAULT_RATE, AllowCpu, FrameTimes, FullDecode, choose_times
from wsvad.video.remote import RemoteFile
from wsvad.video.scaling import clockwise, upright
from wsvad.video.scanning import LEADING, Packets, Scan, scan
from wsvad.video.streams import FootageStream, footage_stream
from wsvad.video.timeline import NANOSECOND
from wsvad.video.timestamps import NONE, Stamps, median_step

_LONG_PAUSE_S = 60.0
_LAST_STEPS = 8


def build_index(
    source: RemoteFile, reading: ReadOptions, max_pixels: int, heartbeat: Callable[[], None], allow_cpu: AllowCpu
) -> VideoIndex:
    """Index a video. Raises Refused with the evidence against the video.

    Args:
        source: The file.
        reading: User settings for reading the video.
        max_pixels: Maximum width x height of a picture.
        heartbeat: Called at every packet.
        allow_cpu: Called with the seconds of footage if the whole video must be decoded to index it.
    """
    with open_video(source, max_pixels) as container:
        chosen = footage_stream(container, source, max_pixels, reading.stream, heartbeat)
        stream = pick_stream(container, chosen.number, max_pixels)
        found = scan(container, stream, source, max_pixels, heartbeat)
        claimed = _claimed(stream, found.packets)
        decode = FullDecode(source, chosen.number, max_pixels, heartbeat, allow_cpu, found)
        times = choose_times(container, stream, found, claimed, reading, decode)
        packets, picture = found.packets, found.picture
        width, height = upright(picture)
        index = VideoIndex(
            num_frames=times.num_frames,
            fps=0.0,
            duration_s=0.0,
            width=width,
            height=height,
            rotation=clockwise(picture),
            variable_rate=False,
            container=container.format.name,
            codec=stream.codec_context.name,
            pixel_format=picture.format.name,
            clock=times.clock,
            time_base=str(time_base(stream)),
            first_timestamp=0,
            skipped_packets=packets.before_key,
            seek_points=(),
            stream=stream.index,
            headers_read=0 if times.clock == "table" else packets.headers_read,
            hidden=tuple(sorted(times.hidden)),
            scale=times.scale,
            shifts=tuple(times.shifts),
            mended=tuple(times.mended),
            lost=tuple(times.lost),
            uncertain=tuple(times.uncertain),
            notes=(*chosen.notes, *times.notes),
        )
        index = _with_stamps(index, stream, found, times, claimed) if len(times.ticks) else _with_rate(index, times)
        return replace(index, reading=_reading_hash(index, chosen, stream, packets.without_picture))


def _claimed(stream: VideoStream, packets: Packets) -> int:
    """Return the number of pictures that the container's table lists beyond the packets that could be read."""
    entries = stream.index_entries
    if len(entries) <= packets.read:
        return 0
    promised = sum(1 for e in entries if e.size > 0 and not e.is_discard)
    return max(0, promised - len(packets.ordinal) - packets.without_picture)


def _with_stamps(index: VideoIndex, stream: VideoStream, found: Scan, times: FrameTimes, claimed: int) -> VideoIndex:
    """Complete the index of a video whose packets have timestamps."""
    packets, tick_s = found.packets, time_base(stream) / times.scale
    rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
    kept = ~np.isin(packets.column(packets.ordinal), sorted(times.hidden))
    duration = packets.column(packets.duration)[kept] * times.scale
    ticks, ordered = times.ticks, np.sort(times.ticks)
    step = _last_step(ordered, duration)
    shown = step or int(duration[int(ticks.argmax())])
    footage = (int(ordered[-1]) - int(ordered[0])) * tick_s + (shown * tick_s if shown > 0 else 1 / rate)
    num_frames = times.num_frames + claimed
    if claimed:
        footage = max(footage, (stream.duration or 0) * time_base(stream), num_frames / rate)
    usual_s = median_step(ordered) * float(tick_s)
    steps_s = np.diff(ordered) * float(tick_s)
    pauses = [(int(i) + 1, float(steps_s[i])) for i in np.flatnonzero(steps_s > _LONG_PAUSE_S)]
    return replace(
        index,
        num_frames=num_frames,
        fps=float(num_frames / footage),
        duration_s=float(footage),
        variable_rate=_is_variable(ordered, times.scale),
        first_timestamp=int(ordered[0]),
        seek_points=_seek_points(packets, times, kept, ordered, tick_s),
        usual_fps=1 / usual_s if usual_s else 0.0,
        last_step=step,
        notes=(*index.notes, *_pause_notes(pauses, usual_s)),
    )


def _with_rate(index: VideoIndex, times: FrameTimes) -> VideoIndex:
    """Complete the index of a video whose times follow from a rate, or from packet positions in an AVI."""
    if len(times.timeline.runs) == 1:
        rate = float(times.rate)
        return replace(index, fps=rate, usual_fps=rate, duration_s=float(times.num_frames / times.rate))
    footage_s = times.timeline.end(times.num_frames) * NANOSECOND
    usual_s = times.timeline.usual_step * NANOSECOND
    return replace(
        index,
        fps=times.num_frames / footage_s,
        duration_s=footage_s,
        variable_rate=True,
        usual_fps=1 / usual_s,
        timeline=times.timeline.runs,
        notes=(*index.notes, *_pause_notes(times.timeline.pauses(_LONG_PAUSE_S), usual_s)),
    )


def _pause_notes(pauses: list[tuple[int, float]], usual_s: float) -> list[Note]:
    """Return a note for long steps between frames, unless the whole video is that slow. The steps are kept."""
    if not pauses or usual_s > _LONG_PAUSE_S / 2:
        return []
    longest = max(seconds for _, seconds in pauses)
    message = f"{len(pauses)} pauses of over {_LONG_PAUSE_S:g} s without frames, the longest {longest:.1f} s"
    return [Note("time_gap", f"{message}, the first before frame {pauses[0][0]}")]


def _last_step(ordered: Stamps, duration: Stamps) -> int:
    """Return the duration of the last frame if all packets state one duration that contradicts the steps; else 0.

    Matroska stores one duration for all frames, that of the nominal rate.
    """
    if len(ordered) < 3 or int(duration.min()) != int(duration.max()):
        return 0
    usual = float(np.median(np.diff(ordered[-1 - _LAST_STEPS :])))
    stated = int(duration[0])
    return round(usual) if abs(usual - stated) > max(0.1 * usual, 1.5) else 0


def _seek_points(
    packets: Packets, times: FrameTimes, kept: npt.NDArray[np.bool_], ordered: Stamps, tick_s: Fraction
) -> tuple[SeekPoint, ...]:
    """Return the key frames, thinned out, that no packet before them in the file overtakes in presentation order.

    Seeks use stored timestamps: these must be lower before a seek point, and higher after its possible leading
    pictures.
    """
    ticks, key = times.ticks, packets.keys[kept]
    stored = packets.column(packets.pts if times.clock == "pts" else packets.dts)[kept]
    dts, ordinals = packets.column(packets.dts)[kept], packets.column(packets.ordinal)[kept]
    stamps, counts = np.unique(stored[key], return_counts=True)  # a seek cannot distinguish key frames of equal stamp
    own = ~np.isin(ordinals, [packet for packet, _ in times.mended]) & ~np.isin(stored, stamps[counts > 1])
    own &= (_highest_before(ticks) < ticks) & (_highest_before(stored) < stored) & (stored < _lowest_behind(stored))
    points: list[SeekPoint] = []
    spacing, last = SEEK_SPACING_S / float(tick_s), 0
    for position in np.flatnonzero(key & own):
        time = int(ticks[position])
        if not points or time - last >= spacing:
            stamp = int(stored[position])
            decode_stamp = stamp if dts[position] == NONE else int(dts[position])
            points.append(SeekPoint(int(np.searchsorted(ordered, time)), stamp, decode_stamp, int(ordinals[position])))
            last = time
    return tuple(points)


def _highest_before(stamps: Stamps) -> Stamps:
    return np.concatenate(([np.iinfo(np.int64).min], np.maximum.accumulate(stamps)[:-1]))


def _lowest_behind(stamps: Stamps) -> Stamps:
    """Return for every packet the lowest timestamp of the packets too far behind it to be its leading pictures."""
    highest = np.iinfo(np.int64).max
    lowest = np.minimum.accumulate(np.where(stamps == NONE, highest, stamps)[::-1])[::-1]
    return np.concatenate((lowest[LEADING + 1 :], np.full(min(LEADING + 1, len(stamps)), highest)))


def _is_variable(ordered: Stamps, scale: int) -> bool:
    steps = np.diff(ordered)
    if len(steps) < 2:
        return False
    usual = float(np.median(steps))
    return bool((np.abs(steps - usual) > max(0.1 * usual, 1.5 * scale)).any())


def _reading_hash(index: VideoIndex, chosen: FootageStream, stream: VideoStream, without_picture: int) -> str:
    """Return a hash of the deviations from the default reading: first stream, every packet a picture, valid stamps."""
    plain = asdict(index)
    names = ("hidden", "shifts", "mended", "timeline", "lost", "last_step")
    special: dict[str, Any] = {name: plain[name] for name in names if plain[name]}
    if without_picture:
        special["without_picture"] = without_picture
    if not chosen.first:
        special["stream"] = chosen.number
    plain_rate = float(stream.average_rate or stream.guessed_rate or DEFAULT_RATE)
    if index.clock in ("count", "table") and not index.timeline and index.fps != plain_rate:
        special["rate"] = index.fps
    return hashlib.sha256(json.dumps(special, sort_keys=True).encode()).hexdigest()[:8] if special else ""
