"""CPU seconds of ``wsvad VERB --help`` for every verb: what a person waits for who asks for the options.

Run ``python -m tests.bench.bench_help`` (about a minute; ``--rounds`` for more turns). User and system time of the
process, the least of some turns, so that what else runs on the machine counts little; the first turn, which may have to
compile modules, does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence

from wsvad.cli.main import VERBS


def cpu_s(*words: str) -> float:
    """Return the CPU seconds that a command takes."""
    process = subprocess.Popen([sys.executable, "-m", "wsvad", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return usage.ru_utime + usage.ru_stime


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print one line a verb and a JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns that count")
    args = parser.parse_args(argv)
    commands: list[tuple[str, ...]] = [("--help",), *((verb, "--help") for verb in VERBS)]
    taken = {}
    for words in commands:
        cpu_s(*words)
        taken[" ".join(words)] = min(cpu_s(*words) for _ in range(args.rounds))
        print(f"{' '.join(words):28} {taken[' '.join(words)]:.2f} s", flush=True)
    print(json.dumps({name: round(seconds, 3) for name, seconds in taken.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
