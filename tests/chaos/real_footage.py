"""Five nights of real footage from four cameras: two show SurvFight, two UCSD Ped2."""

from __future__ import annotations

import io

import av

from tests.data_sets import DATA_SETS

BAD = "west/20260302_130000.mp4"
DELETED = "west/20260228_090000.mp4"
CHANGED = "station/20260301_130000.mp4"
LATE = "station/20260201_120000.mp4"
BORDER = ("square/20260303_235948.mp4", "square/20260304_000000.mp4")
BORDER_FRAME = 300  # in the middle of a fight, 12 s after the start


def fight(number: int) -> bytes:
    """Return a SurvFight video of the list whose sources are not in the training list."""
    return (DATA_SETS / f"survfight/temporal/videos/t_dev_test_{number:03d}.mp4").read_bytes()


def walk(name: str) -> bytes:
    """Return a UCSD Ped2 video."""
    return (DATA_SETS / f"ucsd_ped2/videos/{name}.mp4").read_bytes()


def part(video: bytes, first: int, last: int) -> bytes:
    """Return frames ``first`` to ``last`` (exclusive) of a video of 25 frames a second as a video."""
    out = io.BytesIO()
    with av.open(io.BytesIO(video)) as source, av.open(out, "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=25, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if first <= number < last:
                picture = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
                target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return out.getvalue()


def footage() -> list[dict[str, bytes]]:
    """Return the files that arrive before each night: 50 to 140 clips, some in place of others."""
    return [
        {
            "square/20260301_120000.mp4": fight(3),
            "station/20260301_120000.mp4": fight(25),
            CHANGED: fight(28),
            "east/20260301_090000.mp4": walk("Train001"),
            "west/20260301_090000.mp4": walk("Test001"),
            DELETED: walk("Test009"),
        },
        {
            "square/20260302_120000.mp4": fight(1),
            "station/20260302_120000.mp4": fight(12),
            CHANGED: fight(16),
            "east/20260302_090000.mp4": walk("Train002"),
            "west/20260302_090000.mp4": walk("Test002"),
            BAD: walk("Test003")[:300_000],
        },
        {
            BORDER[0]: part(fight(2), 0, BORDER_FRAME),
            LATE: fight(5),
            "east/20260303_090000.mp4": walk("Train003"),
            "west/20260303_090000.mp4": walk("Test003"),
        },
        {
            BORDER[1]: part(fight(2), BORDER_FRAME, 10_000),
            "station/20260304_120000.mp4": fight(15),
            "east/20260304_090000.mp4": walk("Test004"),
            "west/20260304_090000.mp4": walk("Test005"),
        },
        {
            "square/20260305_120000.mp4": fight(32),
            "east/20260305_090000.mp4": walk("Train004"),
            "west/20260305_090000.mp4": walk("Test006"),
        },
    ]
