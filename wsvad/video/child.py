"""Entry point of the decode child: serves one request at a time over one socket, confined and under resource limits.

Started by ``wsvad.video.process``. Arguments: the file descriptor of the socket, the process id of the parent, 1 if the
kernel may kill the child when the parent's thread ends (else 0), 1 if optical flow will be requested (else 0), and the
limits as JSON.

Nothing can be imported or opened once the child is in its sandbox: imports inside functions fail there.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import mmap
import os
import queue
import resource
import signal
import socket
import sys
import threading
import time
from typing import Any

import numpy as np

from wsvad.clips import ClipSpec
from wsvad.video.clip_assembler import ClipTimes
from wsvad.video.contract import Limits, ReadOptions, VideoIndex
from wsvad.video.decoding import Decoder
from wsvad.video.demux import Refused
from wsvad.video.flow import FlowEstimator, load_opencv
from wsvad.video.geometry import Frames, Geometry
from wsvad.video.indexing import build_index
from wsvad.video.remote import BLOCK, RemoteFile
from wsvad.video.ring import SlotLayout
from wsvad.video.sandbox import Sandbox, enter
from wsvad.video.wire import Disconnected, Message, Violation, receive, send

_HEARTBEAT_S = 0.25
_GIB = 1 << 30
_PR_SET_PDEATHSIG = 1
_IMPORTED_LATE = ("av.subtitles.codeccontext", "av.subtitles.stream", "av.subtitles.subtitle", "numpy.ma")
"""Modules that PyAV imports while it opens a file, and NumPy in ``unique``: too late in the sandbox."""


class _Cancelled(Exception):
    """The parent cancelled the request."""


class _StorageFailed(Exception):
    """The parent could not read the video from storage; it keeps the error."""


class Channel:
    """The child's end of the socket. One thread receives; only the main thread sends."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._changed = threading.Condition()
        self._requests: queue.SimpleQueue[tuple[Message, list[int]]] = queue.SimpleQueue()
        self._wanted: set[int] = set()
        self._replies: dict[int, bytearray | None] = {}
        self._ahead: tuple[int, int] | None = None
        self._free: set[int] = set()
        self._cancelled = False
        self._ids = 0
        self._last_heartbeat = 0.0

    def listen(self) -> None:
        """Receive until the parent disconnects, then exit the process at once, whatever the main thread does."""
        try:
            while True:
                message, payload, fds = receive(self._sock, BLOCK)
                with self._changed:
                    self._dispatch(message, payload, fds)
                    self._changed.notify_all()
        except (Disconnected, Violation):
            os._exit(0)

    def _dispatch(self, message: Message, payload: bytearray, fds: list[int]) -> None:
        match message["t"]:
            case "data":
                if message["id"] in self._wanted:
                    self._wanted.discard(message["id"])
                    self._replies[message["id"]] = None if message["failed"] else payload
            case "free":
                self._free.add(message["slot"])
            case "cancel":
                self._cancelled = True
            case "request":
                self._cancelled = False
                self._free = set(message["free"])
                self._requests.put((message, fds))

    def next_request(self) -> tuple[Message, list[int]]:
        """Wait for a request and discard the state of the previous one."""
        message, fds = self._requests.get()
        with self._changed:
            self._wanted.clear()
            self._replies.clear()
            self._ahead = None
        return message, fds

    def send(self, message: Message) -> None:
        """Send a message to the parent. Exits the process if the parent is gone."""
        try:
            send(self._sock, message)
        except Disconnected:
            os._exit(0)

    def heartbeat(self) -> None:
        """Send a heartbeat to the parent, at most every 0.25 s. Raises _Cancelled if the request was cancelled."""
        now = time.monotonic()
        if now - self._last_heartbeat >= _HEARTBEAT_S:
            self._last_heartbeat = now
            self.send({"t": "heartbeat"})
        if self._cancelled:
            raise _Cancelled

    def _ask(self, offset: int, length: int) -> int:
        with self._changed:
            self._ids += 1
            number = self._ids
            self._wanted.add(number)
        self.send({"t": "read", "id": number, "offset": offset, "length": length})
        return number

    def prefetch(self, offset: int, length: int) -> None:
        """Request bytes that will be fetched soon; only one such request is kept at a time."""
        with self._changed:
            if self._ahead is not None:
                self._wanted.discard(self._ahead[1])
                self._replies.pop(self._ahead[1], None)
        self._ahead = (offset, self._ask(offset, length))

    def fetch(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes of the video at ``offset``, read by the parent."""
        if self._ahead is not None and self._ahead[0] == offset:
            number = self._ahead[1]
            self._ahead = None
        else:
            number = self._ask(offset, length)
        with self._changed:
            self._changed.wait_for(lambda: number in self._replies or self._cancelled)
            if self._cancelled:
                raise _Cancelled
            data = self._replies.pop(number)
        if data is None:
            raise _StorageFailed
        return bytes(data)

    def take_slot(self) -> int:
        """Wait until the parent has a free slot for a clip, and return its number."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._free) or self._cancelled)
            if self._cancelled:
                raise _Cancelled
            return self._free.pop()


class Worker:
    """Serves requests one after the other."""

    def __init__(self, channel: Channel, limits: Limits) -> None:
        self._channel = channel
        self._limits = limits
        self._memory: mmap.mmap | None = None

    def run(self, sandbox: Sandbox) -> None:
        """Serve requests until the process is ended; first report what confines it."""
        self._channel.send({"t": "ready", "sandbox": sandbox.to_dict()})
        while True:
            request, fds = self._channel.next_request()
            if fds:
                self._memory = mmap.mmap(fds[0], os.lseek(fds[0], 0, os.SEEK_END))  # glibc's fstat() takes a path
                for fd in fds:
                    os.close(fd)
            self._channel.send(self._answer(request))

    def _answer(self, request: Message) -> Message:
        source = RemoteFile(request["size"], self._channel.fetch, self._channel.prefetch)
        try:
            if request["op"] == "index":
                _raise_cpu_limit(self._limits.cpu_base_s + self._limits.cpu_per_gib_s * source.size / _GIB)
                reading = ReadOptions(**request["reading"])
                index = build_index(source, reading, self._limits.max_pixels, self._channel.heartbeat, self._allow_cpu)
                answer = index.to_dict()
            else:
                answer = self._clips(source, request)
            reply: Message = {"t": "done", "result": answer}
        except _Cancelled:
            return {"t": "cancelled"}
        except Refused as refused:
            reply = {"t": "refused", "kind": refused.kind, "message": str(refused)}
        except MemoryError:
            limit = self._limits.address_space
            reply = {"t": "refused", "kind": "decoder_memory", "message": f"needs more than {limit} bytes of memory"}
        except Exception as error:
            message = f"{type(error).__name__}: {error}"[:500]
            reply = {"t": "refused", "kind": "decoder_error", "message": message}
        if source.failure is not None:
            return {"t": "cancelled" if isinstance(source.failure, _Cancelled) else "storage"}
        return reply

    def _clips(self, source: RemoteFile, request: Message) -> dict[str, Any]:
        spec, geometry = ClipSpec(**request["spec"]), Geometry(**request["geometry"])
        index = VideoIndex.from_dict(request["index"])
        flow_estimator = FlowEstimator(request["flow"]) if request["flow"] else None
        width, height = geometry.delivered(index.width, index.height)
        if self._memory is None:
            raise RuntimeError("clips were requested before the shared memory was sent")
        layout = SlotLayout(spec.length, height, width, flow_estimator is not None)
        memory = np.frombuffer(self._memory, dtype=np.uint8)

        def emit(times: ClipTimes, frames: tuple[Frames, ...], flow: tuple[Frames, ...]) -> None:
            slot = self._channel.take_slot()
            frames_THWC, flow_THWC = layout.views(memory, slot)
            _fill(frames_THWC, frames)
            if flow_THWC is not None:
                _fill(flow_THWC, flow)
            self._channel.send({"t": "clip", "slot": slot, "times": list(times)})

        decoder = Decoder(
            source,
            index,
            (request["first_clip"], request["last_clip"]),
            spec,
            geometry,
            self._limits.max_pixels,
            emit,
            self._channel.heartbeat,
            self._allow_cpu,
            flow_estimator,
        )
        return vars(decoder.run())

    def _allow_cpu(self, footage_s: float, flow_megapixels: float) -> None:
        limits = self._limits
        flow_s = limits.cpu_per_flow_megapixel_s * flow_megapixels
        _raise_cpu_limit(limits.cpu_base_s + limits.cpu_per_footage_s * footage_s + flow_s)


def _fill(target_THWC: Frames, pieces: tuple[Frames, ...]) -> None:
    """Copy the pieces one after the other; fill the remaining frames with the last one."""
    filled = 0
    for piece in pieces:
        target_THWC[filled : filled + len(piece)] = piece
        filled += len(piece)
    target_THWC[filled:] = target_THWC[filled - 1]


def _raise_cpu_limit(seconds: float) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(usage.ru_utime + usage.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _set_limits(limits: Limits) -> None:
    for which, value in (
        (resource.RLIMIT_AS, limits.address_space),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(which)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (bound, bound))


def main(arguments: list[str]) -> None:
    """Set the resource limits, enter the sandbox, then serve the parent until it disconnects."""
    fd, parent, tied, flow = int(arguments[0]), int(arguments[1]), arguments[2] == "1", arguments[3] == "1"
    limits = Limits(**json.loads(arguments[4]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent handles it
    if tied:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    _set_limits(limits)
    channel = Channel(socket.socket(fileno=fd))
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    if flow:
        load_opencv()
    sandbox = enter()  # before the second thread: Landlock applies to the threads that this one starts
    threading.Thread(target=channel.listen, daemon=True).start()
    Worker(channel, limits).run(sandbox)


if __name__ == "__main__":
    main(sys.argv[1:])
