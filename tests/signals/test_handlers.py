"""The signal handlers in small processes whose code swallows, replaces, converts or ignores an interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.extraction.harness import REPO
from wsvad import signals
from wsvad.cli.stopping import stoppable

_BEGIN = """
import contextlib, hashlib, os, signal, subprocess, sys, threading, time
from wsvad import signals
from wsvad.cli.stopping import stoppable

signals._RAISE_AGAIN_S, signals._TIMEOUT_S, signals._SECOND_SIGNAL_S = 0.3, {longest}, 0.2

def deaf():
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)

def ready():
    print("ready", flush=True)
"""
_RUN = """
with signals.handled(permanent=True):
    sys.exit(signals.exit_process(stoppable("extract", command)))
"""


def _process(code: str, *, longest: float = 60.0, ignored: bool = False) -> subprocess.Popen[str]:
    """Start code that prints ``ready``, and wait for it."""

    def prepare() -> None:
        for number in signals.HANDLED:
            signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-c", _BEGIN.replace("{longest}", str(longest)) + code],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    return process


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, log = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, log


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    "command",
    [
        "ready(); time.sleep(100)",
        # swallowed, as by a destructor, a callback from C, or a library that catches everything
        "try:\n        ready(); time.sleep(100)\n    except BaseException: pass\n    time.sleep(100)",
        # converted, as by modules that were interrupted while they were imported
        "try:\n        ready(); time.sleep(100)\n    except BaseException: raise SystemError('initialization failed')",
        # swallowed, and the command finishes
        "try:\n        ready(); time.sleep(100)\n    except BaseException: return 0",
        # deferred, while the handlers are replaced, as by ray.init
        "with signals.deferred():\n        signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))\n"
        "        ready(); time.sleep(1)\n    time.sleep(100)",
        # a non-daemon thread, which the interpreter would wait for
        "threading.Thread(target=time.sleep, args=(100,)).start(); ready(); time.sleep(100)",
    ],
    ids=["plain", "swallowed", "converted", "swallowed to the end", "held", "thread"],
)
def test_a_signal_ends_the_command(command, number, code):
    """With its exit code and one line about what is kept, whatever happens to the exception."""
    process = _process(f"def command():\n    {command}\n    return 0\n{_RUN}")
    process.send_signal(number)
    started = time.monotonic()
    found, log = _end(process)
    assert found == code, log
    assert time.monotonic() - started < 30
    word = {130: "interrupted", 143: "terminated"}[code]
    assert log.strip() == f"{word}: finished units are kept; run the same command again to continue"


@pytest.mark.parametrize(("longest", "more"), [(1.0, 0), (60.0, 1)], ids=["too long", "second signal"])
def test_a_process_that_does_not_stop_is_ended_with_its_descendants(longest, more, tmp_path):
    """If the main thread is blocked in foreign code, a timeout or a second signal ends the process."""
    child = f"subprocess.Popen(['sh', '-c', 'sleep 1000 & echo $! > {tmp_path}/pid; wait'])"
    wait = f"while not os.path.exists('{tmp_path}/pid'): time.sleep(0.01)"
    process = _process(f"def command():\n    {child}\n    {wait}\n    ready()\n    deaf()\n{_RUN}", longest=longest)
    process.send_signal(signal.SIGTERM)
    for _ in range(more):
        time.sleep(1)
        process.send_signal(signal.SIGINT)
    code, log = _end(process)
    assert code == 143, log
    assert log.startswith("terminated: ")
    grandchild = int(Path(tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while _runs(grandchild):
        assert time.monotonic() < deadline, "a descendant is still alive"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_without_running_work_a_signal_ends_the_process_immediately():
    """E.g. during imports there is nothing to unwind, and no exception that could be mistaken for another."""
    for code, said in (
        ("with signals.handled(permanent=True):\n    ready()\n    time.sleep(100)", "interrupted: no work had started"),
        (
            "with signals.handled(permanent=True):\n    stoppable('extract', lambda: 0)\nready()\ntime.sleep(100)",
            "interrupted: the work had finished",
        ),
    ):
        process = _process(code)
        process.send_signal(signal.SIGINT)
        assert _end(process) == (130, f"{said}\n")


def test_signals_ignored_at_start_stay_ignored():
    """As with ``nohup`` and for background jobs of a shell."""
    process = _process(f"def command():\n    ready()\n    time.sleep(1)\n    return 0\n{_RUN}", ignored=True)
    for number in signals.HANDLED:
        process.send_signal(number)
    assert _end(process) == (0, "")


def test_handlers_are_restored():
    """A program that calls the command as a function keeps its own handlers."""
    before = [signal.getsignal(number) for number in signals.HANDLED]
    with signals.handled():
        assert [signal.getsignal(number) for number in signals.HANDLED] != before
        with signals.handled():
            pass
        assert [signal.getsignal(number) for number in signals.HANDLED] != before
    assert [signal.getsignal(number) for number in signals.HANDLED] == before


def test_an_acknowledged_signal_is_not_raised_again(monkeypatch, caplog):
    """The shutdown of a command is not interrupted."""

    def command():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        raise AssertionError("not interrupted")

    with signals.handled():
        assert stoppable("train", command) == 143
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
    assert signals.arrived() is False


def test_an_import_is_not_interrupted(tmp_path):
    """The exception is raised when the import is complete."""
    (tmp_path / "slow_module.py").write_text(
        "import sys, time\nprint('ready', flush=True)\nend = time.monotonic() + 1.5\n"
        "while time.monotonic() < end:\n    time.sleep(0.01)\nprint('whole', file=sys.stderr)\n"
    )
    command = f"""
def command(*_):
    sys.path.insert(0, {str(tmp_path)!r})
    import slow_module
    time.sleep(50)
"""
    process = _process(command + _RUN)
    process.send_signal(signal.SIGTERM)
    code, log = _end(process)
    assert code == 143
    assert log.count("whole") == log.count("terminated: ") == 1
    assert "Traceback" not in log
