"""One request to the decode child, from the question to the answer, in the parent."""

from __future__ import annotations

import time
from collections.abc import Callable

from wsvad.errors import StorageError, VideoError
from wsvad.video.contract import KINDS, ByteSource
from wsvad.video.process import DecodeChild
from wsvad.video.remote import BLOCK
from wsvad.video.wire import Disconnected, Message

_POLL_S = 0.25
_CANCEL_GRACE_S = 2.0


class Cancelled(Exception):
    """The request was given up as asked; the child is ready for the next one or dead."""


class Exchange:
    """Serves the child's reads until it answers. ``cancel`` may be called from another thread."""

    def __init__(
        self,
        child: DecodeChild,
        source: ByteSource,
        name: str,
        stall_s: float,
        on_clip: Callable[[Message], None],
        blocked: Callable[[], bool],
    ) -> None:
        self._child = child
        self._source = source
        self._name = name
        self._stall_s = stall_s
        self._on_clip = on_clip
        self._blocked = blocked
        self._give_up_at: float | None = None
        self._storage_error: BaseException | None = None
        self._answered = False

    def cancel(self) -> None:
        """Ask the child to stop; ``run`` then raises Cancelled, within seconds. No effect after its answer."""
        if self._give_up_at is None and not self._answered:
            self._give_up_at = time.monotonic() + _CANCEL_GRACE_S
            try:
                self._child.send({"t": "cancel"})
            except Disconnected:
                return  # run() sees it too

    def run(self) -> Message:
        """Serve the child, which has been sent the request, and return its result.

        Raises VideoError with the evidence, what ``source.read_at`` raised, unchanged, or Cancelled. After a failure
        that may have left the child in an unknown state it is dead.
        """
        try:
            answer = self._serve()
        except Disconnected as error:
            failure = self._child.death(self._name)
            self._child.kill()
            if self._give_up_at is not None:
                raise Cancelled from error
            raise self._storage_error or failure from error
        if answer["t"] == "done":
            result: Message = answer["result"]
            return result
        if answer["t"] == "cancelled":
            raise Cancelled
        if self._storage_error is not None:
            raise self._storage_error
        kind, message = answer.get("kind"), f"{self._name}: {answer.get('message')}"
        if kind not in KINDS:
            kind, message = "decoder_crash", f"{self._name}: the decoder gave a wrong answer"
        if kind.startswith("decoder_"):
            self._child.kill()
        raise VideoError(kind, message)

    def _serve(self) -> Message:
        last = time.monotonic()
        while True:
            if self._child.wait_for_message(min(_POLL_S, self._stall_s)):
                message = self._child.receive()
                match message.get("t"):
                    case "read":
                        self._read(message)
                    case "clip":
                        self._on_clip(message)
                    case "beat":
                        pass
                    case _:
                        self._answered = True
                        return message
                last = time.monotonic()
            elif self._blocked():
                last = time.monotonic()
            self._check(last)

    def _check(self, last_progress: float) -> None:
        now = time.monotonic()
        if self._give_up_at is not None and now > self._give_up_at:
            self._child.kill()
            raise Cancelled
        if now - last_progress > self._stall_s:
            self._child.kill()
            raise VideoError("decoder_hang", f"{self._name}: the decoder made no progress for {self._stall_s:g} s")

    def _read(self, message: Message) -> None:
        offset, length = int(message["offset"]), int(message["length"])
        if not (offset >= 0 and 0 < length <= BLOCK and offset + length <= self._source.size):
            raise Disconnected("the child asked for bytes outside the video")
        data = b""
        failed = self._give_up_at is not None
        if not failed and self._storage_error is None:
            try:
                data = self._source.read_at(offset, length)
                if len(data) != length:
                    expected = f"{length} bytes at {offset} of {self._source.size}"
                    raise StorageError(f"{self._name}: expected {expected}, got {len(data)}; it changed while read")
            except BaseException as error:
                self._storage_error = error
        failed = failed or self._storage_error is not None
        self._child.send({"t": "data", "id": message["id"], "failed": failed}, b"" if failed else data)
