"""A sweep beside ``python jobs/train.py`` in a loop, and what Ray Tune itself costs a trial.

Run ``python -m tests.bench.bench_tune`` (about ten minutes on 2 cores). Both sides train the same configurations of
``sultani`` on the same small features; the loop then still has no figures, the sweep has scored and measured every
trial. They take turns, so that a busy machine slows both alike. Then ``--empty`` trials that do nothing,
on the same Ray Tune: seconds and growth of the driver's memory for each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.tuning.sweeps import SPACE, sweep_records
from wsvad.tuning.configurations import Sobol
from wsvad.tuning.history import Outcome
from wsvad.tuning.on_ray import run_on_tune
from wsvad.tuning.schedule import Job
from wsvad.tuning.space import Configuration
from wsvad.tuning.spaces import find_space
from wsvad.tuning.trial import Task
from wsvad.work.cluster import connected, nodes
from wsvad.work.pool import PoolOptions, fit_pool

REPO = Path(__file__).resolve().parents[2]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop-trials", type=int, default=3, help="trainings of the loop in each round")
    parser.add_argument("--sweep-trials", type=int, default=12, help="trainings of the sweep in each round")
    parser.add_argument("--empty", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), options.rounds, options.loop_trials, options.sweep_trials)
    empty(options.empty)


def compare(folder: Path, rounds: int, loop_trials: int, sweep_trials: int) -> None:
    """Print seconds of a training in the loop and in the sweep, and the ratio of each round."""
    from tests.training.factories import plant

    data = plant(folder, sweep_records(), strength=0.7)
    (folder / "space.toml").write_text(SPACE)
    space = find_space(str(folder / "space.toml"))
    source = Sobol(space, 64, 0)
    shared = [f"--{name}={value}" for name, value in space.training.items()]
    for number in range(rounds):
        started = time.perf_counter()
        for trial in range(loop_trials):
            found = source.configuration(trial)
            words = [f"--{name.replace('_', '-')}={value}" for name, value in found.training.items()]
            words += [f"--set={name}={value}" for name, value in found.settings.items()]
            out = folder / f"loop-{number}-{trial}"
            _run("train", *data.words, "--model", space.model, *shared, *words, "--out", str(out))
        loop_s = (time.perf_counter() - started) / loop_trials
        started = time.perf_counter()
        words = ["--space", str(folder / "space.toml"), "--trials", str(sweep_trials), "--seeds", "1"]
        _run("tune", *data.words, *words, "--finalists", "0", "--no-winner", "--out", str(folder / f"sweep-{number}"))
        sweep_s = (time.perf_counter() - started) / sweep_trials
        print(f"round {number}: loop {loop_s:.2f} s a training, sweep {sweep_s:.2f} s, ratio {loop_s / sweep_s:.1f}")


def _run(verb: str, *words: str) -> None:
    command = [sys.executable, f"jobs/{verb}.py", *words]
    done = subprocess.run(
        command, cwd=REPO, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(REPO)}
    )
    if done.returncode:
        raise SystemExit(done.stderr)


@dataclass(frozen=True)
class Nothing:
    """A job that does nothing, and says as much as a real one."""

    def run(self, task: Task) -> Outcome:
        """Return a result of the usual size."""
        values = tuple(0.5 + n / 1000 for n in range(200))
        figures = {f"figure_{n}": 0.5 for n in range(16)}
        return Outcome("done", 0.5, figures, {"in_bag": values, "out_of_bag": values}, 1, 0.0, "here")


class _Queue:
    """Gives out so many jobs and keeps their results, as a sweep does."""

    def __init__(self, number: int) -> None:
        self._left = [Job(n, 0, 0) for n in reversed(range(number))]
        self._number = number
        self.outcomes: dict[Job, Outcome] = {}

    def next_task(self) -> Task | None:
        return Task(self._left.pop(), Configuration({"k": 3}, {"lr": 1e-3}), 60, True) if self._left else None

    @property
    def finished(self) -> bool:
        return len(self.outcomes) == self._number

    def take(self, job: Job, outcome: Outcome) -> None:
        self.outcomes[job] = outcome

    def figures(self) -> dict[str, float]:
        return {"done": float(len(self.outcomes))}


def empty(number: int) -> None:
    """Print what trials that do nothing cost."""
    lines = []
    with connected(None):
        pool = fit_pool(PoolOptions(None, 1.0, 0.0), nodes())
        for many in (20, number):  # the first warms up
            queue, before, started = _Queue(many), _resident_kb(), time.perf_counter()
            run_on_tune(Nothing(), queue, pool, lambda: None, name="bench", verbose=False)
            seconds = time.perf_counter() - started
            lines.append(
                f"{len(queue.outcomes)} empty trials: {seconds / many:.3f} s each, "
                f"driver {(_resident_kb() - before) / many:.0f} kB each"
            )
    print(lines[-1])


def _resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


if __name__ == "__main__":
    main()
