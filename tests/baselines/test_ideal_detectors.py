"""Ideal detectors on a truth that is counted by hand."""

import numpy as np
import pytest

from tests.baselines.ideal_detectors import DETECTORS, spatial_figures

WHERE = np.zeros((4, 49), dtype=bool)
WHERE[1, :7] = True
WHERE[2, 3:5] = True


@pytest.mark.parametrize(
    ("name", "auc", "hits"),
    [
        # 9 of 196 cuboids are anomalous; 2 x 49 are marked, of which 89 wrongly, of 187: 1 - (89 / 187) / 2.
        ("moment only, all cuboids alike", 1 - 89 / 187 / 2, (7 / 49 + 2 / 49) / 2),
        # 2 of 9 are marked, and nothing else: 2 / 9 + (7 / 9) / 2.
        ("moment and one right cuboid", 2 / 9 + 7 / 9 / 2, 1.0),
        ("moment and place", 1.0, 1.0),
    ],
)
def test_figures_are_those_of_the_definition(name, auc, hits):
    """Counted by hand: of four clips two have an anomaly, in 7 and in 2 of 49 cuboids."""
    assert spatial_figures([WHERE[:2], WHERE[2:]], DETECTORS[name]) == pytest.approx((auc, hits))
