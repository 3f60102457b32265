"""``FeatureExtractor`` gives the network's features, bitwise identical whatever else is in the batch."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.backbones.reference import as_video
from tests.backbones.saving import save_weights
from wsvad.backbones import extractor as extractor_module
from wsvad.backbones.extractor import FeatureExtractor, Features, default_precision
from wsvad.backbones.weights import Weights
from wsvad.errors import UsageError, WeightsError

PRECISION = default_precision()


@pytest.fixture(scope="module")
def extractor(untrained) -> FeatureExtractor:
    """An extractor with the precision that jobs use on this machine."""
    return FeatureExtractor(untrained, precision=PRECISION)


@pytest.fixture(scope="module")
def features(extractor, clips) -> Features:
    """Features of the three test clips, computed in one call."""
    return extractor(clips)


def same_bytes(left: Features, right: Features) -> bool:
    """Return True if two results are bitwise identical."""
    return left.pooled.tobytes() == right.pooled.tobytes() and left.cuboids.tobytes() == right.cuboids.tobytes()


def at(features: Features, *indices: int) -> Features:
    """Return the features of some of the clips, in that order."""
    return Features(features.pooled[list(indices)], features.cuboids[list(indices)])


def test_features_have_the_declared_shapes(extractor, features):
    """``[B, 1024]`` and ``[B, 49, 528]``, float16, finite, non-negative, and different for each clip."""
    assert features.pooled.shape == (3, extractor.pooled_dim) == (3, 1024)
    assert features.cuboids.shape == (3, *extractor.cuboid_shape) == (3, 49, 528)
    for values in features:
        assert values.dtype == np.float16
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert not np.array_equal(features.pooled[0], features.pooled[1])


def test_no_clips_give_empty_features(extractor):
    """An empty call returns empty arrays of the right shape."""
    nothing = extractor(np.empty((0, 16, 224, 224, 3), np.uint8))
    assert nothing.pooled.shape == (0, 1024)
    assert nothing.cuboids.shape == (0, 49, 528)


def test_fp32_features_equal_those_of_the_plain_model(untrained, clips):
    """In fp32 the features are the plain model's, rounded to float16."""
    got = FeatureExtractor(untrained, precision="fp32")(clips[:1])
    with torch.inference_mode():
        expected = untrained.model()(as_video(clips[:1]))
    for values, exact in ((got.pooled, expected.pooled_BD), (got.cuboids, expected.cuboids_BKC)):
        np.testing.assert_allclose(values.astype(np.float32), exact.numpy(), rtol=2e-3, atol=1e-3)


def test_features_of_a_clip_do_not_depend_on_other_clips(extractor, features, clips):
    """Alone, in another order, with other clips: bitwise identical."""
    assert same_bytes(extractor(clips[1:2]), at(features, 1))
    assert same_bytes(extractor(clips[[2, 0]]), at(features, 2, 0))
    assert same_bytes(extractor(np.ascontiguousarray(clips[::-1])), at(features, 2, 1, 0))


def test_features_of_a_clip_do_not_depend_on_batch_padding(untrained, features, clips, monkeypatch):
    """With several clips per pass, where the last pass is padded with blanks, position does not matter either."""
    monkeypatch.setattr(extractor_module, "CPU_BATCH", 2)
    extractor = FeatureExtractor(untrained, precision=PRECISION)
    assert extractor.batch_size == 2
    in_twos = extractor(clips)
    assert same_bytes(at(extractor(clips[[2, 1, 0]]), 2, 1, 0), in_twos)
    assert same_bytes(in_twos, features)


def test_features_do_not_depend_on_process_and_threads(untrained, features, clips, tmp_path):
    """A process with two threads gives the same bytes, without compiling, Ray or a decoder."""
    save_weights(untrained, tmp_path / "weights.safetensors")
    np.save(tmp_path / "clip.npy", clips[:1])
    script = f"""
import hashlib, sys
import numpy as np
from wsvad.backbones.extractor import FeatureExtractor
from tests.backbones.saving import save_weights
from wsvad.backbones.weights import load_weights
extractor = FeatureExtractor(load_weights("weights.safetensors"), precision={PRECISION!r}, threads=2)
features = extractor(np.load("clip.npy"))
print(hashlib.sha256(features.pooled.tobytes() + features.cuboids.tobytes()).hexdigest())
print(sorted({{"ray", "av", "pyarrow", "torch._inductor.compile_fx"}} & set(sys.modules)))
"""
    path = [entry for entry in sys.path if entry]
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{script}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    one = at(features, 0)
    expected = hashlib.sha256(one.pooled.tobytes() + one.cuboids.tobytes()).hexdigest()
    assert run.stdout.split("\n")[:2] == [expected, "[]"]


@pytest.mark.parametrize("frames", [1, 8, 17])
def test_clips_of_other_lengths_work(extractor, features, clips, frames):
    """Any number of frames gives features, and does not affect those of later clips."""
    video = np.concatenate([clips[0], clips[1]])[None, :frames]
    assert extractor(video).cuboids.shape == (1, 49, 528)
    assert same_bytes(extractor(clips[:1]), at(features, 0))


@pytest.mark.parametrize(
    "clips_of_other_kind",
    [
        np.zeros((1, 16, 224, 224, 3), np.float32),
        np.zeros((16, 224, 224, 3), np.uint8),
        np.zeros((1, 16, 112, 112, 3), np.uint8),
        np.zeros((1, 3, 16, 224, 224), np.uint8),
    ],
)
def test_arrays_that_are_not_clips_are_refused(extractor, clips_of_other_kind):
    """The error for another dtype or shape states what was expected."""
    with pytest.raises(ValueError, match=r"expected uint8 clips \[B, T, 224, 224, 3\], got"):
        extractor(clips_of_other_kind)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda:99"}, "device 'cuda:99': PyTorch .* finds [0-9]+ CUDA devices"),
        ({"device": "mps"}, "device must be cpu, cuda or cuda:<n>, got 'mps'"),
        ({"device": "cpu:1"}, "device must be cpu, cuda or cuda:<n>, got 'cpu:1'"),
        ({"device": "gpu 0"}, "device must be cpu, cuda or cuda:<n>, got 'gpu 0'"),
        ({"precision": "fp16"}, "precision must be one of fp32, bf16, got 'fp16'"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
    ],
)
def test_invalid_settings_are_usage_errors(untrained, options, message):
    """Missing devices, unknown precisions and zero threads are refused before any work."""
    with pytest.raises(UsageError, match=message):
        FeatureExtractor(untrained, **({"precision": "fp32"} | options))


def test_bf16_needs_hardware_support(untrained, monkeypatch):
    """On a processor that would emulate bfloat16 the default is fp32, and bf16 is a usage error."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert default_precision("cpu") == "fp32"
    with pytest.raises(UsageError, match="does not multiply bfloat16 in hardware: use precision fp32"):
        FeatureExtractor(untrained, precision="bf16")


def test_features_beyond_float16_are_refused(untrained, clips):
    """Features that exceed float16 are an error, never an infinity in a data set."""
    huge = {name: t * 1e6 if name.endswith("Mixed_5c.b0.bn.weight") else t for name, t in untrained.state.items()}
    extractor = FeatureExtractor(Weights("custom:huge", "sha256:0", huge), precision="fp32")
    with pytest.raises(WeightsError, match="weights custom:huge: expected features below 65504, got"):
        extractor(clips[:1])
