"""One request to the decode child and its answer, in the parent process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from wsvad.errors import StorageError, UsageError, VideoError
from wsvad.video.contract import KINDS, ByteSource
from wsvad.video.process import DecodeChild
from wsvad.video.remote import BLOCK
from wsvad.video.wire import Disconnected, Message, Violation

Result = TypeVar("Result")

_POLL_S = 0.25
_CANCEL_GRACE_S = 2.0


class Cancelled(Exception):
    """The request was cancelled; the child is ready for the next request, or dead."""


class Exchange(Generic[Result]):
    """Serves the child's reads until it answers. ``cancel`` may be called from another thread."""

    def __init__(
        self,
        child: DecodeChild,
        source: ByteSource,
        name: str,
        stall_s: float,
        parse: Callable[[Message], Result],
        on_clip: Callable[[Message], None],
        blocked: Callable[[], bool],
    ) -> None:
        self._child = child
        self._source = source
        self._name = name
        self._stall_s = stall_s
        self._parse = parse
        self._on_clip = on_clip
        self._blocked = blocked
        self._give_up_at: float | None = None
        self._storage_error: BaseException | None = None
        self._answered = False

    def cancel(self) -> None:
        """Ask the child to stop; ``run`` then raises Cancelled within seconds. No effect after the answer."""
        if self._give_up_at is None and not self._answered:
            self._give_up_at = time.monotonic() + _CANCEL_GRACE_S
            try:
                self._child.send({"t": "cancel"})
            except Disconnected:
                return  # run() notices it too

    def run(self) -> Result:
        """Serve the child, which must have received the request, and return its result, converted by ``parse``.

        Raises VideoError with the evidence against the video, Cancelled, or the error that ``source.read_at`` raised.
        A failure that may have left the child in an unknown state also kills it.
        """
        try:
            return self._result(self._serve())
        except Violation as error:
            self._child.kill()
            raise VideoError("decoder_crash", f"{self._name}: invalid message from the decoder: {error}") from error
        except Disconnected as error:
            failure = self._child.death(self._name)
            self._child.kill()
            if self._give_up_at is not None:
                raise Cancelled from error
            raise self._storage_error or failure from error

    def _result(self, answer: Message) -> Result:
        if answer["t"] == "done":
            try:
                return self._parse(answer["result"])
            except (KeyError, TypeError, ValueError, UsageError) as error:
                raise Violation(f"{type(error).__name__}: {error}") from error
        if answer["t"] == "cancelled":
            raise Cancelled
        if self._storage_error is not None:
            raise self._storage_error
        kind, message = answer.get("kind"), f"{self._name}: {answer.get('message')}"
        if kind not in KINDS:
            raise Violation(f"unknown message {str(answer)[:100]}")
        if kind.startswith("decoder_"):
            self._child.kill()
        raise VideoError(kind, message)

    def _serve(self) -> Message:
        last = time.monotonic()
        while True:
            if self._child.wait_for_message(min(_POLL_S, self._stall_s)):
                message = self._child.receive()
                if self._is_answer(message):
                    self._answered = True
                    return message
                last = time.monotonic()
            elif self._blocked():
                last = time.monotonic()
            self._check(last)

    def _is_answer(self, message: Message) -> bool:
        """Handle a message; return True if it ends the request."""
        try:
            match message["t"]:
                case "read":
                    self._read(message["id"], message["offset"], message["length"])
                case "clip":
                    self._on_clip(message)
                case "heartbeat":
                    pass
                case _:
                    return True
        except (KeyError, TypeError, ValueError) as error:
            raise Violation(f"{type(error).__name__}: {error}") from error
        return False

    def _check(self, last_progress: float) -> None:
        now = time.monotonic()
        if self._give_up_at is not None and now > self._give_up_at:
            self._child.kill()
            raise Cancelled
        if now - last_progress > self._stall_s:
            self._child.kill()
            raise VideoError("decoder_hang", f"{self._name}: the decoder made no progress for {self._stall_s:g} s")

    def _read(self, number: int, offset: int, length: int) -> None:
        if not (offset >= 0 and 0 < length <= BLOCK and offset + length <= self._source.size):
            raise Violation("read request outside the video")
        data = b""
        failed = self._give_up_at is not None
        if not failed and self._storage_error is None:
            try:
                data = self._source.read_at(offset, length)
                if len(data) != length:
                    expected = f"{length} bytes at {offset} of {self._source.size}"
                    raise StorageError(
                        f"{self._name}: expected {expected}, got {len(data)}; the object changed while it was read"
                    )
            except BaseException as error:
                self._storage_error = error
        failed = failed or self._storage_error is not None
        self._child.send({"t": "data", "id": number, "failed": failed}, b"" if failed else data)
