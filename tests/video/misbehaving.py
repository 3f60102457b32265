"""A decode child that crashes, hangs or exhausts memory at marked videos, and otherwise behaves like the real one.

``VideoReader(_child_command=...)`` takes its command. The faults are real: a segmentation fault, an endless loop,
allocations. ``tests.video.corpus.sabotaged`` marks the files.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

COMMAND = [sys.executable, "-I", "-B", str(Path(__file__).resolve())]

DEEDS: dict[str, Callable[[], object]] = {
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(7),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(3600),
    "hang_with_lock": lambda: ctypes.PyDLL(None).pause(),  # keeps the interpreter lock, so that no thread runs
    "raise": lambda: {}["a bug"],
    "chatter": lambda: os.write(int(sys.argv[1]), b"\x00" * 4096),
}


def eat_memory() -> None:
    """Allocate until the limit is reached."""
    hoard = []
    while True:
        hoard.append(bytearray(64 << 20))


def burn(heartbeat: Callable[[], None]) -> None:
    """Compute forever while sending heartbeats."""
    while True:
        heartbeat()


def main() -> None:
    """Patch the two entry points of the real child, then run it."""
    sys.path.insert(0, str(ROOT))
    from wsvad.video import child
    from wsvad.video.remote import RemoteFile

    def obey(source: RemoteFile, when: str, heartbeat: Callable[[], None]) -> None:
        back = source.tell()  # libav is in the middle of reading
        source.seek(max(0, source.size - 56))
        words = source.read(56).strip(b".").decode(errors="replace").split(":")
        source.seek(back)
        if len(words) != 3 or words[0] != "WSVAD-TEST" or words[2] != when:
            return
        if words[1] == "eat_memory":
            eat_memory()
        if words[1] == "burn":
            burn(heartbeat)
        DEEDS[words[1]]()

    real_index, real_decoder = child.build_index, child.Decoder

    def build_index(source: RemoteFile, reading, max_pixels: int, heartbeat: Callable[[], None], allow_cpu) -> object:
        obey(source, "index", heartbeat)
        return real_index(source, reading, max_pixels, heartbeat, allow_cpu)

    class Decoder(real_decoder):
        """Performs its fault when the first clip has been emitted."""

        def __init__(self, source, index, clips, spec, geometry, max_pixels, emit, heartbeat, *others) -> None:
            def emit_or_else(times, frames, flow) -> None:
                emit(times, frames, flow)
                obey(source, "clips", heartbeat)

            super().__init__(source, index, clips, spec, geometry, max_pixels, emit_or_else, heartbeat, *others)

    child.build_index, child.Decoder = build_index, Decoder
    child.main(sys.argv[1:])


if __name__ == "__main__":
    main()
