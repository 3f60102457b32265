"""Check points of the fault harness by hand.

    python -m tests.faults VERB [PLACE [FAULT [NUMBER]]]

A number runs that one point; without one, all operations; without a fault, all faults; PLACE is bucket or folder.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.faults.harness import Trial
from tests.faults.kinds import PLACES, Fault, Plan
from tests.faults.scenarios import SCENARIOS
from tests.faults.zygote import Zygote


def main(words: list[str]) -> int:
    """Check the named points; return the number of those that failed."""
    verb, place, fault, number = (*words, *[""] * (4 - len(words)))
    failed = 0
    with tempfile.TemporaryDirectory() as folder, Zygote() as zygote:
        for where in (place,) if place else PLACES:
            trial = Trial(SCENARIOS[verb], where, Path(folder) / where, zygote)
            plans = list(trial.plans((Fault(fault),) if fault else tuple(Fault)))
            if number:
                plans = [Plan(Fault(fault), int(number))]
            began = time.monotonic()
            print(f"{verb} {where}: {len(trial.operations)} operations, {len(plans)} points", flush=True)
            for plan in plans:
                try:
                    trial.check(plan)
                except Exception as error:
                    failed += 1
                    done = trial.operations[plan.number - 1]
                    print(f"{verb} {where} {plan.fault.value} {plan.number} ({done}): {error!s:.3000}", flush=True)
            print(f"{verb} {where}: {time.monotonic() - began:.1f} s, {failed} failed", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
