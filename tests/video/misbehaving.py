"""A decode child that obeys the files: the real one, except that some videos make it crash, hang or eat memory.

Its command takes the place of ``VideoReader(_child_command=...)``. What it does is real: a real segmentation fault, a
real endless loop, real allocations. Files are marked with ``tests.video.corpus.sabotaged``.
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
    """Allocate until the limit says no."""
    hoard = []
    while True:
        hoard.append(bytearray(64 << 20))


def burn(beat: Callable[[], None]) -> None:
    """Compute for ever, seemingly making progress."""
    while True:
        beat()


def main() -> None:
    """Put the misbehaviour in front of the real child's two doors, then run it."""
    sys.path.insert(0, str(ROOT))
    from wsvad.video import child
    from wsvad.video.remote import RemoteFile

    def obey(source: RemoteFile, when: str, beat: Callable[[], None]) -> None:
        back = source.tell()  # libav is in the middle of reading
        source.seek(max(0, source.size - 56))
        words = source.read(56).strip(b".").decode(errors="replace").split(":")
        source.seek(back)
        if len(words) != 3 or words[0] != "WSVAD-TEST" or words[2] != when:
            return
        if words[1] == "eat_memory":
            eat_memory()
        if words[1] == "burn":
            burn(beat)
        DEEDS[words[1]]()

    real_index, real_decoder = child.build_index, child.Decoder

    def build_index(source: RemoteFile, reading, max_pixels: int, beat: Callable[[], None], allow) -> object:
        obey(source, "index", beat)
        return real_index(source, reading, max_pixels, beat, allow)

    class Decoder(real_decoder):
        """Does its deed where the first clip would go out."""

        def __init__(self, source, index, clips, spec, geometry, max_pixels, emit, beat, *others) -> None:
            def emit_or_else(times, frames, flow) -> None:
                emit(times, frames, flow)
                obey(source, "clips", beat)

            super().__init__(source, index, clips, spec, geometry, max_pixels, emit_or_else, beat, *others)

    child.build_index, child.Decoder = build_index, Decoder
    child.main(sys.argv[1:])


if __name__ == "__main__":
    main()
