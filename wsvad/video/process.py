"""Start, communicate with and end the decode child, and interpret its exit. Runs in the parent."""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from wsvad.errors import ClusterError, UsageError, VideoError
from wsvad.video.contract import Limits
from wsvad.video.sandbox import Sandbox
from wsvad.video.wire import Disconnected, Message, Violation, receive, send

log = logging.getLogger(__name__)

_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TZ")
"""Variables that the child inherits if they are set. All others, especially credentials, are withheld."""

_START_TIMEOUT_S = 120.0
_STDERR_TAIL = 4096

_BOOT = "import sys; sys.path[:0] = [sys.argv[1]]; sys.path += sys.argv[2].split(chr(0x1f)); "
_SERVE = "from wsvad.video.child import main; main(sys.argv[3:])"


def child_command(code: str = _SERVE) -> list[str]:
    """Return the command of a child that imports this package and its libraries from where this process did."""
    package_root = str(Path(__file__).resolve().parents[2])
    specs = (importlib.util.find_spec(name) for name in ("av", "numpy", "cv2"))
    roots = [str(Path(spec.origin).resolve().parents[1]) for spec in specs if spec is not None and spec.origin]
    return [sys.executable, "-I", "-B", "-c", _BOOT + code, package_root, "\x1f".join(dict.fromkeys(roots))]


def run_in_subprocess(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in the environment of a decode child, without its limits, and return the completed process.

    Raises OSError if no process can be started, and subprocess.TimeoutExpired after 120 s.
    """
    return subprocess.run(
        child_command(code),
        env=_child_environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_START_TIMEOUT_S,
    )


class DecodeChild:
    """One child process and its socket. ``send`` may be called from several threads, the other methods from one.

    Args:
        limits: resource limits of the child.
        command: command of another child, for tests.
        flow: whether it can compute optical flow: confined, it can no longer load OpenCV.

    Raises:
        ClusterError: no process can be started.
        UsageError: the limits require a sandbox, and this machine does not confine the child.
    """

    def __init__(self, limits: Limits, command: list[str] | None = None, *, flow: bool = False) -> None:
        self._limits = limits
        self.flow = flow
        self.sandbox = Sandbox()
        """What confines the child."""
        self._send_lock = threading.Lock()
        self._sock, theirs = socket.socketpair()
        stderr_read, stderr_write = os.pipe()
        os.set_blocking(stderr_write, False)  # a child that floods the pipe must neither block nor fill memory
        os.set_blocking(stderr_read, False)
        self._stderr = stderr_read
        tied = threading.current_thread() is threading.main_thread()  # the kernel signals the end of the *thread*
        try:
            self._process = subprocess.Popen(
                [
                    *(command or child_command()),
                    str(theirs.fileno()),
                    str(os.getpid()),
                    str(int(tied)),
                    str(int(flow)),
                    json.dumps(asdict(limits)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr_write,
                pass_fds=(theirs.fileno(),),
                env=_child_environment(),
                cwd="/",
            )
        except OSError as error:
            self._sock.close()
            os.close(stderr_read)
            raise ClusterError(f"cannot start a decode process on this machine: {error}") from error
        finally:
            theirs.close()
            os.close(stderr_write)
        self._sock.settimeout(limits.stall_s)
        self._await_ready()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def alive(self) -> bool:
        """Return True while the child runs."""
        return self._process.poll() is None

    def send(self, message: Message, payload: bytes = b"", fds: tuple[int, ...] = ()) -> None:
        """Send one message. Raises Disconnected if the child is gone or accepts nothing for ``stall_s``."""
        with self._send_lock:
            send(self._sock, message, payload, fds)

    def wait_for_message(self, timeout_s: float) -> bool:
        """Return True if a message, or the end of the child, can be received within the time."""
        poller = select.poll()  # select.select does not accept descriptors above 1023
        poller.register(self._sock, select.POLLIN)
        return bool(poller.poll(max(0.0, timeout_s) * 1000))

    def receive(self) -> Message:
        """Return the next message. Raises Disconnected or Violation."""
        message, _, fds = receive(self._sock, 0)
        for fd in fds:
            os.close(fd)
        return message

    def kill(self) -> None:
        """Kill the child and free its resources; may be called twice."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._sock.close()
        if self._stderr >= 0:
            os.close(self._stderr)
            self._stderr = -1

    def death(self, name: str) -> VideoError:
        """Wait for a child that closed its socket, and return the VideoError that corresponds to its exit status."""
        try:
            code = self._process.wait(timeout=self._limits.stall_s)
        except subprocess.TimeoutExpired:
            return VideoError("decoder_hang", f"{name}: the decoder stopped responding")
        if code == -signal.SIGXCPU:
            return VideoError("decoder_cpu", f"{name}: the decoder exceeded the CPU time limit for this footage")
        if code == -signal.SIGKILL:
            return VideoError("decoder_killed", f"{name}: the decoder was killed, possibly out of memory")
        if code < 0:
            return VideoError("decoder_crash", f"{name}: the decoder crashed ({signal.Signals(-code).name})")
        tail = self._stderr_tail()
        kind = "decoder_memory" if "MemoryError" in tail else "decoder_crash"
        return VideoError(kind, f"{name}: the decoder exited with status {code}: {tail[-300:]}")

    def _await_ready(self) -> None:
        try:
            if self.wait_for_message(_START_TIMEOUT_S) and (message := self.receive()).get("t") == "ready":
                self._check_sandbox(Sandbox.from_dict(message.get("sandbox")))
                return
            reason = f"no answer within {_START_TIMEOUT_S:g} s"
        except (Disconnected, Violation) as error:
            reason = str(error)
        self._process.kill()
        self._process.wait()
        reason = self._stderr_tail() or reason
        self.kill()
        raise ClusterError(f"the decode process did not start: {reason[-1000:]}")

    def _check_sandbox(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        if sandbox.complete:
            return
        if self._limits.require_sandbox:
            self.kill()
            raise UsageError(f"the decoder's process cannot be confined on this machine: {sandbox.missing}")
        _log_unconfined(sandbox.missing)

    def _stderr_tail(self) -> str:
        if self._stderr < 0:
            return ""
        try:
            return os.read(self._stderr, 1 << 16)[-_STDERR_TAIL:].decode(errors="replace").strip()
        except BlockingIOError:
            return ""


def check_sandbox(limits: Limits) -> None:
    """Raise UsageError if the limits require a sandbox and this machine does not offer one; starts a child to see."""
    if limits.require_sandbox:
        DecodeChild(limits).kill()


@functools.cache
def _log_unconfined(missing: str) -> None:
    log.info("decoding without a sandbox, in a process with limits only (%s)", missing)


def _child_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
