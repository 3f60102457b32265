"""Attention compared with a naive loop, its decay with the printed formula, and chunked with unchunked results."""

from __future__ import annotations

import math

import pytest
import torch

from wsvad.models import attention
from wsvad.models.attention import DecayedAttention, DecayMatrix, GlobalModule, temporal_decay
from wsvad.models.heads import initialise
from wsvad.models.st_ltgs import neighbour_decay

MODES = ["elementwise", "matmul", "additive", "none"]


def module(decay: str) -> DecayedAttention:
    """Return attention with two heads of width 3 on 5 features, without dropout."""
    torch.manual_seed(3)
    return DecayedAttention(5, heads=2, head_dim=3, decay=decay, dropout=0.0)


def printed_decay(clips: int) -> list[list[float]]:
    """Return ``sin((T + i - j) π / 2T)``, as printed in the paper."""
    return [[math.sin((clips + i - j) * math.pi / (2 * clips)) for j in range(clips)] for i in range(clips)]


def full_matrix(decay: DecayMatrix) -> torch.Tensor:
    """Return all blocks of a decay matrix."""
    return decay.block(slice(0, decay.size), slice(0, decay.size))


def naive(layer: DecayedAttention, x_NTD: torch.Tensor, decay: torch.Tensor) -> torch.Tensor:
    """Compute attention in a loop over sequences, heads and queries."""
    out = torch.zeros_like(x_NTD)
    clips = x_NTD.shape[1]
    for n, x in enumerate(x_NTD):
        q, k, v = (part.reshape(clips, 2, 3) for part in layer.qkv(x).split(6, dim=1))
        heads = []
        for h in range(2):
            logits = q[:, h] @ k[:, h].T / math.sqrt(3)
            logits = {
                "elementwise": logits * decay,
                "matmul": logits @ decay,
                "additive": logits + torch.log(decay),
                "none": logits,
            }[layer.decay]
            weights = torch.stack([row.exp() / row.exp().sum() for row in logits])
            heads.append(weights @ v[:, h])
        out[n] = layer.out(torch.cat(heads, dim=1))
    return out


@pytest.mark.parametrize("clips", [1, 2, 7, 32, 501])
def test_decay_is_the_printed_sine(clips):
    """1 on the diagonal, positive everywhere, symmetric; blocks are parts of the matrix."""
    decay = temporal_decay(clips, torch.zeros(1))
    rows = full_matrix(decay)
    assert torch.allclose(rows, torch.tensor(printed_decay(clips)), atol=1e-6)
    assert float(rows.min()) > 0
    assert torch.equal(decay.block(slice(clips // 2, clips), slice(0, 1)), rows[clips // 2 :, :1])


def test_a_reach_does_not_depend_on_the_length_of_the_video():
    """The logarithm falls by 1 every ``reach`` clips in both directions, up to the band, for any number of clips."""
    for clips in (1, 7, 40, 90):
        decay = temporal_decay(clips, torch.zeros(1), reach=2.5)
        distance = (torch.arange(clips)[:, None] - torch.arange(clips)).abs()
        inside = distance <= 2.5 * math.log(1e6)
        rows = full_matrix(decay)
        assert torch.allclose(rows[inside].log(), -distance[inside] / 2.5, atol=1e-5)
        assert not rows[~inside].any()
        assert torch.equal(decay.block(slice(clips - 1, clips), slice(0, clips)), rows[-1:])
        assert decay.band == 34


@pytest.mark.parametrize("decay", MODES)
@pytest.mark.parametrize("clips", [1, 2, 9])
def test_attention_equals_the_naive_loop(decay, clips):
    """For every form of decay."""
    layer, x = module(decay), torch.randn(3, clips, 5)
    expected = naive(layer, x, torch.tensor(printed_decay(clips)))
    assert torch.allclose(layer(x, temporal_decay(clips, x)), expected, atol=1e-5)


@pytest.mark.parametrize("reach", [0.0, 0.2, 0.6])
@pytest.mark.parametrize("decay", MODES)
def test_chunks_do_not_change_the_result(decay, reach, monkeypatch):
    """Without gradients a long video is processed in chunks, with the same result."""
    layer, x = module(decay), torch.randn(2, 23, 5)
    matrix = temporal_decay(23, x, reach=reach)
    expected = naive(layer, x, full_matrix(matrix))
    assert torch.allclose(layer(x, matrix), expected, atol=1e-5)
    monkeypatch.setattr(attention, "CHUNK_ELEMENTS", 2 * 2 * 23 * 5)
    with torch.no_grad():
        assert torch.allclose(layer(x, matrix), expected, atol=1e-5)


def test_banded_attention_is_linear_in_the_number_of_clips(monkeypatch):
    """Twice the video is twice the work, not four times, and distant clips have no effect."""
    layer, elements = module("additive"), []
    attend = layer._attend
    monkeypatch.setattr(
        layer, "_attend", lambda q, k, v, decay: elements.append(decay.numel()) or attend(q, k, v, decay)
    )
    x = torch.randn(1, 4000, 5)
    work = []
    with torch.no_grad():
        for clips in (2000, 4000):
            scores = layer(x[:, :clips], temporal_decay(clips, x, reach=1.0))
            work.append(sum(elements))
            elements.clear()
        near = layer(x[:, :100], temporal_decay(100, x, reach=1.0))
    assert work[1] < 2.1 * work[0] < 1e6
    assert torch.allclose(scores[:, : 100 - 13], near[:, : 100 - 13], atol=1e-6)


def test_sequences_are_independent():
    """Changing one sequence leaves the results of the others unchanged."""
    layer, x = module("elementwise"), torch.randn(3, 6, 5)
    changed = x.clone()
    changed[1] += 1
    before, after = (layer(each, temporal_decay(6, x)) for each in (x, changed))
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.allclose(before[1], after[1])


def test_neighbours_are_the_eight_adjacent_cuboids():
    """In a corner, on an edge and inside; nearer ones have a larger weight, which does not depend on the position."""
    decay = full_matrix(neighbour_decay(49, torch.zeros(1)))
    step = math.cos(math.pi / 14)
    assert [(int((decay[cell] > 0).sum())) for cell in (0, 3, 24)] == [4, 6, 9]
    assert decay[24, 24] == 1
    assert float(decay[24, 25]) == pytest.approx(step)
    assert float(decay[24, 32]) == pytest.approx(step**2)
    assert torch.equal(decay, decay.T)


def test_global_module_is_the_identity_for_a_zero_gate_and_depends_on_the_whole_video():
    """A gate of 0 changes nothing; a change of one clip changes the scale of all."""
    torch.manual_seed(0)
    layer = GlobalModule(6, bottleneck=4)
    initialise(layer)
    x = torch.randn(2, 5, 6)
    changed = x.clone()
    changed[0, 3] += 10
    ratio = layer(changed)[0, 0] / changed[0, 0]
    assert not torch.allclose(ratio, layer(x)[0, 0] / x[0, 0])
    assert torch.equal(layer(changed)[1], layer(x)[1])
    torch.nn.init.zeros_(layer.mlp[2].weight)
    assert torch.equal(layer(x), x)


@pytest.mark.parametrize(
    ("full", "parameters"), [(False, 2 * 6 + 3 + (6 * 4 + 4) + (4 * 6 + 6)), (True, 2 * 36 + 3 + 2 * 42)]
)
def test_global_module_parameter_count(full, parameters):
    """W1, W2, the convolution of two channels, the MLP."""
    assert sum(p.numel() for p in GlobalModule(6, bottleneck=4, full=full).parameters()) == parameters
