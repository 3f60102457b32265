"""``report.json``: every figure with its interval, counts and definition, and where it comes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from wsvad.backbones.identity import is_untrained
from wsvad.evaluation.gather import Gathered
from wsvad.metrics.categories import category_rows, video_rows
from wsvad.metrics.definitions import DEFINITIONS
from wsvad.metrics.detection import stepped
from wsvad.metrics.figures import Draws, plain
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.ranking import Curve, UndefinedMetric, precision_recall_curve, roc_curve
from wsvad.metrics.spatial import spatial_metrics
from wsvad.metrics.temporal import Items, frames_of, temporal_metrics
from wsvad.report.svg import thin

REPORT_VERSION = 1
FEW_VIDEOS = 20
"""Videos of a label below which a report warns: their intervals are wide, and too narrow still."""


def identity_of(inputs: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Return the digest over everything that the figures depend on: equal identities have equal figures."""
    canonical = json.dumps({"version": REPORT_VERSION, "inputs": inputs, "options": options}, sort_keys=True)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def figures(found: Gathered, options: MetricOptions) -> dict[str, Any]:
    """Compute everything that depends on scores and truth.

    Returns:
        The keys ``videos, metrics, categories, per_video, curves, notes`` of the report; JSON values only.
    """
    results = found.results
    draws = Draws.of(results, options)
    spatial = spatial_metrics(results, draws, options)
    computed = temporal_metrics(results, draws, options) | spatial.metrics
    frames = frames_of(results, range(len(results)), draws)
    curves = _curves("frame", frames) | (_curves("region", spatial.regions) if spatial.regions else {})
    return {
        "videos": {
            "evaluated": len(results),
            "anomalous": sum(bool(r.anomalous) for r in results),
            "normal": sum(not r.anomalous for r in results),
            "missing": found.missing,
            "without_truth": found.without_truth,
        },
        "metrics": {name: plain(computed[name]) | _meaning(name) for name in DEFINITIONS},
        "categories": category_rows(results, draws),
        "per_video": video_rows(results, options),
        "curves": curves | {name: _thin(stepped(curve)) for name, curve in spatial.curves.items()},
        "notes": list(found.notes),
    }


def warnings_of(
    figures_of: Mapping[str, Any],
    split: str,
    seen: Sequence[str],
    weights: str | None,
    distinct: Sequence[tuple[str, str]],
) -> list[str]:
    """Say what a reader must not overlook.

    Args:
        figures_of: what :func:`figures` returned.
        split: that was evaluated.
        seen: ids of evaluated videos that training or selection saw.
        weights: of the features, as their configuration says.
        distinct: pairs of equal file names that the user says are different videos.
    """
    said = []
    if is_untrained(weights):
        said.append(
            "The features come from an untrained network: these figures test the machinery and mean nothing else."
        )
    if split != "test":
        what = f"{len(seen)} of these videos were used in training or selection" if seen else "not the test split"
        said.append(f"These are figures on split {split!r} ({what}), not on a test set.")
    if distinct:
        pairs = ", ".join(f"{a} / {b}" for a, b in distinct[:5])
        said.append(f"{len(distinct)} videos share a file name with training videos; said to be different: {pairs}.")
    counts = figures_of["videos"]
    few = [f"{counts[kind]} {kind}" for kind in ("anomalous", "normal") if counts[kind] < FEW_VIDEOS]
    if few:
        said.append(
            f"Small sample: {' and '.join(few)} videos. Figures may move a lot with other videos; mind the intervals."
        )
    return said


def _meaning(name: str) -> dict[str, Any]:
    what = DEFINITIONS[name]
    return {
        "title": what.title,
        "definition": what.text,
        "one_means": what.one_means,
        "source": what.source,
        "range": [0, 1],
        "higher_is_better": what.higher_is_better,
    }


def _curves(name: str, items: Items) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, make in (("roc", roc_curve), ("pr", precision_recall_curve)):
        try:
            found[f"{name}_{kind}"] = _thin(make(items.all_truth, items.all_scores))
        except UndefinedMetric:
            continue
    return found


def _thin(curve: Curve) -> list[tuple[float, float]]:
    return thin(curve.x, curve.y)
