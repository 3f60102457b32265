"""Training in bf16: steps close to those in fp32, logits that do not tie, exact resumption, and a recorded option."""

from __future__ import annotations

import json

import pytest
import torch

from tests.loop.groups import make_trainer
from tests.training.test_job import QUICK, run_train
from tests.training.test_trainer import SMALL, SMALL_LTGS, SMALL_MGFN, SMALL_UR_DMU, STILL, same
from wsvad.loop.claim import check_claim, write_claim
from wsvad.models.precision import LogitLayer, mixed_precision, to_fp32
from wsvad.storage import open_store
from wsvad.training import worker

MODELS = [
    ("sultani", STILL),
    ("rtfm", STILL),
    ("st_mil", STILL),
    ("ltgs", {**SMALL_LTGS, **STILL, "attention_dropout": 0.0}),
    ("ur_dmu", {**SMALL_UR_DMU, **STILL, "noise": 0.0}),
    ("bn_wvad", SMALL_UR_DMU),
    ("mgfn", {**SMALL_MGFN, **STILL}),
    ("st_ltgs", {**SMALL, **STILL, "attention_dropout": 0.0, "dim": 8}),
]


def gradient(precision, model, settings):
    """Return the loss terms and the gradient of the first step, as one vector."""
    trainer = make_trainer(model, settings=settings, precision=precision)
    row = trainer.train_step(0)
    return row, torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])


@pytest.mark.parametrize(("model", "settings"), MODELS)
def test_a_step_in_bf16_is_close_to_one_in_fp32(model, settings):
    """The loss agrees to a few per cent, and gradients in direction; gradients are fp32."""
    exact, rounded = gradient("fp32", model, settings), gradient("bf16", model, settings)
    assert rounded[1].dtype == torch.float32
    assert not torch.equal(rounded[1], exact[1])  # bf16 was used
    if model == "mgfn":  # selects clips by the length of a feature; lengths are nearly equal at the first step
        terms = ("sparsity", "smoothness")
        assert [rounded[0][term] for term in terms] == pytest.approx([exact[0][term] for term in terms], rel=0.02)
    else:
        assert rounded[0]["total"] == pytest.approx(exact[0]["total"], rel=0.1)
        assert torch.cosine_similarity(rounded[1], exact[1], dim=0) > 0.9


@pytest.mark.parametrize(("model", "settings"), MODELS)
def test_logits_are_not_rounded_to_bf16(model, settings):
    """Logits are computed in fp32 in training, and outputs for the loss are fp32."""
    trainer = make_trainer(model, settings=settings)
    with mixed_precision(trainer.device, enabled=True):
        output = trainer.model(trainer.bags.batch(0).features)
    assert output.logits_BT.dtype == torch.float32
    assert not torch.equal(output.logits_BT, output.logits_BT.bfloat16().float())
    whole = to_fp32(output)
    assert {t.dtype for t in whole if isinstance(t, torch.Tensor)} == {torch.float32}
    assert type(whole.parts) is type(output.parts)
    assert all(part.dtype == torch.float32 for part in whole.parts or ())


def test_a_logit_layer_is_a_linear_layer():
    """The same names of weights and the same values, also in double precision."""
    plain, layer = torch.nn.Linear(5, 1), LogitLayer(5, 1)
    layer.load_state_dict(plain.state_dict())
    values = torch.randn(7, 5)
    assert torch.equal(plain(values), layer(values))
    assert layer.double()(values.double()).dtype == torch.float64


def test_resuming_in_bf16_is_bitwise_exact():
    """With dropout and soft labels."""

    def new():
        return make_trainer("st_ltgs", settings={**SMALL, "dim": 8}, precision="bf16")

    whole, half, rest = new(), new(), new()
    list(whole.train())
    for row in half.train():
        if row["step"] == 4:
            break
    rest.restore(half.state())
    list(rest.train())
    same(whole.state(), rest.state())


def test_the_precision_is_recorded_and_kept(planted, tmp_path, capsys, caplog, monkeypatch):
    """A run goes on with its precision only; fp32 is recorded as in earlier versions; slow hardware is a warning."""
    words = (*planted.words, "--model", "sultani", *QUICK, "--no-ray", "--out", str(tmp_path / "out"))
    monkeypatch.setattr(worker, "has_bf16", lambda device: False)
    assert run_train(capsys, *words, "--precision", "bf16")[0] == 0
    assert "cpu does not multiply bf16 in hardware: --precision fp32 is faster here" in caplog.text
    for name in ("training.json", "checkpoint/config.json"):
        assert json.loads((tmp_path / "out" / name).read_text())["training"]["precision"] == "bf16"
    assert run_train(capsys, *words)[0] == 5
    assert "training.precision: there 'bf16', here 'fp32'" in caplog.text
    store = open_store(str(tmp_path / "old"))
    old = {"kind": "training", "model": {}, "features": {}, "videos": {}, "reported_test": "", "training": {"lr": 1}}
    write_claim(store, old)
    check_claim(store, {**old, "training": {"lr": 1, "val_seed": 0, "precision": "fp32"}})
