"""Every equation of ST-MIL (arXiv 2605.13746) compared with a loop over plain numbers, to 1e-6.

Where the paper leaves a choice, the test states which interpretation it checks; docs/papers.md lists all of them.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models import naive
from wsvad.backbones.i3d import I3dMaps, pool_maps
from wsvad.models.contract import MilOutput
from wsvad.models.registry import build_criterion, build_model, default_config

LABELS = [1, 0, 0, 1]
ANOMALOUS, NORMAL = [0, 3], [1, 2]
CLIPS, CUBOIDS, DIM = 5, 9, 4


def near(found: Tensor, expected: Any) -> None:
    """Assert equality to 1e-6."""
    torch.testing.assert_close(found.detach().double(), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6)


def test_cuboids_of_mixed_4e():
    """49 per clip, "2x2 spatial splits": means of 2x2 cells over the clip's duration on a 7x7 grid, in row-major order.

    A 16-frame clip of 224x224 pixels has 4x14x14 cells; 3 channels represent the 528, which are independent.
    """
    generator = torch.Generator().manual_seed(0)
    cells = torch.rand(2, 3, 4, 14, 14, generator=generator)
    found = pool_maps(I3dMaps(cells, torch.rand(2, 3, 2, 7, 7, generator=generator))).cuboids_BKC
    values = naive.numbers(cells)
    expected = [[[0.0] * 3 for _ in range(49)] for _ in range(2)]
    for clip in range(2):
        for channel in range(3):
            for time in range(4):
                for row in range(14):
                    for column in range(14):
                        cuboid = (row // 2) * 7 + column // 2
                        expected[clip][cuboid][channel] += values[clip][channel][time][row][column] / 16
    near(found, expected)


def cuboids() -> Tensor:
    """Return four videos, float64."""
    shape = (len(LABELS), CLIPS, CUBOIDS, DIM)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("scaled", [True, False])
def test_a_classifier_processes_each_cuboid(scaled):
    """Sultani's: FC 512 ReLU, FC 32 linear, FC 1 sigmoid, on features of length 1; a clip has the maximum score."""
    model: Any = build_model(default_config("st_mil", DIM, unit_length=scaled), seed=0).double().eval()
    with torch.no_grad():
        for layer in (model.head.fc1, model.head.fc2, model.head.fc3):
            layer.bias.add_(0.2)
    output = model(cuboids()[:1])
    expected = []
    for clip in naive.numbers(cuboids()[0]):
        scores = []
        for cuboid in clip:
            x = [value / naive.length(cuboid) for value in cuboid] if scaled else cuboid
            hidden = naive.linear(model.head.fc2, naive.relu(naive.linear(model.head.fc1, x)))
            scores.append(naive.sigmoid(naive.linear(model.head.fc3, hidden)[0]))
        expected.append(scores)
    near(output.cuboid_scores_BTK, [expected])
    near(output.scores_BT, [[max(scores) for scores in expected]])


def output() -> MilOutput:
    """Return scores of four videos."""
    shape = (len(LABELS), CLIPS, CUBOIDS)
    logits = 2 * torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    best = logits.amax(2)
    return MilOutput(best.sigmoid(), best, logits.sigmoid(), logits)


def rank(preset: str, **settings: Any) -> Tensor:
    """Return the ranking loss of that output."""
    criterion = build_criterion(default_config("st_mil", DIM, preset=preset, **settings))
    return criterion(output(), torch.tensor(LABELS))["rank"]


def test_hinge_of_videos():
    """The sound interpretation, and the default: a bag is all cuboids of all clips of a video (32 x 49).

    ``max(0, 1 - max_V_a s + max_V_n s)``, mean over aligned pairs; ``all_pairs`` forms pairs as Sultani's code.
    """
    scores = naive.numbers(output().cuboid_scores_BTK)
    best = [max(max(clip) for clip in video) for video in scores]
    aligned = [max(0.0, 1 - best[a] + best[n]) for a, n in zip(ANOMALOUS, NORMAL, strict=True)]
    near(rank("bag_video"), sum(aligned) / 2)
    assert torch.equal(rank("paper"), rank("bag_video"))
    every = [max(0.0, 1 - best[a] + best[n]) for a in ANOMALOUS for n in NORMAL]
    near(rank("paper", pairs="all"), sum(every) / 4)


def test_hinge_of_clips():
    """The literal interpretation, "video clips as positive and negative bags": the 49 cuboids of a clip are a bag.

    Clip t of an anomalous video is paired with clip t of its normal one; mean over all pairs.
    """
    scores = naive.numbers(output().cuboid_scores_BTK)
    total = 0.0
    for a, n in zip(ANOMALOUS, NORMAL, strict=True):
        for t in range(CLIPS):
            total += max(0.0, 1 - max(scores[a][t]) + max(scores[n][t])) / (2 * CLIPS)
    near(rank("bag_clip"), total)
    assert float(rank("bag_clip")) != pytest.approx(float(rank("bag_video")))


def test_the_loss_is_the_ranking_only():
    """The paper leaves regularisers to future work; as options they are Sultani's, averaged over anomalous videos.

    Sparsity sums all cuboids' scores, smoothness their squared differences in time at each position.
    """
    found = build_criterion(default_config("st_mil", DIM))(output(), torch.tensor(LABELS))
    assert list(found) == ["total", "rank"]
    near(found["total"], float(found["rank"]))
    scores = naive.numbers(output().cuboid_scores_BTK)
    sparse, smooth = 0.0, 0.0
    for a in ANOMALOUS:
        for t in range(CLIPS):
            for k in range(CUBOIDS):
                sparse += scores[a][t][k] / 2
                smooth += (scores[a][t][k] - scores[a][t - 1][k]) ** 2 / 2 if t else 0.0
    regularised = build_criterion(default_config("st_mil", DIM, preset="regularised"))
    found = regularised(output(), torch.tensor(LABELS))
    near(found["sparsity"], sparse)
    near(found["smoothness"], smooth)
    near(found["total"], float(found["rank"]) + 8e-5 * (sparse + smooth))
