"""Schedule of trials: rounds, halving, finals; independent of the order of results."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.errors import UsageError
from wsvad.tuning.schedule import FIRST_FRESH_SEED, Job, Plan, Result, finalists, next_jobs, ranking, winner


def value_of(job: Job) -> float:
    """Return a value that depends on the configuration and slightly on the seed: higher numbers are better."""
    return job.number / 100 + ((job.seed * 7919 + job.number * 31) % 10) / 10_000


def play(plan: Plan, order: random.Random, missing: frozenset[int] = frozenset()) -> dict[Job, Result]:
    """Run a whole sweep with the jobs of a round in random order; configurations in ``missing`` diverge."""
    results: dict[Job, Result] = {}
    while jobs := next_jobs(plan, results):
        order.shuffle(jobs)
        for job in jobs[: max(1, len(jobs) // 2)]:
            assert job not in results
            results[job] = Result(None if job.number in missing else value_of(job))
    return results


def test_without_halving():
    """30 configurations x 3 seeds, then the best three on fresh seeds, best first."""
    plan = Plan(30, seeds=3)
    results = play(plan, random.Random(0))
    screening = {(job.number, job.seed) for job in results if job.stage == "screening"}
    assert screening == {(n, s) for n in range(30) for s in range(3)}
    finals = {(job.number, job.seed) for job in results if job.stage == "finals"}
    assert finals == {(n, FIRST_FRESH_SEED + s) for n in (27, 28, 29) for s in range(5)}
    assert finalists(plan, results) == [29, 28, 27]
    assert winner(plan, results) == 29
    assert len(results) == plan.jobs == 90 + 15


def test_halving_over_steps_and_seeds():
    """27 configurations begin, then 9 and 3 continue; the remaining ones get the second seed."""
    plan = Plan(27, seeds=2, eta=3, rungs=3, finalists=1)
    results = play(plan, random.Random(1))
    counts = [sum(job.seed == 0 and job.rung == rung for job in results) for rung in range(3)]
    assert counts == [27, 9, 3]
    assert [plan.steps_at(rung, 90) for rung in range(3)] == [10, 30, 90]
    assert [job for job in results if job.seed == 1] == [Job(26, 1, 2)]
    assert winner(plan, results) == 26
    assert len(results) == plan.jobs


@given(
    st.integers(1, 40), st.integers(1, 3), st.sampled_from([0, 2, 3, 4]), st.integers(1, 4), st.integers(0, 4),
    st.frozensets(st.integers(0, 39), max_size=12), st.integers(0, 1000),
)  # fmt: skip
def test_order_of_results_has_no_effect(trials, seeds, eta, rungs, number, missing, order):
    """Same jobs and same winner for any order and any diverged configurations."""
    plan = Plan(trials, seeds, eta, rungs, number)
    first, second = play(plan, random.Random(order), missing), play(plan, random.Random(order + 1), missing)
    assert first.keys() == second.keys()
    assert winner(plan, first) == winner(plan, second)
    well = set(range(trials)) - missing
    assert (winner(plan, first) is None) == (not well)
    assert set(ranking(plan, first)) == (well if not eta else set(ranking(plan, first)) - missing)


def test_diverged_configuration_never_wins():
    """A diverged seed of screening or of the finals excludes a configuration."""
    plan = Plan(3, seeds=2, finalists=2, fresh_seeds=2)
    results = {Job(n, s, 0): Result(value_of(Job(n, s, 0))) for n in range(3) for s in range(2)}
    results[Job(2, 1, 0)] = Result(None)
    assert finalists(plan, results) == [1, 0]
    results |= {Job(n, FIRST_FRESH_SEED + s, 0): Result(0.5 + n / 10) for n in (0, 1) for s in range(2)}
    results[Job(1, FIRST_FRESH_SEED, 0)] = Result(None)
    assert not next_jobs(plan, results)
    assert winner(plan, results) == 0


def test_screening_ended_early():
    """The configurations with the highest rung enter the finals."""
    plan = Plan(9, eta=3, rungs=2, finalists=2, fresh_seeds=1)
    results = {Job(n, 0, 0): Result(value_of(Job(n, 0, 0))) for n in range(9)}
    results[Job(6, 0, 1)] = Result(0.01)
    assert next_jobs(plan, results, screened=range(9)) == [Job(6, FIRST_FRESH_SEED, 1), Job(8, FIRST_FRESH_SEED, 1)]


@pytest.mark.parametrize(
    "wrong", [{"eta": 1}, {"trials": 0}, {"seeds": 0}, {"rungs": 0}, {"fresh_seeds": 0}, {"seeds": 2000}]
)
def test_invalid_plans(wrong):
    """The error names the invalid number."""
    with pytest.raises(UsageError, match="|".join([*wrong, "halving"])):
        Plan(**{"trials": 3, **wrong})
