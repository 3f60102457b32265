"""Weight files: what is accepted, what is refused, and that no code in them is executed."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
from collections import OrderedDict

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from tests.backbones.reference import rule_state
from wsvad.backbones import weights as weights_module
from wsvad.backbones.untrained import moving_textures, untrained_state
from wsvad.backbones.weights import Weights, load_weights, random_weights, weights_bytes
from wsvad.errors import UsageError, WeightsError

STEM = "Conv3d_1a_7x7.conv3d.weight"
VARIANCE = "Mixed_4e.b0.bn.running_var"
DIGEST_OF_SEED_0 = "sha256:c942ebc10281f130833f9715a7b4def6b91dde4692513c70bda3224238a4387c"


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A state dict with the published names and shapes."""
    return rule_state()


@pytest.fixture(scope="module")
def loaded(state) -> Weights:
    """The same state, loaded from a file."""
    return load_weights(as_pt(state))


def as_pt(content: object, *, legacy: bool = False) -> bytes:
    """Return the output of ``torch.save`` in the current or the legacy format (before 2020)."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def same_tensors(left: Weights, right: Weights) -> bool:
    """Return True if two weights hold the same tensors under the same names."""
    return left.state.keys() == right.state.keys() and all(
        torch.equal(left.state[name], right.state[name]) for name in left.state
    )


def test_every_format_gives_the_same_weights_and_digest(state, loaded, tmp_path):
    """Current .pt, legacy .pt as in the public files, and safetensors: one digest, the same tensors."""
    path = tmp_path / "weights.safetensors"
    path.write_bytes(weights_bytes(loaded))
    for other in (load_weights(as_pt(OrderedDict(state), legacy=True)), load_weights(path), load_weights(str(path))):
        assert (other.name, other.digest) == (loaded.name, loaded.digest)
        assert same_tensors(other, loaded)
    assert loaded.name == f"custom:{loaded.digest[7:19]}"
    assert loaded.banner == ""
    assert not loaded.untrained


def test_the_same_weights_give_the_same_bytes(loaded):
    """The library writes metadata in an order that differs between calls."""
    assert len({weights_bytes(loaded) for _ in range(12)}) == 1


def test_the_digest_is_sha256_of_sorted_names_shapes_and_bytes(state, loaded):
    """The digest can be recomputed from the tensors."""
    total = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        if "logits" not in name and "num_batches" not in name:
            total.update(f"{name} float32 {tuple(tensor.shape)}\n".encode() + tensor.numpy().tobytes())
    assert loaded.digest == f"sha256:{total.hexdigest()}"


def test_accepted_variants_have_the_same_digest(state, loaded):
    """No classifier, 157 classes, ``module.`` prefixes, no counters, double precision: the same digest."""
    bare = {name: t for name, t in state.items() if "logits" not in name and "num_batches" not in name}
    charades = {"logits.conv3d.weight": torch.zeros(157, 1024, 1, 1, 1), "logits.conv3d.bias": torch.zeros(157)}
    variants = {
        "no classifier, no counters": bare,
        "157 classes": bare | charades,
        "DataParallel": {f"module.{name}": t for name, t in state.items()},
        "fp64": {name: t.double() if t.is_floating_point() else t for name, t in state.items()},
        "parameters": {name: nn.Parameter(t, requires_grad=False) for name, t in bare.items()},
    }
    for what, variant in variants.items():
        assert load_weights(as_pt(variant)).digest == loaded.digest, what
    assert load_weights(as_pt(variants["157 classes"])).model().logits.conv3d.out_channels == 157
    assert not hasattr(load_weights(as_pt(bare)).model(), "logits")


def test_an_expected_digest_is_checked(state, loaded):
    """The right digest passes; one changed value in the file does not."""
    assert load_weights(as_pt(state), expected_digest=loaded.digest).digest == loaded.digest
    changed = state | {STEM: state[STEM] + torch.eye(7)[None, None, None] * 1e-3}
    with pytest.raises(WeightsError, match=rf"expected digest {loaded.digest}, got sha256:"):
        load_weights(as_pt(changed), expected_digest=loaded.digest)


def test_public_files_are_recognised_by_their_git_blob_id(state, monkeypatch):
    """A file whose blob id is listed has the published name, also after conversion to safetensors."""
    data = as_pt(state)
    blob_id = hashlib.sha1(b"blob " + str(len(data)).encode() + b"\x00" + data).hexdigest()
    monkeypatch.setitem(weights_module.PUBLIC_FILES, blob_id, "rgb_imagenet")
    public = load_weights(data)
    assert public.name == "rgb_imagenet"
    assert load_weights(weights_bytes(public)).name == "rgb_imagenet"


def test_a_name_in_metadata_is_valid_only_with_its_digest(loaded):
    """Metadata with another digest, or with an invalid name, is ignored."""
    tensors = {name: tensor.clone() for name, tensor in loaded.state.items()}
    for metadata in ({"name": "rgb_imagenet", "digest": "sha256:0"}, {"name": "a\nb", "digest": loaded.digest}):
        assert load_weights(safetensors.torch.save(tensors, metadata)).name == loaded.name


def invalid_contents(state: dict[str, Tensor]) -> dict[str, tuple[object, str]]:
    """Return invalid contents of a file, with the expected error message."""
    without_stem = {name: tensor for name, tensor in state.items() if name != STEM}
    flow = torch.zeros(64, 2, 7, 7, 7)
    infinite = state[STEM].clone()
    infinite[0, 0, 0, 0, 0] = float("inf")
    return {
        "missing": (without_stem, f"missing '{STEM}'"),
        "unexpected": (state | {"fc.weight": torch.zeros(3)}, "unexpected 'fc.weight'"),
        "flow network": (state | {STEM: flow}, r"expected shape \(64, 3, 7, 7, 7\), got \(64, 2, 7, 7, 7\)"),
        "not finite": (state | {STEM: infinite}, f"'{STEM}': has values that are not finite"),
        "variance": (state | {VARIANCE: -state[VARIANCE]}, f"'{VARIANCE}': has negative variances"),
        "integers": (state | {STEM: state[STEM].int()}, "expected a dense floating tensor, got torch.int32"),
        "sparse": (state | {VARIANCE: state[VARIANCE].to_sparse()}, "expected a dense floating tensor"),
        "number": (state | {STEM: 3}, "expected a tensor, got int"),
        "half a classifier": ({k: v for k, v in state.items() if k != "logits.conv3d.bias"}, "missing 'logits"),
        "empty classifier": (state | {"logits.conv3d.bias": torch.zeros(0)}, r"expected shape \(400,\), got \(0,\)"),
        "nothing": ({}, r"missing .* and \d+ more"),
        "wrapped": ({"state_dict": state, "epoch": 3}, "unexpected 'state_dict'; unexpected 'epoch'; missing"),
        "a list": ([1, 2], "expected a mapping from names to tensors, got list"),
        "numbers as names": ({1: state[STEM]}, "expected a mapping from names to tensors"),
        "other network": ({"conv1.weight": torch.zeros(64, 3, 7, 7)}, r"unexpected 'conv1.weight'; missing .*more"),
    }


@pytest.mark.parametrize("what", list(invalid_contents(dict.fromkeys([STEM, VARIANCE], torch.zeros(1, 1, 1, 1, 1)))))
def test_other_content_is_refused_and_the_first_differences_are_named(state, what):
    """Wrong names, shapes, types or values: the error lists at most four differences and the number of others."""
    content, message = invalid_contents(state)[what]
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(as_pt(content))
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("kind", ["pt", "legacy pt", "safetensors"])
def test_truncated_files_are_refused(state, loaded, kind):
    """A file truncated at any position, from empty to its last byte."""
    whole = {"pt": as_pt(state), "legacy pt": as_pt(state, legacy=True), "safetensors": weights_bytes(loaded)}[kind]
    for size in (0, 1, 7, 8, 9, 100, 5000, len(whole) // 2, len(whole) - 1):
        with pytest.raises(WeightsError, match="damaged"):
            load_weights(whole[:size])


class Payload:
    """An object whose unpickling would create a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("kind", ["zip", "legacy", "plain pickle"])
