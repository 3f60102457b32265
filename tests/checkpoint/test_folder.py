"""Checkpoint folders: what is written comes back, and nothing else is taken for it."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from wsvad.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from wsvad.errors import ConflictError, UsageError, WeightsError
from wsvad.models.choose import build_model, default_config
from wsvad.storage import StoreOptions, open_store

CONFIG = default_config("sultani", 8)


def make(seed: int = 0, weights: str = "rgb_imagenet") -> Checkpoint:
    """A checkpoint of a fresh model."""
    return Checkpoint(
        model_config=CONFIG,
        state=build_model(CONFIG, seed=seed).state_dict(),
        features_config={"weights": weights, "clips": {"length": 16}},
        features_fingerprint="abc",
        training_ids=("a.mp4", "b.mp4"),
        training={"seed": seed, "lr": 1e-3, "selection": {"by": "validation videos", "step": 3}},
        versions={"wsvad": "0"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a checkpoint."""
    save_checkpoint(open_store(str(tmp_path)), "checkpoint", make())
    return tmp_path / "checkpoint"


def test_what_is_saved_is_loaded(folder):
    """Configuration, tensors bit for bit, training ids, digest; the model scores the same."""
    loaded, saved = load_checkpoint(str(folder)), make()
    assert {p.name for p in folder.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    assert loaded.digest == saved.digest == json.loads((folder / "config.json").read_text())["digest"]
    assert replace(loaded, state=saved.state).to_json() == saved.to_json()
    assert all(torch.equal(loaded.state[name], tensor) for name, tensor in saved.state.items())
    model = loaded.model()
    assert not model.training
    assert torch.equal(model(torch.ones(1, 3, 8)).scores_BT, saved.model()(torch.ones(1, 3, 8)).scores_BT)


def test_s3_holds_the_same(s3_bucket, moto_server):
    """A bucket's checkpoint has the bytes of a local one."""
    options = StoreOptions(endpoint_url=moto_server.url)
    save_checkpoint(open_store(f"s3://{s3_bucket}/run", options), "checkpoint", make())
    assert load_checkpoint(f"s3://{s3_bucket}/run/checkpoint", options).digest == make().digest


def test_digest_is_of_everything():
    """Another weight, id or option is another checkpoint."""
    digests = {
        make().digest,
        make(seed=1).digest,
        replace(make(), training_ids=("a.mp4",)).digest,
        replace(make(), features_fingerprint="abd").digest,
        replace(make(), model_config=default_config("sultani", 8, dropout=0.5)).digest,
    }
    assert len(digests) == 5


def test_a_whole_checkpoint_is_never_written_over(folder):
    """Saving it again changes nothing, saving another is a conflict; a torn one is completed."""
    store = open_store(str(folder.parent))
    save_checkpoint(store, "checkpoint", make())
    with pytest.raises(ConflictError, match="holds another checkpoint"):
        save_checkpoint(store, "checkpoint", make(seed=1))
    assert load_checkpoint(str(folder)).digest == make().digest
    (folder / "config.json").unlink()
    save_checkpoint(store, "checkpoint", make(seed=1))
    assert load_checkpoint(str(folder)).digest == make(seed=1).digest


def edit(folder: Path, **changes: object) -> None:
    """Change keys of ``config.json``; ``None`` removes one."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def flip(path: Path, at: int) -> None:
    """Flip the bits of one byte."""
    data = bytearray(path.read_bytes())
    data[at] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: flip(f / "model.safetensors", -1), "was altered: expected the digest"),
        (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]), "damaged"),
        (lambda f: (f / "model.safetensors").write_bytes(pickle.dumps({"w": [1.0]})), "damaged or of another kind"),
        (lambda f: (f / "model.safetensors").unlink(), "no model.safetensors"),
        (lambda f: edit(f, training_ids=["a.mp4"]), "was altered"),
        (lambda f: edit(f, surprise=1), "unknown 'surprise'"),
        (lambda f: edit(f, training_ids=None), "missing 'training_ids'"),
        (lambda f: edit(f, training_ids="a"), "expected 'training_ids' as a list"),
        (lambda f: edit(f, format=2), "expected format 1, got 2"),
        (lambda f: edit(f, model={"name": "other", "input_dim": 8}), "model must be one of"),
        (lambda f: edit(f, model={"name": "sultani", "input_dim": 8, "depth": 3}), "has no setting 'depth'"),
        (
            lambda f: edit(f, model={"name": "sultani", "input_dim": 8}),
            "earlier version, whose sultani had no .*unit_len",
        ),
        (lambda f: (f / "config.json").write_text("{"), "damaged"),
        (lambda f: (f / "config.json").unlink(), "no checkpoint at"),
    ],
)
def test_what_is_not_whole_and_unaltered_is_refused(folder, damage, message):
    """Each kind of damage with a message that names it."""
    damage(folder)
    with pytest.raises(UsageError, match=message):  # WeightsError is one
        load_checkpoint(str(folder))


def test_tensors_of_another_model_are_refused(tmp_path):
    """Names, shapes and values are held against the configuration before anything is written."""
    store = open_store(str(tmp_path))
    state = dict(make().state)
    first = next(iter(state))
    for wrong, message in (
        (build_model(default_config("sultani", 9), seed=0).state_dict(), "expected .* got"),
        (state | {"more": torch.zeros(1)}, "unexpected 'more'"),
        ({n: t for n, t in state.items() if n != first}, "missing"),
        (state | {first: torch.full_like(state[first], float("nan"))}, "not finite"),
    ):
        with pytest.raises(WeightsError, match=message):
            save_checkpoint(store, "", replace(make(), state=wrong))
    assert not list(tmp_path.iterdir())


def test_card_says_what_a_stranger_must_know(folder, tmp_path):
    """Model, selection, licence; and the banner only where features were of an untrained network."""
    card = (folder / "README.md").read_text()
    for text in (
        "# sultani",
        "| seed | 0 |",
        "| by | validation videos |",
        "| videos seen | 2 |",
        "licence",
        "Digest: ",
    ):
        assert text in card
    assert "untrained" not in card
    save_checkpoint(open_store(str(tmp_path)), "toy", make(weights="random:0:test"))
    assert "features of an untrained network" in (tmp_path / "toy" / "README.md").read_text()
