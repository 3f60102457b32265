"""How many workers there are where nobody says."""

from __future__ import annotations

import pytest

from wsvad.train.group import most_workers


@pytest.mark.parametrize(
    ("places", "pairs", "videos", "workers"),
    [
        (8, 32, 1000, 8),
        (8, 30, 1000, 6),  # Sultani's batch on a node of eight GPUs
        (4, 30, 1000, 3),
        (8, 32, 5, 4),  # each needs a training video to predict
        (8, 7, 1000, 7),
        (2, 7, 1000, 1),
        (1, 32, 1000, 1),
    ],
)
def test_as_many_workers_as_share_a_batch_evenly(places, pairs, videos, workers):
    """Rather one GPU idle than a run refused."""
    assert most_workers(places, pairs=pairs, videos=videos) == workers
