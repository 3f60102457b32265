"""Where an MP4 keeps its samples, so that they need not be fetched to index it."""

from __future__ import annotations

from av.container import InputContainer

from wsvad.video.remote import RemoteFile

_MAX_BOXES = 64


def sample_data_spans(container: InputContainer, source: RemoteFile) -> list[tuple[int, int]]:
    """Return the byte spans of sample data of an MP4 whose sample table is complete, else nothing.

    The demuxer takes the stamps of such a file from the table and would read the samples only to hand them over; with
    zeros in their place the index of a 20 GB object costs as much as its table.
    """
    if "mp4" not in container.format.name.split(","):
        return []
    spans: list[tuple[int, int]] = []
    back, start = source.tell(), 0
    for _ in range(_MAX_BOXES):
        source.seek(start)
        head = source.read(16)
        if len(head) < 8:
            break
        length, kind, body = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 1:
            length, body = int.from_bytes(head[8:16], "big"), 16
        stop = source.size if length == 0 else start + length
        if kind in (b"moof", b"sidx") or stop <= start + 7:
            spans = []
            break
        if kind == b"mdat":
            spans.append((start + body, min(stop, source.size)))
        start = stop
    else:
        spans = []
    source.seek(back)
    return spans
