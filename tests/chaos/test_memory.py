"""Memory is bounded by the unit, not by the video."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import av
import psutil
import pytest

from tests.extraction.harness import finish, start
from tests.extraction.videos import write_video

pytestmark = pytest.mark.slow
MINUTE = 60 * 25
STRIDE = 64


def repeat(source: Path, target: Path, times: int) -> Path:
    """Write a video that is another one, several times over, without encoding anything again."""
    data = source.read_bytes()
    with av.open(str(target), "w") as out:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(io.BytesIO(data)) as container:
                video = container.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                for packet in container.demux(video):
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts += offset
                        packet.dts += offset
                        packet.stream = stream
                        out.mux(packet)
                offset += video.duration or 0
    return target


def peak_of(video: Path, out: Path) -> tuple[int, int]:
    """Extract with one worker; return the peak memory of driver, worker and decoder together, and the clips.

    Ray's own processes are left out: they are large, and would hide what grows.
    """
    # one frame in 64 keeps the network quick: a ninth of a second each on a slow core; every frame is decoded
    words = ("--clip-length", "1", "--clip-stride", str(STRIDE), "--workers", "1", "--precision", "fp32", "--json")
    process = start("extract", "--videos", str(video), "--out", str(out), *words)
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.2):
            try:
                driver = psutil.Process(process.pid)
                workers = [p for p in driver.children(recursive=True) if p.name().startswith("ray::MapWorker")]
                ours = [driver, *workers, *(child for w in workers for child in w.children())]
                peak = max(peak, sum(p.memory_info().rss for p in ours))
            except psutil.NoSuchProcess:
                continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        code, summary, log = finish(process, timeout=1500)
    finally:
        done.set()
        watcher.join()
    assert code == 0, log
    return peak, summary["clips"]


def test_two_hours_take_no_more_memory_than_ten_minutes(tmp_path):
    """The peak of a two-hour video is within 15 % of that of a ten-minute one."""
    write_video(tmp_path / "minute.mp4", MINUTE, size=(320, 240))
    short = repeat(tmp_path / "minute.mp4", tmp_path / "short.mp4", 10)
    long = repeat(tmp_path / "minute.mp4", tmp_path / "long.mp4", 120)
    (peak_short, clips_short), (peak_long, clips_long) = peak_of(short, tmp_path / "a"), peak_of(long, tmp_path / "b")
    print(
        f"peak of ten minutes {peak_short >> 20} MiB, of two hours {peak_long >> 20} MiB: {peak_long / peak_short:.3f}"
    )
    assert (clips_short, clips_long) == (-(-10 * MINUTE // STRIDE), -(-120 * MINUTE // STRIDE))
    assert peak_long < 1.15 * peak_short
