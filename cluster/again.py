"""Run a command again while it ends with an exit code that is worth it.

    python again.py --on 4 --times 3 --wait-s 300 -- wsvad rescore --config /etc/wsvad/rescore.toml

Exit code 4 of wsvad says that a store or the cluster failed, and that the same command goes on. The others end the same
way each time. SIGTERM and SIGINT are passed on, and nothing is tried again after them. Ends with the code of the last
run; one that a signal ended counts as 128 and its number, as in a shell.
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
    """Read the words, run the command, return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", type=int, action="append", required=True, help="exit code to try again after")
    parser.add_argument("--times", type=int, default=3, help="runs at most")
    parser.add_argument("--wait-s", type=float, default=300.0, help="seconds between two runs")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    if options.times < 1 or options.wait_s < 0:
        parser.error("--times must be at least 1, and --wait-s at least 0")
    return run(options.command, frozenset(options.on), options.times, options.wait_s)


def run(command: Sequence[str], worth_it: frozenset[int], times: int, wait_s: float) -> int:
    """Run the command until it ends otherwise, was asked to end, or was run so often; return its last exit code."""
    asked = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.set()
        for process in running:
            process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    code = 0
    for turn in range(1, times + 1):
        running[:] = [subprocess.Popen(command)]
        if asked.is_set():  # between two runs
            running[0].send_signal(signal.SIGTERM)
        code = running[0].wait()
        code = code if code >= 0 else 128 - code
        if asked.is_set() or code not in worth_it or turn == times:
            break
        print(f"exit code {code}; again in {wait_s:g} s ({turn} of {times} runs made)", file=sys.stderr, flush=True)
        if asked.wait(wait_s):
            break
    return code


if __name__ == "__main__":
    sys.exit(main())
