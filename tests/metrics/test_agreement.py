"""Inter-rater agreement, compared with hand-made and published examples."""

from __future__ import annotations

import pytest

from wsvad.metrics.agreement import cohen_kappa, fleiss_kappa


def test_cohens_kappa() -> None:
    """35 of 50 ratings agree, chance gives 25: (0.7 - 0.5) / (1 - 0.5)."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa(["a", "b"], ["a", "b"]) == 1.0
    assert cohen_kappa(["a", "a"], ["a", "a"]) is None


def test_fleiss_kappa() -> None:
    """The example of Fleiss (1971) from textbooks: 10 subjects, 14 raters, 5 categories, 0.210."""
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa([*counts, [1, 0, 0, 0, 0]]) == fleiss_kappa(counts)
    assert fleiss_kappa([[1, 0], [0, 1]]) is None
