"""Every equation of LTGS-Net (Sensors 25(16) 4884) compared with a loop over plain numbers, to 1e-6.

Where the paper contradicts itself, the test states which interpretation it checks; docs/papers.md lists all of them.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models import naive
from wsvad.models.attention import temporal_decay
from wsvad.models.contract import MilOutput
from wsvad.models.registry import build_criterion, build_dynamic_labels, build_model, default_config

DIM, HEADS, WIDTH, CLIPS, VIDEOS, FUSED = 5, 2, 3, 7, 4, 6
SMALL = {"heads": HEADS, "head_dim": WIDTH, "bottleneck": 4, "fusion_dim": FUSED, "feed_forward": 8}
LABELS = [0, 1, 1, 0]
ANOMALOUS, NORMAL = [1, 2], [0, 3]
K = 3


def ltgs(preset: str = "paper", **settings: Any) -> Any:
    """Return a small float64 network in evaluation mode, with random values in all parameters (including biases)."""
    model = build_model(default_config("ltgs", DIM, preset=preset, **{**SMALL, **settings}), seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.double().eval()


def features() -> Tensor:
    """Return four videos of seven clips, float64."""
    return torch.randn(VIDEOS, CLIPS, DIM, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def videos() -> list[naive.Matrix]:
    """Return the same as plain numbers."""
    return naive.numbers(features())


def near(found: Tensor, expected: Any) -> None:
    """Assert equality to 1e-6."""
    torch.testing.assert_close(
        found.detach(), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6, check_dtype=False
    )


def temporal(model: Any, video: naive.Matrix, reading: str = "elementwise") -> naive.Matrix:
    """``t(F)``: multi-head attention with a residual sum."""
    attention = model.local_module
    attended = naive.multi_head(attention.qkv, attention.out, video, HEADS, reading)
    return [naive.add(f, a) for f, a in zip(video, attended, strict=True)]


def spatial(model: Any, video: naive.Matrix, *, full: bool = False) -> naive.Vector:
    """``s(F) = ReLU(MLP(conv([W1 average; W2 maximum])))``."""
    module = model.global_module
    average, maximum = naive.mean_vector(video), [max(clip[d] for clip in video) for d in range(DIM)]
    if full:
        average, maximum = naive.linear(module.average, average), naive.linear(module.maximum, maximum)
    else:
        w1, w2 = naive.numbers(module.average.weight), naive.numbers(module.maximum.weight)
        average = [w * x for w, x in zip(w1, average, strict=True)]
        maximum = [w * x for w, x in zip(w2, maximum, strict=True)]
    pair = [naive.linear(module.pair, [a, m])[0] for a, m in zip(average, maximum, strict=True)]
    return naive.relu(naive.linear(module.mlp[2], naive.relu(naive.linear(module.mlp[0], pair))))


def score(model: Any, fused: naive.Vector) -> float:
    """``sigmoid(MLP(L))``: the layers of 512, 128 and 1 after the fusion."""
    head = model.head
    hidden = naive.relu(naive.linear(head.fc2, naive.relu(naive.linear(head.fc1, fused))))
    return naive.sigmoid(naive.linear(head.fc3, hidden)[0])


@pytest.mark.parametrize("reading", ["elementwise", "matmul", "additive", "none"])
def test_head_i_with_its_decay(reading):
    """Section 3.1: ``softmax(Q K^T · H / √d_k) V`` with H = ``sin((T + i - j) π / 2T)``, T the number of clips.

    The product with H is elementwise (default), a matrix product, or a sum with log H.
    """
    attention = ltgs(decay=reading).local_module
    expected = [naive.heads_of(attention.qkv, video, HEADS, reading) for video in videos()]
    with torch.no_grad():  # with the identity as output projection, the result is the concatenated heads
        attention.out = torch.nn.Linear(HEADS * WIDTH, HEADS * WIDTH).double()
        attention.out.weight.copy_(torch.eye(HEADS * WIDTH))
        attention.out.bias.zero_()
    found = attention(features(), temporal_decay(CLIPS, features()))
    near(found.unflatten(2, (HEADS, WIDTH)).transpose(1, 2), expected)


@pytest.mark.parametrize("reading", ["elementwise", "matmul", "additive", "none"])
def test_multi_head(reading):
    """Section 3.1: ``Concat(head_1, …, head_h) W_O`` with an independent head width (h x d_k need not be D)."""
    attention = ltgs(decay=reading).local_module
    expected = [naive.multi_head(attention.qkv, attention.out, video, HEADS, reading) for video in videos()]
    near(attention(features(), temporal_decay(CLIPS, features())), expected)


@pytest.mark.parametrize("full", [False, True])
def test_global_module(full):
    """Section 3.2: S(F), one vector per video. σ is ReLU here; W1 and W2 are diagonal (default), or full."""
    model = ltgs(full_global=full)
    near(model.global_module(features()), [spatial(model, video, full=full) for video in videos()])


def test_fusion_and_score():
    """Section 3: ``L = ReLU(FC([t(F); s(F)]))`` and ``score = sigmoid(MLP(L))``; both modules take F."""
    model = ltgs()
    fused = [
        [naive.relu(naive.linear(model.fusion, t + spatial(model, video))) for t in temporal(model, video)]
        for video in videos()
    ]
    output = model(features())
    near(output.features_BTD, fused)
    near(output.scores_BT, [[score(model, clip) for clip in video] for video in fused])


@pytest.mark.parametrize(
    ("preset", "parts"),
    [
        ("no_global", lambda model, video: temporal(model, video)),
        ("no_local", lambda model, video: [f + spatial(model, video) for f in video]),
        ("average_global", lambda model, video: [t + naive.mean_vector(video) for t in temporal(model, video)]),
        ("attention_only", lambda model, video: temporal(model, video)),
    ],
)
def test_fusion_of_the_ablations(preset, parts):
    """Section 5: without GS ``[t]``; with temporal average pooling as GS ``[t; mean]``; without LT ``[F; s]``."""
    model = ltgs(preset)
    expected = [[naive.relu(naive.linear(model.fusion, p)) for p in parts(model, video)] for video in videos()]
    near(model(features()).features_BTD, expected)


def test_encoder_layer():
    """Section 4.2, "an encoder structure" as in a Transformer: attention, sum, norm, feed-forward, sum, norm."""
    model = ltgs("encoder_layer")
    layer = model.local_module
    for b, video in enumerate(videos()):
        attended = naive.multi_head(layer.attention.qkv, layer.attention.out, video, HEADS, "elementwise")
        s, fused = spatial(model, video), []
        for f, a in zip(video, attended, strict=True):
            x = naive.layer_norm(layer.attention_norm, naive.add(f, a))
            inner = naive.relu(naive.linear(layer.feed_forward[0], x))
            t = naive.layer_norm(layer.feed_forward_norm, naive.add(x, naive.linear(layer.feed_forward[2], inner)))
            fused.append(naive.relu(naive.linear(model.fusion, t + s)))
        near(model(features()).features_BTD[b], fused)


def output() -> MilOutput:
    """Return the output of four videos, without ties."""
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(VIDEOS, CLIPS, generator=generator, dtype=torch.float64)
    fused = torch.rand(VIDEOS, CLIPS, FUSED, generator=generator, dtype=torch.float64) * 3
    return MilOutput(logits.sigmoid(), logits, features_BTD=fused)


def terms(preset: str = "paper", soft: Tensor | None = None, **settings: Any) -> dict[str, Tensor]:
    """Return the terms of the loss on that output."""
    criterion = build_criterion(default_config("ltgs", DIM, preset=preset, **settings))
    return criterion(output(), torch.tensor(LABELS), soft)


def test_bag_length():
    """``G(F)``: the length of the mean of the k longest features, as in RTFM's code.

    RTFM's paper uses the mean of the lengths. k = 3 (section 4.2), not 8 (section 3.4). Tested with a margin of 0.
    """
    fused = naive.numbers(output().features_BTD)
    lengths = [naive.bag_length(video, K) for video in fused]
    expected = sum((lengths[a] + lengths[n]) ** 2 for a, n in zip(ANOMALOUS, NORMAL, strict=True)) / 2
    near(terms(margin=0.0)["magnitude"], expected)
    eight = [naive.bag_length(video, CLIPS) for video in fused]  # k8: at most the number of clips
    expected = sum((eight[a] + eight[n]) ** 2 for a, n in zip(ANOMALOUS, NORMAL, strict=True)) / 2
    near(terms("k8", margin=0.0)["magnitude"], expected)


@pytest.mark.parametrize("margin", [1.0, 100.0])
def test_l_mil(margin):
    """Section 3.4: RTFM's ``(|ε - G(F_a)| + G(F_n))²`` (default), and the printed ``|ε - G(F_a) + G(F_n)|``."""
    lengths = [naive.bag_length(video, K) for video in naive.numbers(output().features_BTD)]
    rtfm, printed = 0.0, 0.0
    for a, n in zip(ANOMALOUS, NORMAL, strict=True):
        rtfm += (abs(margin - lengths[a]) + lengths[n]) ** 2 / 2
        printed += abs(margin - lengths[a] + lengths[n]) / 2
    near(terms(margin=margin)["magnitude"], rtfm)
    near(terms("printed_magnitude", margin=margin)["magnitude"], printed)


