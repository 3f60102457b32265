"""Reference implementation of event detection in plain loops, for comparison with ``wsvad.events``."""

from __future__ import annotations

from wsvad.events.config import EventSettings

HOUR = 3600.0


def smoothed(starts, scores, width):
    """Return the weighted mean of every clip over all clips within ``width`` seconds."""
    if width == 0:
        return list(scores)
    means = []
    for here in starts:
        weights = [max(0.0, 1 - abs(here - there) / width) for there in starts]
        means.append(sum(w * s for w, s in zip(weights, scores, strict=True)) / sum(weights))
    return means


def piece_numbers(times, means, low, gap):
    """Return the piece number of each clip of at least ``low`` (else None), and the pieces that continue another."""
    islands: list[list[int]] = []
    reached = float("-inf")
    for clip, (start, end) in enumerate(times):
        if means[clip] < low:
            continue
        if start - reached > gap or not islands:
            islands.append([])
        islands[-1].append(clip)
        reached = max(reached, end)
    numbers: list[int | None] = [None] * len(times)
    number, rests = 0, set()
    for island in islands:
        begin, end = times[island[0]][0], max(times[clip][1] for clip in island)
        hour, cuts = HOUR * (begin // HOUR), set()
        while hour <= end:
            if begin <= hour and hour + HOUR <= end:
                cuts |= {hour, hour + HOUR}
            hour += HOUR
        before = None
        for clip in island:
            passed = sum(cut <= times[clip][0] for cut in cuts)
            if before is None or passed != before:
                number += 1
                if before is not None:
                    rests.add(number)
            numbers[clip], before = number, passed
    return numbers, rests


def events(times, scores, settings: EventSettings):
    """Return all events as ``(first, last, start, end, continues)``, and the smoothed scores."""
    means = smoothed([start for start, _ in times], scores, settings.smooth_s)
    numbers, rests = piece_numbers(times, means, settings.low_level, settings.gap_s)
    runs: list[list[int]] = []
    is_open = False
    for clip, number in enumerate(numbers):
        if number is None:
            is_open = False
            continue
        if is_open and numbers[clip - 1] != number:
            is_open = False
        if is_open:
            runs[-1][1] = clip + 1
        elif means[clip] >= settings.high:
            runs.append([clip, clip + 1, number])
            is_open = True
    merged = []
    for first, last, number in runs:
        end = max(end for _, end in times[first:last])
        if merged and merged[-1][2] == number and times[first][0] - merged[-1][3] <= settings.gap_s:
            merged[-1] = [merged[-1][0], last, number, max(end, merged[-1][3])]
        else:
            merged.append([first, last, number, end])
    found = []
    for first, last, number, end in merged:
        following = [clip for clip, other in enumerate(numbers) if other == number + 1]
        if number + 1 in rests and following:
            end = min(end, times[following[0]][0])
        continues = number in rests and numbers.index(number) == first
        if end - times[first][0] >= settings.min_length_s:
            found.append((first, last, times[first][0], end, continues))
    return found, means
