"""The registry of backbones: inputs, outputs, and matching weights."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from tests.backbones.reference import as_video
from wsvad.backbones.extractor import FeatureExtractor
from wsvad.backbones.names import Backbone
from wsvad.backbones.registry import ARCHITECTURES, BACKBONES, backbone_spec, matching_fractions, meta_network
from wsvad.backbones.untrained import moving_textures
from wsvad.backbones.weights import Weights, load_weights, random_weights, weights_bytes
from wsvad.errors import UsageError, WeightsError

FRAMES = 4
"""Frames of the clips here: a quarter of the work, the same code."""


@pytest.fixture(scope="module")
def compact() -> Weights:
    """Untrained weights of the compact network."""
    return random_weights(0, "inception-compact")


@pytest.fixture(scope="module")
def flow() -> Weights:
    """Untrained weights of the flow network."""
    return random_weights(0, "inception-flow")


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """One RGB clip, uint8."""
    return moving_textures(5)[None, :FRAMES]


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    """One uint8 clip representing optical flow."""
    return np.ascontiguousarray(moving_textures(6)[None, :FRAMES, ..., :2])


@pytest.mark.parametrize(
    ("name", "streams", "size", "resize", "pooled", "cuboids"),
    [
        ("i3d-compact", ("rgb",), 224, 256, 56, (49, 160)),
        ("i3d", ("rgb",), 224, 256, 1024, (49, 528)),
        ("i3d-flow", ("flow",), 224, 256, 1024, (49, 528)),
        ("i3d-two-stream", ("rgb", "flow"), 224, 256, 2048, (49, 1056)),
        ("i3d-r50", ("rgb",), 224, 256, 2048, (49, 1024)),
    ],
)
def test_inputs_and_outputs_of_each_backbone(name, streams, size, resize, pooled, cuboids):
    """Streams, frame size, shorter side before crops, and the widths of both features."""
    spec = backbone_spec(name)
    assert (spec.streams, spec.size, spec.resize) == (streams, size, resize)
    assert (spec.pooled_dim, spec.cuboid_shape) == (pooled, cuboids)
    assert spec.uses_flow == ("flow" in streams)
    assert len(spec.architectures) == len(streams)


def test_every_backbone_name_is_registered():
    """Every accepted name has a backbone, and no two consist of the same networks."""
    assert tuple(BACKBONES) == get_args(Backbone)
    assert len({spec.architectures for spec in BACKBONES.values()}) == len(BACKBONES)


def test_an_unknown_name_is_a_usage_error():
    """The message lists the valid names."""
    with pytest.raises(UsageError, match=r"backbone must be one of i3d-compact, i3d, .*, got 'c3d'"):
        backbone_spec("c3d")


def test_compact_features_equal_those_of_the_plain_model(compact, clip):
    """In fp32 the features are those of the plain model."""
    extractor = FeatureExtractor(compact, precision="fp32")
    got = extractor(clip)
    assert extractor.spec.name == "i3d-compact"
    with torch.inference_mode():
        expected = compact.model()(torch.from_numpy(clip))
    for values, exact in ((got.pooled, expected.pooled_BD), (got.cuboids, expected.cuboids_BKC)):
        np.testing.assert_allclose(values.astype(np.float32), exact.numpy(), rtol=2e-3, atol=1e-3)


def test_features_of_two_streams_are_concatenated(untrained, flow, clip, motion):
    """They are bitwise identical to those of each network alone, RGB first."""
    both = FeatureExtractor(untrained, flow, precision="fp32")(clip, motion)
    rgb = FeatureExtractor(untrained, precision="fp32")(clip)
    alone = FeatureExtractor(flow, precision="fp32")
    moved = alone(None, motion)
    assert alone.spec.name == "i3d-flow"
    np.testing.assert_array_equal(both.pooled, np.concatenate([rgb.pooled, moved.pooled], 1))
    np.testing.assert_array_equal(both.cuboids, np.concatenate([rgb.cuboids, moved.cuboids], 2))


def test_missing_and_superfluous_streams_are_refused(untrained, compact, flow, motion):
    """The error names the stream and the backbone."""
    rgb = np.zeros((1, FRAMES, 224, 224, 3), np.uint8)
    with pytest.raises(ValueError, match="backbone i3d-compact has no flow stream"):
        FeatureExtractor(compact, precision="fp32")(rgb, motion)
    with pytest.raises(ValueError, match="backbone i3d-flow needs clips of its flow stream, got none"):
        FeatureExtractor(flow, precision="fp32")(None)
    with pytest.raises(ValueError, match=r"expected uint8 clips \[B, T, 224, 224, 2\], got"):
        FeatureExtractor(flow, precision="fp32")(None, motion[..., :1])
    none = np.zeros((0, FRAMES, 224, 224, 3), np.uint8)
    with pytest.raises(ValueError, match=r"expected the same number of clips in each stream, got \[0, 1\]"):
        FeatureExtractor(untrained, flow, precision="fp32")(none, motion)


def test_networks_that_form_no_backbone_are_refused(compact, flow):
    """A compact network has no second stream."""
    with pytest.raises(UsageError, match="no backbone is made of the networks inception-compact and inception-flow"):
        FeatureExtractor(compact, flow, precision="fp32")


@pytest.mark.parametrize(
    ("held", "wanted", "message"),
    [
        ("inception-compact", "inception-rgb", "an RGB I3D .* they match the compact .*i3d-compact"),
        ("inception-flow", "inception-rgb", "an RGB I3D .* a flow I3D on Inception-v1 .for i3d-flow or i3d-two-stream"),
        ("inception-rgb", "inception-flow", "a flow I3D .* an RGB I3D on Inception-v1 .for i3d or i3d-two-stream"),
        ("inception-rgb", "inception-compact", "the compact I3D .* an RGB I3D on Inception-v1 .for i3d or"),
    ],
)
def test_the_error_for_other_weights_names_the_likely_network(held, wanted, message):
    """It names the expected network and the one that the file matches."""
    state = {name: torch.ones(t.shape) for name, t in meta_network(held).state_dict().items()}
    data = weights_bytes(Weights("custom:x", "sha256:0", state, held))
    with pytest.raises(WeightsError, match=f"not those of {message}"):
        load_weights(data, wanted)
    assert load_weights(data, None).architecture == held


def test_resnet_and_inception_weights_are_distinguished():
    """By names and shapes, with and without a classifier."""
    for classes in (None, 400):
        state = {name: torch.ones(t.shape) for name, t in meta_network("resnet50", classes).state_dict().items()}
        weights = load_weights(weights_bytes(Weights("custom:x", "sha256:0", state, "resnet50")), None)
        assert weights.architecture == "resnet50"
        assert ("fc.bias" in weights.state) == (classes is not None)
        with pytest.raises(WeightsError, match="they match an RGB I3D on ResNet-50"):
            load_weights(weights_bytes(weights), "inception-rgb")


def test_the_resnet_runs_as_a_backbone(clip):
    """2048 pooled features and 49 cuboids of 1024 from uint8 clips, with untrained weights."""
    extractor = FeatureExtractor(random_weights(0, "resnet50"), precision="fp32")
    features = extractor(np.concatenate([clip, clip], 1)[:, :7])
    assert extractor.spec.name == "i3d-r50"
    assert features.pooled.shape == (1, 2048)
    assert features.cuboids.shape == (1, 49, 1024)


def test_saved_weights_round_trip(compact):
    """Name, digest and architecture are preserved; a digest belongs to one architecture's tensors."""
    again = load_weights(weights_bytes(compact), "inception-compact", expected_digest=compact.digest)
    assert (
        (again.name, again.architecture) == (compact.name, compact.architecture) == ("random:0:3", again.architecture)
    )
    assert compact.digest != random_weights(1, "inception-compact").digest


def test_untrained_networks_are_calibrated_for_every_input(compact, flow):
    """The output of the last block has unit scale, as at full width on RGB."""
    textures = moving_textures(5)[None]
    for weights, video in ((compact, torch.from_numpy(textures)), (flow, as_video(textures[:, :8, ..., :2]))):
        with torch.inference_mode():
            pooled = weights.model()(video).pooled_BD
        assert 0.1 < float(pooled.abs().mean()) < 2


def test_every_architecture_matches_itself_best():
    """The fraction of matching parameters is 1 for the network itself and less for every other one."""
    for name in ARCHITECTURES:
        shares = matching_fractions(
            {n: torch.empty(t.shape, device="meta") for n, t in meta_network(name).state_dict().items()}
        )
        assert shares[name] == 1
        assert [other for other, share in shares.items() if share == 1] == [name]