@pytest.mark.parametrize("index", [None, "rank", "segment"])
def test_l_cls(index):
    """Section 3.4: binary cross-entropy of the top k clips, with the minus sign that is missing in print.

    Labels are the video's, or soft labels by rank (default) or by segment; that of the best clip stays 1.
    """
    scores, fused = naive.numbers(output().scores_BT), naive.numbers(output().features_BTD)
    soft = [[0.0] * CLIPS, [1, 0.75, 0.5, 0.25, 0.5, 0.75, 0.125], [1, 0.5, 0.25, 1, 0.75, 0.5, 0.25], [0.0] * CLIPS]
    total = 0.0
    for b in range(VIDEOS):
        for rank, clip in enumerate(naive.top(fused[b], K)):
            by = {None: LABELS[b], "rank": soft[b][rank], "segment": LABELS[b] if rank == 0 else soft[b][clip]}
            y, p = by[index], scores[b][clip]
            total -= y * math.log(p) + (1 - y) * math.log(1 - p)
    given = None if index is None else torch.tensor(soft)[:, : K if index == "rank" else CLIPS]
    near(terms(soft=given, label_index=index or "rank")["classify"], total / (VIDEOS * K))


def test_l_rank():
    """Section 3.4: ``max(0, 1 - max s_a + max s_n)`` over pairs of videos, Sultani's, though attributed to RTFM."""
    scores = naive.numbers(output().scores_BT)
    pairs = zip(ANOMALOUS, NORMAL, strict=True)
    near(terms()["rank"], sum(max(0.0, 1 - max(scores[a]) + max(scores[n])) for a, n in pairs) / 2)


