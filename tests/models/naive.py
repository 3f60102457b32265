"""The papers' equations as loops over plain Python numbers. They share no code with the models.

Vectors are lists of numbers, matrices lists of rows; F is ``[T][D]``, the features of one video.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

Vector = list[float]
Matrix = list[Vector]


def numbers(tensor: Tensor) -> list:
    """Return a tensor's values as nested lists."""
    return tensor.detach().double().tolist()


def dot(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the dot product."""
    total = 0.0
    for a, b in zip(left, right, strict=True):
        total += a * b
    return total


def linear(layer: nn.Linear, x: Vector) -> Vector:
    """``W x + b``."""
    bias = [0.0] * layer.out_features if layer.bias is None else numbers(layer.bias)
    return [dot(row, x) + b for row, b in zip(numbers(layer.weight), bias, strict=True)]


def relu(x: Vector) -> Vector:
    """``max(0, x)`` elementwise."""
    return [max(0.0, value) for value in x]


def sigmoid(x: float) -> float:
    """``1 / (1 + exp(-x))``."""
    return 1 / (1 + math.exp(-x))


def length(x: Vector) -> float:
    """Return the Euclidean length."""
    return math.sqrt(dot(x, x))


def mean_vector(rows: Matrix) -> Vector:
    """Return the elementwise mean of several vectors."""
    return [sum(row[d] for row in rows) / len(rows) for d in range(len(rows[0]))]


def softmax(x: Vector) -> Vector:
    """``exp(x) / sum``."""
    top = max(x)
    powers = [math.exp(value - top) for value in x]
    return [power / sum(powers) for power in powers]


def decay(clips: int) -> Matrix:
    """H, as printed: ``sin((T + i - j) π / 2T)``."""
    return [[math.sin((clips + i - j) * math.pi / (2 * clips)) for j in range(clips)] for i in range(clips)]


def head(q: Matrix, k: Matrix, v: Matrix, reading: str) -> Matrix:
    """``head_i = softmax(Q K^T · H / √d_k) V``, for the four interpretations of the product with H."""
    clips, width, h = len(q), len(q[0]), decay(len(q))
    raw = [[dot(q[i], k[j]) / math.sqrt(width) for j in range(clips)] for i in range(clips)]
    out = []
    for i in range(clips):
        logits = {
            "elementwise": [raw[i][j] * h[i][j] for j in range(clips)],
            "matmul": [sum(raw[i][m] * h[m][j] for m in range(clips)) for j in range(clips)],
            "additive": [raw[i][j] + math.log(h[i][j]) for j in range(clips)],
            "none": raw[i],
        }[reading]
        weights = softmax(logits)
        out.append([sum(weights[j] * v[j][d] for j in range(clips)) for d in range(width)])
    return out


def heads_of(qkv: nn.Linear, features: Matrix, count: int, reading: str) -> list[Matrix]:
    """Return every head's output ``[T][d]``; rows of the projection are queries, keys, values, ordered by head."""
    projected = [linear(qkv, clip) for clip in features]
    width = qkv.out_features // (3 * count)
    found = []
    for i in range(count):
        q, k, v = (
            [clip[(part * count + i) * width : (part * count + i + 1) * width] for clip in projected]
            for part in range(3)
        )
        found.append(head(q, k, v, reading))
    return found


def multi_head(qkv: nn.Linear, out: nn.Linear, features: Matrix, count: int, reading: str) -> Matrix:
    """``Concat(head_1, …, head_h) W_O``."""
    heads = heads_of(qkv, features, count, reading)
    return [linear(out, [value for one in heads for value in one[t]]) for t in range(len(features))]


def layer_norm(norm: nn.LayerNorm, x: Vector) -> Vector:
    """``(x - mean) / √(variance + ε) · g + b``."""
    mean = sum(x) / len(x)
    variance = sum((value - mean) ** 2 for value in x) / len(x)
    gains, shifts = numbers(norm.weight), numbers(norm.bias)
    scale = math.sqrt(variance + norm.eps)
    return [(value - mean) / scale * g + b for value, g, b in zip(x, gains, shifts, strict=True)]


def add(left: Vector, right: Vector) -> Vector:
    """Add two vectors."""
    return [a + b for a, b in zip(left, right, strict=True)]


def top(features: Matrix, k: int) -> list[int]:
    """Return the clips with the longest features, longest first."""
    return sorted(range(len(features)), key=lambda t: -length(features[t]))[:k]


def bag_length(features: Matrix, k: int) -> float:
    """``G(F)``: the length of the mean of the k longest features."""
    return length(mean_vector([features[t] for t in top(features, k)]))
