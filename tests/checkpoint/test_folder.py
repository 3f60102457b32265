"""Checkpoint folders round-trip, and anything else is refused."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from wsvad.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from wsvad.checkpoint.folder import config_json
from wsvad.checkpoint.tensors import digest_of
from wsvad.checkpoint.verify import checkpoint_faults
from wsvad.errors import ConflictError, DamagedError, UsageError, WeightsError
from wsvad.models.registry import build_model, default_config
from wsvad.storage import StoreOptions, open_store

CONFIG = default_config("sultani", 8)


def make(seed: int = 0, weights: str = "rgb_imagenet") -> Checkpoint:
    """A checkpoint of a new model."""
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


def test_checkpoints_round_trip(folder):
    """Configuration, tensors bit for bit, training ids, digest; the model gives the same scores."""
    loaded, saved = load_checkpoint(str(folder)), make()
    assert {p.name for p in folder.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    assert loaded.digest == saved.digest == json.loads((folder / "config.json").read_text())["digest"]
    assert config_json(replace(loaded, state=saved.state)) == config_json(saved)
    assert all(torch.equal(loaded.state[name], tensor) for name, tensor in saved.state.items())
    model = loaded.model()
    assert not model.training
    assert torch.equal(model(torch.ones(1, 3, 8)).scores_BT, saved.model()(torch.ones(1, 3, 8)).scores_BT)


def test_s3_has_the_same_bytes(s3_bucket, moto_server):
    """As a local checkpoint."""
    options = StoreOptions(endpoint_url=moto_server.url)
    save_checkpoint(open_store(f"s3://{s3_bucket}/run", options), "checkpoint", make())
    assert load_checkpoint(f"s3://{s3_bucket}/run/checkpoint", options).digest == make().digest


def test_the_digest_covers_everything():
    """Another weight, id or option gives another digest."""
    digests = {
        make().digest,
        make(seed=1).digest,
        replace(make(), training_ids=("a.mp4",)).digest,
        replace(make(), features_fingerprint="abd").digest,
        replace(make(), model_config=default_config("sultani", 8, dropout=0.5)).digest,
    }
    assert len(digests) == 5


def test_an_intact_checkpoint_is_never_overwritten(folder):
    """Saving it again changes nothing, saving another is a conflict; an incomplete one is completed."""
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
        (lambda f: flip(f / "model.safetensors", -1), "/model.safetensors was modified: expected the digest"),
        (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]), "damaged"),
        (
            lambda f: (f / "model.safetensors").write_bytes(pickle.dumps({"w": [1.0]})),
            "a damaged file or another format",
        ),
        (lambda f: (f / "model.safetensors").unlink(), "/model.safetensors is missing"),
        (lambda f: edit(f, training_ids=["a.mp4"]), "was modified"),
        (lambda f: edit(f, training_ids=[]), "/config.json was modified"),
        (lambda f: edit(f, surprise=1), "unknown 'surprise'"),
        (lambda f: edit(f, training_ids=None), "missing 'training_ids'"),
        (lambda f: edit(f, training_ids="a"), "expected 'training_ids' as a list"),
        (lambda f: edit(f, format=2), "expected format 1, got 2; it was modified, as its digest does not match"),
        (lambda f: edit(f, model={"name": "other", "input_dim": 8}), "was modified"),
        (lambda f: (f / "config.json").write_text("{"), "damaged"),
        (lambda f: (f / "config.json").write_text("[" * 100_000), "damaged"),
        (lambda f: (f / "config.json").unlink(), "/config.json is missing"),
    ],
)
def test_damage_is_reported(folder, damage, message):
    """Each kind of damage, with its name and a remedy; exit code 5."""
    damage(folder)
    with pytest.raises(DamagedError, match=f"(?s){message}.*run the same `wsvad train` again") as caught:
        load_checkpoint(str(folder))
    assert caught.value.exit_code == 5


def sign(folder: Path, **changes: object) -> None:
    """Change keys of ``config.json`` and update the digest, as another version would have written it."""
    described = {**json.loads((folder / "config.json").read_text()), **changes}
    plain = {k: v for k, v in described.items() if k not in ("digest", "files")}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    edit(folder, **changes, digest=digest_of(load_checkpoint(str(folder)).state, text))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: sign(f, format=2), "expected format 1, got 2; use the version that wrote it"),
        (lambda f: sign(f, model={"name": "other", "input_dim": 8}), "model must be one of"),
        (lambda f: sign(f, model={"name": "sultani", "input_dim": 8, "depth": 3}), "has no setting 'depth'"),
        (
            lambda f: sign(f, model={"name": "sultani", "input_dim": 8}),
            "earlier version, in which sultani had no .*unit_len",
        ),
        (lambda f: (f / "config.json").write_text('{"architectures": ["Bert"]}'), "is not that of a checkpoint"),
        (lambda f: [path.unlink() for path in f.iterdir()], "no checkpoint at"),
    ],
)
def test_checkpoints_of_other_versions_are_refused(folder, damage, message):
    """They are intact, but cannot be used: exit code 2."""
    damage(folder)
    with pytest.raises(UsageError, match=message) as caught:
        load_checkpoint(str(folder))
    assert caught.value.exit_code == 2


def test_a_checkpoint_without_a_card_digest_is_intact(folder):
    """Earlier versions stored none; the model card must only exist."""
    edit(folder, files=None)
    (folder / "README.md").write_text("of an earlier template")
    store = open_store(str(folder))
    assert load_checkpoint(str(folder)).digest == make().digest
    assert checkpoint_faults(store)[1] == []
    (folder / "README.md").unlink()
    assert checkpoint_faults(store)[1] == ["README.md is missing"]


def test_a_damaged_checkpoint_is_overwritten_by_the_same_run(folder, caplog):
    """From its saved state; an intact checkpoint of another version is kept."""
    store, whole = open_store(str(folder.parent)), load_checkpoint(str(folder)).digest
    for name in ("config.json", "model.safetensors", "README.md"):
        flip(folder / name, 70)
        save_checkpoint(store, "checkpoint", make())
        assert load_checkpoint(str(folder)).digest == whole
        assert checkpoint_faults(open_store(str(folder)))[1] == []
    assert caplog.text.count("is overwritten") == 2
    sign(folder, format=2)
    with pytest.raises(ConflictError, match="holds something else"):
        save_checkpoint(store, "checkpoint", make())


def test_tensors_of_another_model_are_refused(tmp_path):
    """Names, shapes and values are checked against the configuration before anything is written."""
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


def test_the_model_card(folder, tmp_path):
    """Model, selection, licence; a banner only if the features are from an untrained network."""
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
