"""Run a command again while it ends with one of the given exit codes.

    python again.py --on 4 --times 3 --wait-s 300 -- wsvad rescore --config /etc/wsvad/rescore.toml

Exit code 4 of wsvad means that a store or the cluster failed, and that the same command can continue. Other failures
would repeat. SIGTERM and SIGINT are forwarded, and end the retries. The exit code is that of the last run, or 128 plus
the signal number, as in a shell.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, run the command, return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", type=int, action="append", required=True, help="exit code after which to retry")
    parser.add_argument("--times", type=int, default=3, help="maximum number of runs")
    parser.add_argument("--wait-s", type=float, default=300.0, help="seconds between runs")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    if options.times < 1 or options.wait_s < 0:
        parser.error("--times must be at least 1, and --wait-s at least 0")
    return run(options.command, frozenset(options.on), options.times, options.wait_s)


def run(command: Sequence[str], retry_codes: frozenset[int], times: int, wait_s: float) -> int:
    """Run the command until another exit code, a signal or the maximum number of runs; return the last exit code."""
    stopping = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def forward(number: int, frame: FrameType | None) -> None:
        stopping.set()
        for process in running:
            process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    code = 0
    for turn in range(1, times + 1):
        running[:] = [subprocess.Popen(command)]
        if stopping.is_set():  # the signal arrived between two runs
            running[0].send_signal(signal.SIGTERM)
        code = running[0].wait()
        code = code if code >= 0 else 128 - code
        if stopping.is_set() or code not in retry_codes or turn == times:
            break
        print(f"exit code {code}; retry in {wait_s:g} s (run {turn} of {times})", file=sys.stderr, flush=True)
        if stopping.wait(wait_s):
            break
    return code


if __name__ == "__main__":
    sys.exit(main())
