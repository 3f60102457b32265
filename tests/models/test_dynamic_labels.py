"""Dynamic labels: Algorithm 1 of LTGS-Net step by step, and checkpoints of its state."""

from __future__ import annotations

import pytest
import torch

from wsvad.errors import UsageError
from wsvad.models.dynamic_labels import DynamicLabels

LABELS = torch.tensor([1, 0, 1])


def labels(index: str = "rank", alpha: float = 0.9, columns: int = 3, period: int = 10) -> DynamicLabels:
    """Return labels of three training videos, the second of them normal."""
    return DynamicLabels(LABELS, columns=columns, index=index, alpha=alpha, period=period)


def test_initial_labels_are_those_of_the_videos():
    """All 1 or all 0, for any subset of videos in any order."""
    assert labels().targets(torch.tensor([2, 1])).tolist() == [[1, 1, 1], [0, 0, 0]]


def test_labels_are_due_after_the_warm_up_and_then_every_period():
    """``step > 0 and step % period == 0``: no update at step 0."""
    fresh = labels()
    assert [step for step in range(35) if fresh.due(step)] == [10, 20, 30]


@pytest.mark.parametrize("alpha", [0.9, 0.5, 1.0, 0.0])
def test_update_equals_the_naive_loop(alpha):
    """``alpha * old + (1 - alpha) * prediction``; column 0 stays 1, normal videos stay 0."""
    object_, expected = labels(alpha=alpha), [[1.0] * 3, [0.0] * 3, [1.0] * 3]
    for step in (10, 20, 30):
        predictions = torch.rand(3, 3)
        object_.update(step, predictions)
        for n in (0, 2):
            for rank in (1, 2):
                expected[n][rank] = alpha * expected[n][rank] + (1 - alpha) * float(predictions[n, rank])
        assert torch.allclose(object_.targets(torch.arange(3)), torch.tensor(expected))


def test_segments_are_not_pinned():
    """Column 0 is an ordinary segment; the criterion handles the best clip."""
    object_ = labels("segment", alpha=0.0)
    object_.update(10, torch.full((3, 3), 0.25))
    assert object_.targets(torch.tensor([0])).tolist() == [[0.25, 0.25, 0.25]]


def test_hard_update_is_alpha_zero():
    """The new label is the prediction."""
    object_ = labels(alpha=0.0)
    object_.update(10, torch.full((3, 3), 0.25))
    assert object_.targets(torch.tensor([0])).tolist() == [[1.0, 0.25, 0.25]]


def test_state_is_restored():
    """An update that is part of the state is not due again at the same step."""
    first, second = labels(), labels()
    first.update(10, torch.rand(3, 3))
    second.load_state_dict(first.state_dict())
    assert not second.due(10)
    assert second.due(20)
    predictions = torch.rand(3, 3)
    for each in (first, second):
        each.update(20, predictions)
    assert torch.equal(first.targets(torch.arange(3)), second.targets(torch.arange(3)))


def test_state_is_a_copy():
    """A later update does not change it."""
    object_ = labels()
    state = object_.state_dict()
    object_.update(10, torch.zeros(3, 3))
    assert (state["values"][0] == 1).all()
    assert state["last_step"] == 0


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"values": torch.zeros(3, 3)}, "expected values and last_step, got values"),
        ({"values": torch.zeros(3, 2), "last_step": 0}, r"expected \[3, 3\] \(videos, columns\), got \[3, 2\]"),
        ({"values": torch.ones(3, 3), "last_step": 0}, "a normal video has labels above 0"),
    ],
)
def test_state_of_another_run_is_rejected(state, message):
    """Other keys, other videos, another k."""
    with pytest.raises(UsageError, match=message):
        labels().load_state_dict(state)


@pytest.mark.parametrize(
    ("step", "predictions", "message"),
    [
        (7, torch.zeros(3, 3), "every 10 steps, not at 7"),
        (0, torch.zeros(3, 3), "not at 0"),
        (10, torch.zeros(2, 3), r"expected predictions \[3, 3\], got \[2, 3\]"),
        (10, torch.full((3, 3), 1.5), r"in \[0, 1\] and finite"),
        (10, torch.full((3, 3), float("nan")), r"in \[0, 1\] and finite"),
    ],
)
def test_invalid_updates_are_rejected(step, predictions, message):
    """At a wrong step, of another shape, not probabilities."""
    with pytest.raises(ValueError, match=message):
        labels().update(step, predictions)