def test_l_spa_and_l_tem():
    """Section 3.4: mean score, and mean absolute difference between consecutive clips, within anomalous videos."""
    scores = naive.numbers(output().scores_BT)
    spa, tem = 0.0, 0.0
    for a in ANOMALOUS:
        for t in range(CLIPS):
            spa += scores[a][t] / (CLIPS * len(ANOMALOUS))
            if t:
                tem += abs(scores[a][t] - scores[a][t - 1]) / ((CLIPS - 1) * len(ANOMALOUS))
    found = terms()
    near(found["sparsity"], spa)
    near(found["smoothness"], tem)


def test_total_loss():
    """``L_cls + 1e-4 L_mag + L_rank + 8e-4 L_spa + 2e-5 L_tem``; as printed, without the first two (``paper_eq``)."""
    found, printed = terms(), terms("paper_eq")
    regular = 8e-4 * float(found["sparsity"]) + 2e-5 * float(found["smoothness"])
    near(found["total"], float(found["classify"]) + 1e-4 * float(found["magnitude"]) + float(found["rank"]) + regular)
    near(printed["total"], float(found["rank"]) + regular)


def test_algorithm_1():
    """Five steps written out: β = 2, α = 0.75, k = 3, one anomalous and one normal video.

    Steps 0 and 1 precede the first update, steps 2 and 4 update (``step % β == 0``), step 3 does not. α weights the old
    label (a hard update is α = 0). Labels refer to ranks; the first stays 1, those of a normal video stay 0.
    """
    config = default_config("ltgs", DIM, label_alpha=0.75, label_period=2)
    labels = build_dynamic_labels(config, torch.tensor([1, 0]), segments=CLIPS)
    criterion = build_criterion(config)
    assert labels is not None
    lengths = {2: [1, 5, 2, 9, 3, 1, 0], 4: [8, 1, 2, 3, 4, 7, 5]}
    scores = {2: [0.1, 0.6, 0.2, 0.8, 0.4, 0.3, 0.5], 4: [0.2, 0.9, 0.8, 0.7, 0.6, 0.1, 0.5]}
    expected = {
        0: [1, 1, 1],
        1: [1, 1, 1],
        2: [1, 0.75 + 0.25 * 0.6, 0.75 + 0.25 * 0.4],  # clips 3, 1, 4 are longest, and score 0.8, 0.6, 0.4
        3: [1, 0.9, 0.85],
        4: [1, 0.75 * 0.9 + 0.25 * 0.1, 0.75 * 0.85 + 0.25 * 0.5],  # clips 0, 5, 6: 0.2, 0.1, 0.5
    }
    refreshed = []
    for step in range(5):
        if labels.due(step):
            refreshed.append(step)
            rows = torch.tensor([scores[step], scores[step]], dtype=torch.float64)
            fused = torch.tensor([lengths[step], lengths[step]], dtype=torch.float64).unsqueeze(2)
            labels.update(step, criterion.label_predictions(MilOutput(rows, rows.logit(), features_BTD=fused)))
        near(labels.targets(torch.tensor([0, 1])), [expected[step], [0, 0, 0]])
    assert refreshed == [2, 4]


def test_algorithm_1_by_segment():
    """The other interpretation: a label refers to a segment at any rank; a hard update discards the old label."""
    config = default_config("ltgs", DIM, preset="segment_labels", label_alpha=0.0, label_period=1)
    labels = build_dynamic_labels(config, torch.tensor([1, 0]), segments=3)
    assert labels is not None
    rows = torch.tensor([[0.25, 0.5, 0.75]] * 2)
    found = build_criterion(config).label_predictions(MilOutput(rows, rows.logit(), features_BTD=rows.unsqueeze(2)))
    labels.update(1, found)
    near(labels.targets(torch.tensor([0, 1])), [[0.25, 0.5, 0.75], [0, 0, 0]])
