"""Calibration: a case by hand, comparison with every threshold in turn, and held-out footage of simulated cameras."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from wsvad.errors import UsageError
from wsvad.events.calibration import Footage, calibrate, threshold_of
from wsvad.events.config import EventSettings
from wsvad.events.spans import find_events
from wsvad.events.sweep import Sweep, with_high

CLIP_S = 60.0
PER_DAY = 1440
PLAIN = EventSettings(gap_s=0, smooth_s=0, min_length_s=0)
TAIL = 40.0


def footage(scores: np.ndarray, settings: EventSettings = PLAIN) -> Footage:
    """Return footage of consecutive clips of one minute."""
    start = CLIP_S * np.arange(len(scores))
    sweep = Sweep(np.stack((start, start + CLIP_S), axis=1), scores, settings)
    return Footage((sweep,), len(scores) / PER_DAY)


def camera(rng: np.random.Generator, days: float, noise: float = 1.0) -> np.ndarray:
    """Return scores of normal footage: independent clips with an exponential tail."""
    return np.minimum(noise * rng.exponential(1 / TAIL, round(PER_DAY * days)), 1.0)


def true_rate(high: float, noise: float = 1.0) -> float:
    """Return the events per day of such a camera: clips above ``high``, ignoring the few that continue an event."""
    return float(PER_DAY * np.exp(-TAIL * high / noise))


def test_a_threshold_by_hand() -> None:
    """10 days, budget 1 per day: 4 events prove a rate below 9.15 / 10 per day, 5 would give 10.51 / 10."""
    scores = np.zeros(10 * PER_DAY)
    scores[np.arange(10) * 1000] = [0.99, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55]
    found = threshold_of([footage(scores)], PLAIN, 1.0)
    assert (found.high, found.events, found.days, found.cameras) == (0.85, 4, 10.0, 1)
    assert found.low == pytest.approx(0.68)
    assert found.below_per_day == pytest.approx(0.915, abs=1e-3)
    assert found.proven
    assert found.statement == "4 events in 10.0 days of footage: below 0.915 per day (95% confidence)"


def test_two_hours_of_footage_do_not_prove_one_event_per_day() -> None:
    """The threshold is just above the highest score, its bound is 3 events in 2 hours, and it is not proven."""
    scores = np.full(120, 0.2)
    scores[60] = 0.625
    found = threshold_of([footage(scores)], PLAIN, 1.0)
    assert found.high == np.nextafter(0.625, 1)
    assert (found.events, found.proven) == (0, False)
    assert found.below_per_day == pytest.approx(2.9957 * 12, abs=1e-3)
    assert found.statement == (
        "0 events in 2.0 hours of footage: below 35.9 per day (95% confidence). This does not prove 1 per day: at "
        "least 3.0 days without an event are needed"
    )


def test_maximum_scores_in_normal_footage_leave_no_threshold_that_meets_the_budget() -> None:
    """No threshold is above a score of 1, so the threshold is 1 and its events are counted."""
    scores = np.zeros(10 * PER_DAY)
    scores[::720] = 1.0
    found = threshold_of([footage(scores)], PLAIN, 1.0)
    assert (found.high, found.events, found.proven) == (1.0, 20, False)
    assert found.statement.endswith("does not prove 1 per day: scores reach their highest value in normal footage")


def test_uniform_footage_gets_the_lowest_threshold() -> None:
    """Equal scores give one event per hour at that score, and none above it."""
    found = threshold_of([footage(np.full(10 * PER_DAY, 0.25))], PLAIN, 1.0)
    assert (found.high, found.events, found.proven) == (np.nextafter(0.25, 1), 0, True)


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_first_threshold_before_the_budget_is_exceeded(seed: int) -> None:
    """Compared with every distinct smoothed score, from the highest down, with all post-processing."""
    rng = np.random.default_rng(seed)
    settings = EventSettings(gap_s=90, smooth_s=100, min_length_s=61)
    parts = [footage(rng.beta(1, 6, PER_DAY // 6).round(2), settings) for _ in range(2)]
    budget = 60.0 if seed % 2 else 20.0
    found = threshold_of(parts, settings, budget)
    days = sum(part.days for part in parts)
    most = max(n for n in range(-1, 100) if n < 0 or stats.gamma.ppf(0.95, n + 1) <= budget * days)
    expected = None
    for high in sorted({float(s) for part in parts for s in part.sweeps[0].smooth_T}, reverse=True):
        events = sum(
            len(find_events(p.sweeps[0]._times_T2, p.sweeps[0].smooth_T, plain(settings, high))) for p in parts
        )
        if events > max(most, 0):
            break
        expected = high
    assert expected is not None
    assert found.high == expected
    assert found.proven == (most >= 0)


def plain(settings: EventSettings, high: float) -> EventSettings:
    """Return the settings for scores that are already smoothed."""
    moved = with_high(settings, high)
    return EventSettings(high=high, low=moved.low, gap_s=moved.gap_s, smooth_s=0, min_length_s=moved.min_length_s)


def test_held_out_footage_meets_the_budget_as_often_as_stated() -> None:
    """200 cameras, 10 days for calibration and 10 held out, budget 1 per day.

    Held-out events are below the 97.5 % quantile of a Poisson variable of the budget for at least 97.5 % of the
    cameras. The true rate exceeds the budget as rarely as 4 events in 10 days allow: Poisson(10) <= 4, 2.9 %.
    """
    rng = np.random.default_rng(0)
    rates, held_out = [], []
    for _ in range(200):
        found = threshold_of([footage(camera(rng, 10))], PLAIN, 1.0)
        assert found.proven
        rates.append(true_rate(found.high))
        held_out.append(len(footage(camera(rng, 10)).sweeps[0].at(found.high)))
    assert np.mean(np.array(held_out) <= stats.poisson.ppf(0.975, 10)) >= 0.975
    assert np.sum(np.array(rates) > 1) <= stats.binom.ppf(0.999, 200, stats.poisson.cdf(4, 10))
    # The threshold is not more conservative than necessary: 4 to 5 of the 10 events that the budget allows.
    assert 0.4 < np.mean(rates) < 0.5
    assert np.mean(held_out) / 10 == pytest.approx(np.mean(rates), rel=0.1)


def test_correlated_scores_with_post_processing_meet_the_budget() -> None:
    """100 cameras whose scores are correlated over ten minutes; their true rate is measured on 400 days."""
    settings = EventSettings(gap_s=90, smooth_s=100, min_length_s=61)
    rng = np.random.default_rng(5)

    def correlated(days: float) -> Footage:
        drawn = rng.exponential(1, round(PER_DAY * days))
        return footage(np.minimum(lfilter([0.1], [1, -0.9], drawn) / 12, 1.0), settings)

    long = correlated(400).sweeps[0]
    highs = [threshold_of([correlated(10)], settings, 1.0).high for _ in range(100)]
    rates = np.array([len(long.at(high)) / 400 for high in highs])
    assert np.sum(rates > 1) <= stats.binom.ppf(0.999, 100, stats.poisson.cdf(4, 10))
    assert 0.35 < rates.mean() < 0.55


def test_longer_footage_gets_closer_to_the_budget() -> None:
    """The proof costs half of the budget after 10 days, and a fifth of it after 100."""
    rng = np.random.default_rng(1)
    rates = [true_rate(threshold_of([footage(camera(rng, 100))], PLAIN, 1.0).high) for _ in range(20)]
    assert 0.75 < np.mean(rates) < 0.95


def test_cameras_are_pooled_until_each_has_seven_days() -> None:
    """With 6 days each, the noisy camera has far more events than the quiet one, and all together meet the budget.

    With 8 days, each camera has its own threshold and meets the budget alone. An unknown camera gets the pooled one.
    """
    rng = np.random.default_rng(2)
    noises = {"noisy": 1.6, "quiet": 0.8, "calm": 0.7}
    short = calibrate({name: footage(camera(rng, 6, noise)) for name, noise in noises.items()}, PLAIN)
    assert not short.cameras
    assert short.pooled.cameras == 3
    assert short.pooled.days == 18
    assert short.of("noisy") == short.of("never seen") == short.pooled
    each = {name: true_rate(short.pooled.high, noise) for name, noise in noises.items()}
    assert each["noisy"] > 1 > 10 * each["quiet"]
    assert sum(each.values()) < 3
    assert "the average of 3 cameras" in short.pooled.statement
    days = {"noisy": 8, "quiet": 8, "calm": 6}
    mixed = calibrate({name: footage(camera(rng, days[name], noise)) for name, noise in noises.items()}, PLAIN)
    assert set(mixed.cameras) == {"noisy", "quiet"}
    assert mixed.of("calm") == mixed.pooled
    assert mixed.of("noisy").high > mixed.pooled.high > mixed.of("quiet").high
    for name in ("noisy", "quiet"):
        assert mixed.of(name).proven
        assert true_rate(mixed.of(name).high, noises[name]) < 1.0


def test_a_camera_with_its_own_budget_has_its_own_threshold() -> None:
    """From its own footage if there is enough, else the pooled threshold at that budget."""
    rng = np.random.default_rng(3)
    parts = {name: footage(camera(rng, days)) for name, days in (("a", 8), ("b", 2), ("c", 2), ("d", 9))}
    found = calibrate(parts, PLAIN, 1.0, {"a": 3.0, "b": 3.0})
    assert set(found.cameras) == {"a", "b", "d"}
    assert [found.of(name).budget_per_day for name in "abcd"] == [3.0, 3.0, 1.0, 1.0]
    assert [found.of(name).cameras for name in "abcd"] == [1, 4, 4, 1]
    assert found.of("b") == threshold_of([*parts.values()], PLAIN, 3.0)
    assert found.of("b").high < found.pooled.high
    assert found.of("d") == threshold_of([parts["d"]], PLAIN, 1.0)


@pytest.mark.parametrize("budget", [0, -1, float("nan"), float("inf")])
def test_an_invalid_budget_is_rejected(budget: float) -> None:
    """Before any computation."""
    with pytest.raises(UsageError, match="must be above 0"):
        threshold_of([footage(np.zeros(10))], PLAIN, budget)


def test_missing_footage_is_rejected() -> None:
    """No footage at all, and footage without scores."""
    for none in ([], [footage(np.empty(0))]):
        with pytest.raises(UsageError, match="no footage to calibrate on"):
            threshold_of(none, PLAIN, 1.0)
