"""``VideoReader``: index and decode untrusted video in a child process, with clips in shared memory."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Iterator
from dataclasses import asdict
from types import TracebackType

from wsvad.clips import ClipSpec
from wsvad.errors import UsageError
from wsvad.video.contract import ByteSource, DecodeReport, Limits, ReadOptions, VideoIndex
from wsvad.video.exchange import Exchange
from wsvad.video.flow import flow_megapixels, require_flow
from wsvad.video.geometry import Geometry
from wsvad.video.names import FlowMethod
from wsvad.video.process import DecodeChild
from wsvad.video.ring import Clip, Ring, SlotLayout
from wsvad.video.wire import Disconnected, Message

_Arrived = queue.SimpleQueue[Clip | DecodeReport | BaseException]


class VideoReader:
    """Owns one persistent decode child, which is started on first use and again after any failure.

    Use it as a context manager and from one thread at a time (clips may be released from any thread). A generator
    returned by ``clips`` must be exhausted or closed before the next call.

    Args:
        limits: Resource limits of the child.
        queue_clips: Maximum number of clips in memory, at least 1.
    """

    def __init__(
        self, limits: Limits | None = None, queue_clips: int = 4, _child_command: list[str] | None = None
    ) -> None:
        if queue_clips < 1:
            raise UsageError(f"queue_clips must be at least 1, got {queue_clips}")
        self._limits = limits or Limits()
        self._queue_clips = queue_clips
        self._command = _child_command
        self._child: DecodeChild | None = None
        self._ring: Ring | None = None
        self._ring_sent = False
        self._busy = False
        self._slots_lock = threading.Lock()
        self.report = DecodeReport()
        """Report of the last finished ``clips`` run."""

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child. Clips that were not released stay readable."""
        if self._child is not None:
            self._child.kill()
            self._child = None
        if self._ring is not None:
            self._ring.close()
            self._ring = None

    def index(self, source: ByteSource, *, name: str = "", reading: ReadOptions | None = None) -> VideoIndex:
        """Index a video: read its packets, and decode no more than needed to number its frames.

        ``name`` identifies the video in messages, ``reading`` holds user settings. Raises VideoError with the evidence
        against the video. StorageError of ``source`` is raised unchanged.
        """
        child = self._ready_child()
        parse = VideoIndex.from_dict
        exchange = Exchange(child, source, name or "video", self._limits.stall_s, parse, _no_clips, lambda: False)
        self._send(
            child,
            {"t": "request", "op": "index", "size": source.size, "reading": asdict(reading or ReadOptions())},
            None,
        )
        return exchange.run()

    def clips(
        self,
        source: ByteSource,
        index: VideoIndex,
        first_clip: int,
        last_clip: int,
        spec: ClipSpec,
        geometry: Geometry,
        *,
        name: str = "",
        flow: FlowMethod | None = None,
    ) -> Iterator[Clip]:
        """Yield the complete clips of ``[first_clip, last_clip)`` in order; then set ``report``.

        The frames of a clip are ``[T, H, W, 3]`` RGB of size ``geometry.delivered(...)``. With ``flow``, each clip also
        has its optical flow ``[T, H, W, 2]``, see ``wsvad.video.flow``. Call ``release`` on each clip: at most
        ``queue_clips`` are in memory.

        Raises VideoError with the evidence against the video, possibly after valid clips; UsageError if flow cannot be
        computed; RuntimeError if the caller holds all clips for ``stall_s``. StorageError of ``source`` is raised
        unchanged.
        """
        self.report = DecodeReport()
        width, height = geometry.delivered(index.width, index.height)
        stall_s = self._limits.stall_s if flow is None else self._stall_with_flow(index, geometry, flow)
        layout = SlotLayout(spec.length, height, width, flow is not None)
        child = self._ready_child(flow is not None)
        ring = self._ready_ring(layout.slot_bytes)
        arrived: _Arrived = queue.SimpleQueue()

        def on_clip(message: Message) -> None:
            ring.occupy(message["slot"])
            arrived.put(self._clip(message, ring, layout))

        exchange = Exchange(child, source, name or "video", stall_s, _report, on_clip, lambda: not ring.free_slots())
        self._send(child, self._request(source, index, (first_clip, last_clip), spec, geometry, flow), ring)

        def serve() -> None:
            try:
                arrived.put(exchange.run())
            except BaseException as error:
                arrived.put(error)

        thread = threading.Thread(target=serve, name="wsvad-decode", daemon=True)
        self._busy = True
        thread.start()
        try:
            while True:
                item = self._next(arrived, ring)
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, DecodeReport):
                    self.report = item
                    return
                yield item
        finally:
            exchange.cancel()
            thread.join()
            self._busy = False
            _release_rest(arrived)

    def _stall_with_flow(self, index: VideoIndex, geometry: Geometry, flow: FlowMethod) -> float:
        require_flow(flow, geometry.size)
        megapixels = flow_megapixels(geometry, index.width, index.height)
        return self._limits.stall_s + self._limits.cpu_per_flow_megapixel_s * megapixels

    def _next(self, arrived: _Arrived, ring: Ring) -> Clip | DecodeReport | BaseException:
        while True:
            try:
                return arrived.get(timeout=self._limits.stall_s)
            except queue.Empty:
                if not ring.free_slots():
                    held = f"all {ring.slots} clips are held; call release() on each clip after use"
                    raise RuntimeError(f"no clip can be decoded: {held}") from None

    def _request(
        self,
        source: ByteSource,
        index: VideoIndex,
        clips: tuple[int, int],
        spec: ClipSpec,
        geometry: Geometry,
        flow: FlowMethod | None,
    ) -> Message:
        return {
            "t": "request",
            "op": "clips",
            "size": source.size,
            "index": index.to_dict(),
            "first_clip": clips[0],
            "last_clip": clips[1],
            "spec": asdict(spec),
            "geometry": asdict(geometry),
            "flow": flow,
        }

    def _send(self, child: DecodeChild, request: Message, ring: Ring | None) -> None:
        """Send a request with the slots that are free now, and with the ring's descriptor if the child lacks it."""
        with self._slots_lock:
            fds = (ring.fd,) if ring is not None and not self._ring_sent else ()
            self._ring_sent = self._ring_sent or ring is not None
            try:
                child.send({**request, "free": ring.free_slots() if ring else []}, fds=fds)
            except Disconnected:
                return  # the exchange reports the cause

    def _clip(self, message: Message, ring: Ring, layout: SlotLayout) -> Clip:
        slot = message["slot"]
        clip, start_frame, end_frame, start_s, end_s = message["times"]

        def on_release() -> None:
            with self._slots_lock:
                ring.free(slot)
                if ring is self._ring and self._child is not None:
                    try:
                        self._child.send({"t": "free", "slot": slot})
                    except Disconnected:
                        return  # the thread that waits for the child notices its end

        frames_THWC, flow_THWC = ring.views(slot, layout)
        return Clip(clip, (start_frame, end_frame), (start_s, end_s), frames_THWC, on_release, flow_THWC)

    def _ready_child(self, flow: bool = False) -> DecodeChild:
        if self._busy:
            raise RuntimeError("a clips() run of this reader is not finished; exhaust or close it first")
        lacks_flow = flow and self._child is not None and not self._child.flow
        if self._child is None or lacks_flow or not self._child.alive():
            flow = flow or (self._child is not None and self._child.flow)
            if self._child is not None:
                self._child.kill()
            self._child = DecodeChild(self._limits, self._command, flow=flow)
            weakref.finalize(self, self._child.kill)
            self._ring_sent = False
        return self._child

    def _ready_ring(self, slot_bytes: int) -> Ring:
        if self._ring is None or self._ring.slot_bytes != slot_bytes:
            if self._ring is not None:
                self._ring.close()
            self._ring = Ring(self._queue_clips, slot_bytes)
            self._ring_sent = False
        return self._ring


def _no_clips(message: Message) -> None:
    raise ValueError("unexpected clip")


def _report(result: Message) -> DecodeReport:
    missing = tuple((start, stop) for start, stop in result["missing"])
    return DecodeReport(**{**result, "missing": missing, "errors": tuple(result["errors"])})


def _release_rest(arrived: _Arrived) -> None:
    while not arrived.empty():
        item = arrived.get()
        if isinstance(item, Clip):
            item.release()
