"""The training loop: bitwise resumption, equality of one and several workers, refusal of non-finite losses."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from tests.loop.groups import make_trainer, together
from wsvad.errors import TrainingError, UsageError
from wsvad.loop.group import SingleWorker
from wsvad.training.trainer import selected_weights

SMALL = {"head_dim": 4, "heads": 2, "label_period": 3}
SMALL_LTGS = {**SMALL, "fusion_dim": 16, "feed_forward": 8}
SMALL_UR_DMU = {"dim": 8, "heads": 2, "head_dim": 4, "feed_forward": 8}
SMALL_MGFN = {"first_dim": 8, "second_dim": 12, "third_dim": 16, "head_dim": 4}
STILL = {"dropout": 0.0}


def same(one, other):
    """Return whether two states agree in every bit."""
    assert one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        torch.testing.assert_close(tensor, other.tensors[name], rtol=0, atol=0, equal_nan=True, msg=name)


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("sultani", {}),
        ("ltgs", SMALL_LTGS),
        ("ltgs", {**SMALL_LTGS, "label_index": "segment"}),
        ("ur_dmu", SMALL_UR_DMU),
        ("bn_wvad", SMALL_UR_DMU),
        ("mgfn", SMALL_MGFN),
    ],
)
def test_resuming_is_bitwise_exact(model, settings):
    """With dropout, optimiser, soft labels and selection, and with random numbers drawn by other code in between."""

    def new():
        return make_trainer(model, settings=settings, measures={"val_auc": lambda m: float(torch.rand(()) > 2)})

    whole = new()
    list(whole.train())
    half = new()
    for row in half.train():
        if row["step"] == 4:
            break
    torch.rand(3)
    rest = new()
    rest.restore(half.state())
    assert [row["step"] for row in rest.train()] == [5, 6, 7, 8, 9, 10]
    assert (rest.finished, rest.step) == ("steps", 10)
    same(whole.state(), rest.state())
    again = new()
    again.restore(rest.state())
    assert list(again.train()) == []


def test_the_loop_keeps_the_callers_random_state():
    """Dropout is seeded per step inside the loop only."""
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    list(make_trainer().train())
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("sultani", STILL),
        ("rtfm", STILL),
        ("st_mil", STILL),
        ("ltgs", {**SMALL_LTGS, **STILL, "attention_dropout": 0.0}),
        ("ltgs", {**SMALL_LTGS, **STILL, "attention_dropout": 0.0, "preset": "gated"}),
        ("ltgs", {**SMALL_LTGS, **STILL, "attention_dropout": 0.0, "preset": "encoder_layer"}),
        ("ur_dmu", {**SMALL_UR_DMU, **STILL, "noise": 0.0}),
        ("st_ltgs", {**SMALL, **STILL, "attention_dropout": 0.0, "dim": 6}),
    ],
)
def test_several_workers_compute_the_same_as_one(model, settings):
    """Two and four workers with the same global batch: gradients, loss terms and soft labels agree to rounding."""
    steps = {"steps": 5}

    def work(group):
        trainer = make_trainer(model, group, settings=settings, **steps)
        row = trainer.train_step(0)
        gradients = [p.grad.clone() for p in trainer.model.parameters() if p.grad is not None]
        other = make_trainer(model, group, settings=settings, **steps)
        list(other.train())
        return row, gradients, other.state()

    row, gradients, alone = work(SingleWorker())
    for workers in (2, 4):
        results = together(workers, work)
        for row_w, gradients_w, state in results:
            assert row_w == pytest.approx(row, rel=1e-4)
            for mine, theirs in zip(gradients, gradients_w, strict=True):
                torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(state.tensors["curve"], alone.tensors["curve"], rtol=1e-2, atol=1e-3)
            for name, labels in alone.part("labels").items():
                torch.testing.assert_close(state.part("labels")[name], labels, rtol=1e-2, atol=1e-3)
            same(state, results[0][2])


def test_parts_are_weighted_by_their_size():
    """With three pairs for one worker and one for the other: gradients and terms of the whole batch."""

    def share(group):
        own = [slice(0, 3), slice(3, 4)][group.rank] if group.world_size == 2 else slice(0, 4)
        return lambda videos: videos.reshape(2, 4)[:, own].reshape(-1)

    def work(group):
        trainer = make_trainer("rtfm", group, settings=STILL, share=share(group))
        return trainer.train_step(0), [p.grad.clone() for p in trainer.model.parameters() if p.grad is not None]

    row, gradients = work(SingleWorker())
    for row_w, gradients_w in together(2, work):
        assert row_w == pytest.approx(row, rel=1e-4)
        for mine, theirs in zip(gradients, gradients_w, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_unused_parameters_do_not_change():
    """Without a gradient if no worker uses them; the mean with zero if only one does."""

    def work(group):
        def change(network):
            network.spare = torch.nn.Parameter(torch.ones(3))
            network.seldom = torch.nn.Parameter(torch.zeros(1))
            if group.rank == 0:
                plain = network.forward
                network.forward = lambda features: plain(features + network.seldom)

        trainer = make_trainer(group=group, settings=STILL, change=change)
        rows = [trainer.train_step(step) for step in range(3)]
        assert trainer.model.spare.grad is None
        assert trainer.model.spare.tolist() == [1.0] * 3
        return rows[0]["step"], float(trainer.model.seldom.grad), float(trainer.model.seldom)

    one, two = together(2, work)
    assert one == two
    assert one[1] != 0


def test_four_workers_resume_bit_for_bit():
    """Gradients are summed in the same order in the first and in later steps of a process, also in soft labels."""

    def work(group):
        def new():
            return make_trainer("ltgs", group, settings={**SMALL_LTGS, "label_index": "segment"}, steps=6)

        whole, half, rest = new(), new(), new()
        list(whole.train())
        for row in half.train():
            if row["step"] == 4:
                break
        rest.restore(half.state())
        list(rest.train())
        same(whole.state(), rest.state())
        return whole.state()

    states = together(4, work)
    assert any(name.startswith("labels.") for name in states[0].tensors)
    for state in states[1:]:
        same(states[0], state)


@pytest.mark.parametrize(
    ("model", "settings", "why"),
    [
        ("sultani", {"pairs": "all"}, "pairs=all"),
        ("st_mil", {"pairs": "all"}, "pairs=all"),
        ("bn_wvad", SMALL_UR_DMU, "bn_wvad normalises a batch"),
        ("mgfn", SMALL_MGFN, "mgfn normalises a batch"),
    ],
)
def test_a_loss_of_the_whole_batch_is_not_distributed(model, settings, why):
    """Each worker would see only its part, which is another loss: refused, unless there is one worker."""

    def work(group):
        return make_trainer(model, group, settings=settings)

    with pytest.raises(UsageError, match=rf"{why}.*2 workers.*--workers 1"):
        together(2, work)
    assert work(SingleWorker()).train_step(0)["step"] == 1


def test_dropout_differs_between_workers_and_steps():
    """Otherwise all workers would drop the same units."""

    class Second(SingleWorker):
        rank = 1

    first, second = make_trainer(lr=1e-9, pairs=4), make_trainer(lr=1e-9, pairs=4)
    second.group = Second()
    totals = [trainer.train_step(step)["total"] for trainer in (first, second) for step in (0, 0, 1)]
    assert totals[0] == pytest.approx(totals[1], rel=1e-6)
    assert len({round(t, 5) for t in totals}) == 4


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_non_finite_loss_stops_training(value):
    """On every worker, with step and terms in the message, before the weights change."""

    def spoil(step, features):
        return features * value if step == 6 else features

    def work(group):
        trainer = make_trainer(group=group, spoil=spoil, settings=STILL)
        rows = trainer.train()
        before = [next(rows)["step"] for _ in range(6)]
        weights = [p.detach().clone() for p in trainer.model.parameters()]
        with pytest.raises(TrainingError, match=r"not finite at step 7 \(total (nan|inf).*--lr"):
            next(rows)
        assert all(torch.equal(a, b) for a, b in zip(weights, trainer.model.parameters(), strict=True))
        return before[-1]

    assert together(2, work) == [6, 6]


def test_selected_weights_are_of_the_selected_step():
    """Of the best evaluation, although later steps are worse; without evaluation of the last step."""
    aucs = iter([0.6, 0.9, 0.8, 0.7])
    trainer, at_best = make_trainer(measures={"val_auc": lambda m: next(aucs)}), {}
    for row in trainer.train():
        if row["step"] == 6:
            at_best = {name: t.clone() for name, t in trainer.model.state_dict().items()}
    kept = selected_weights(trainer.state())
    assert all(torch.equal(kept[name], at_best[name]) for name in at_best)
    assert [row[-1] for row in trainer.curve.rows if not math.isnan(row[-1])] == [0.6, 0.9, 0.8, 0.7]
    plain = make_trainer()
    list(plain.train())
    last = plain.model.state_dict()
    assert all(torch.equal(t, last[name]) for name, t in selected_weights(plain.state()).items())


def test_the_curve_is_searched_at_evaluations_only(monkeypatch):
    """At every step the time of a run would grow with the square of its steps."""
    looks, trainer = [], make_trainer(measures={"val_auc": lambda m: 0.5}, patience=9)
    column = type(trainer.curve).column
    monkeypatch.setattr("wsvad.loop.curve.Curve.column", lambda curve, name: looks.append(curve) or column(curve, name))
    seen = [len(looks) for _ in trainer.train()]
    assert [step for step, (a, b) in enumerate(pairwise([0, *seen]), 1) if b > a] == [3, 6, 9, 10]


def test_early_stopping():
    """Training stops after two evaluations without improvement."""
    aucs = iter([0.6, 0.9, 0.8, 0.9, 1.0])
    trainer = make_trainer(measures={"val_auc": lambda m: next(aucs)}, steps=30, patience=2)
    list(trainer.train())
    assert (trainer.step, trainer.finished) == (12, "patience")