def test_code_in_a_file_is_not_executed(state, tmp_path, kind):
    """A pickle that would run code when loaded is refused without running it."""
    canary = tmp_path / "executed"
    content = dict(state) | {"payload": Payload(str(canary))}
    data = pickle.dumps(content["payload"]) if kind == "plain pickle" else as_pt(content, legacy=kind == "legacy")
    with pytest.raises(WeightsError, match="contains code"):
        load_weights(data)
    assert not canary.exists()
    if kind == "plain pickle":
        pickle.loads(data)
        assert canary.exists(), "the payload of this test must work, or it proves nothing"


def test_what_is_not_a_weight_file_is_refused(tmp_path):
    """Text, random bytes, a folder, an empty file: a WeightsError that names the path."""
    (tmp_path / "text.pt").write_text("not weights\n" * 100)
    (tmp_path / "noise.pt").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "header.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    for name in ("text.pt", "noise.pt", "header.safetensors", "", "absent.pt"):
        path = tmp_path / name
        with pytest.raises(WeightsError) as caught:
            load_weights(path)
        assert str(path) in str(caught.value)


def test_untrained_weights_have_a_banner_also_after_saving(untrained, tmp_path):
    """The banner names the seed and is preserved by saving and loading."""
    path = tmp_path / "untrained.safetensors"
    path.write_bytes(weights_bytes(untrained))
    for weights in (untrained, load_weights(path, expected_digest=untrained.digest)):
        assert weights.untrained
        assert weights.name == "random:0:1"
        assert weights.banner.startswith("FEATURES OF AN UNTRAINED NETWORK (random:0:1)")


