"""Progress bar and progress log lines of a run of units."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from wsvad.display import Display
from wsvad.work.receipt import HasUnitId, Receipt

log = logging.getLogger(__name__)

_POLL_EVERY_S = 0.25


class VideoUnit(HasUnitId, Protocol):
    """A unit that is part of one video."""

    @property
    def video_id(self) -> str:
        """The video."""
        ...

    @property
    def num_clips(self) -> int:
        """Clips that the unit should hold."""
        ...


class ProgressView:
    """Counts receipts and shows progress. Use as a context manager; thread-safe.

    Args:
        total_clips: number of clips in all units of this run.
        units_left: number of units of each video in this run, by video id.
        in_progress: returns the number of finished clips per running unit. If it fails, only receipts count.
        console: where to draw; if it is not a terminal, lines are logged instead.
        activity: text of the progress bar.
    """

    def __init__(
        self,
        total_clips: int,
        units_left: Mapping[str, int],
        in_progress: Callable[[], Mapping[str, int]],
        console: Console,
        activity: str = "extracting",
    ) -> None:
        self.total_clips, self.total_videos = total_clips, len(units_left)
        self.quarantined = 0
        self.first_clip_s: float | None = None
        """Seconds from the start until the first clip was reported as finished."""
        self._left = dict(units_left)
        self._settled: set[str] = set()
        self._settled_clips = 0
        self._last_receipt_s = 0.0
        self._running_clips = 0
        self._in_progress = in_progress
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._console = console
        self._activity = activity
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> ProgressView:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def add(self, unit: VideoUnit, receipt: Receipt) -> None:
        """Add a finished unit."""
        with self._lock:
            self._settled.add(unit.unit_id)
            self._settled_clips += unit.num_clips
            self._left[unit.video_id] -= 1
            self._last_receipt_s = time.monotonic() - self._started
            self.quarantined += receipt.status == "quarantined"
            if receipt.clips and self.first_clip_s is None:
                self.first_clip_s = time.monotonic() - self._started

    @property
    def steady_s(self) -> float:
        """Seconds from the first finished clip to the last receipt so far."""
        return max(0.0, self._last_receipt_s - self.first_clip_s) if self.first_clip_s is not None else 0.0

    @property
    def clips(self) -> int:
        """Finished clips, including those of running units."""
        return min(self.total_clips, self._settled_clips + self._running_clips)

    @property
    def videos(self) -> int:
        """Videos whose units are all settled."""
        return sum(1 for left in self._left.values() if left == 0)

    @property
    def clips_per_s(self) -> float:
        """Mean rate since the first finished clip."""
        begun = self.first_clip_s
        elapsed = 0.0 if begun is None else time.monotonic() - self._started - begun
        return self.clips / elapsed if elapsed > 1 else 0.0

    def line(self) -> str:
        """Return the progress as one line of text."""
        if self.first_clip_s is None:
            return f"0/{self.total_clips} clips, waiting for the first worker to finish a clip"
        rate = self.clips_per_s
        left = f"{(self.total_clips - self.clips) / rate:.0f} s left" if rate else "time left unknown"
        return (
            f"{self.clips}/{self.total_clips} clips, {self.videos}/{self.total_videos} videos, {rate:.1f} clips/s, "
            f"{left}, {self.quarantined} quarantined"
        )

    def _poll(self) -> None:
        try:
            running = self._in_progress()
        except Exception as error:  # progress must never end a run; Ray may be handling the loss of a node
            log.debug("no progress report: %s", error)
            return
        with self._lock:
            self._running_clips = sum(n for unit, n in running.items() if unit not in self._settled)
            if self._running_clips and self.first_clip_s is None:
                self.first_clip_s = time.monotonic() - self._started

    def _run(self) -> None:
        columns: tuple[ProgressColumn, ...] = (
            TextColumn(self._activity),
            BarColumn(),
            _StateColumn(self),
            TimeRemainingColumn(compact=True),
        )
        with Display(self._console, log, *columns, total=self.total_clips) as display:
            while not self._stop.wait(_POLL_EVERY_S):
                self._poll()
                display.update(self.clips, self.line)
            if self._console.is_terminal:
                display.update(self.clips, self.line)


class _StateColumn(ProgressColumn):
    def __init__(self, view: ProgressView) -> None:
        super().__init__()
        self._view = view

    def render(self, task: Task) -> Text:
        v = self._view
        text = f"{v.clips}/{v.total_clips} clips  {v.videos}/{v.total_videos} videos  {v.clips_per_s:.1f} clips/s"
        return Text(text + (f"  {v.quarantined} quarantined" if v.quarantined else ""))