def test_untrained_weights_are_the_same_everywhere(untrained):
    """The digest is constant: here, in another process with narrower CPU instructions, and on other machines."""
    script = "from wsvad.backbones.weights import random_weights; print(random_weights(0).digest)"
    narrower = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    other = subprocess.run([sys.executable, "-c", script], env=narrower, capture_output=True, text=True, check=True)
    assert untrained.digest == other.stdout.strip() == DIGEST_OF_SEED_0


def test_untrained_weights_do_not_depend_on_the_convolution_kernels(monkeypatch, untrained):
    """Without oneDNN the weights are bitwise identical: sums during calibration are exact in any order."""
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    state = untrained_state(0)
    assert all(torch.equal(state[name], tensor) for name, tensor in untrained.state.items())


def test_seeds_give_different_weights_and_invalid_ones_are_refused(untrained):
    """Seed 1 differs from seed 0; a negative or too large seed is a usage error."""
    assert random_weights(1).digest != untrained.digest
    for seed in (-1, 2**32):
        with pytest.raises(UsageError, match="seed of random weights must be 0 to 4294967295"):
            random_weights(seed)


def test_untrained_activations_are_normalised_at_every_layer(untrained):
    """On another clip than the calibration clip, each batch norm's output has deviation 0.5 to 2 and mean within 1."""
    model = untrained.model()
    seen: dict[str, tuple[float, float]] = {}

    def watch(name: str) -> None:
        def hook(_module: nn.Module, _inputs: object, out: Tensor) -> None:
            seen[name] = (float(out.mean()), float(out.std()))

        model.get_submodule(name).register_forward_hook(hook)

    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm3d):
            watch(name)
    video = torch.from_numpy(moving_textures(55)).permute(3, 0, 1, 2).unsqueeze(0).float() / 127.5 - 1
    with torch.inference_mode():
        model.maps(video)
    assert len(seen) == 57
    outside = {name: stats for name, stats in seen.items() if abs(stats[0]) > 1 or not 0.5 < stats[1] < 2}
    assert not outside
