"""``report.json``: every metric with its interval, counts, definition and provenance."""

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
from wsvad.metrics.metric import Resamples, metric_to_dict
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.ranking import Curve, UndefinedMetric, precision_recall_curve, roc_curve
from wsvad.metrics.spatial import spatial_metrics
from wsvad.metrics.temporal import Items, frames_of, temporal_metrics
from wsvad.report.svg import thin

REPORT_VERSION = 1
FEW_VIDEOS = 20
"""Number of videos per label below which a report warns: intervals are wide, and still too narrow."""


def identity_of(inputs: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Return a digest of everything that the metrics depend on: equal identities mean equal metrics."""
    canonical = json.dumps({"version": REPORT_VERSION, "inputs": inputs, "options": options}, sort_keys=True)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def compute_metrics(found: Gathered, options: MetricOptions) -> dict[str, Any]:
    """Compute all parts of the report that depend on scores and ground truth.

    Returns:
        The keys ``videos, metrics, categories, per_video, curves, notes`` of the report, as JSON values.
    """
    results = found.results
    resamples = Resamples.of(results, options)
    spatial = spatial_metrics(results, resamples, options)
    computed = temporal_metrics(results, resamples, options) | spatial.metrics
    frames = frames_of(results, range(len(results)), resamples)
    curves = _curves("frame", frames) | (_curves("region", spatial.regions) if spatial.regions else {})
    return {
        "videos": {
            "evaluated": len(results),
            "anomalous": sum(bool(r.anomalous) for r in results),
            "normal": sum(not r.anomalous for r in results),
            "missing": found.missing,
            "without_truth": found.without_truth,
        },
        "metrics": {name: metric_to_dict(computed[name]) | _meaning(name) for name in DEFINITIONS},
        "categories": category_rows(results, resamples),
        "per_video": video_rows(results, options),
        "curves": curves | {name: _thin(stepped(curve)) for name, curve in spatial.curves.items()},
        "notes": list(found.notes),
    }


def warnings_of(
    computed: Mapping[str, Any],
    split: str,
    seen: Sequence[str],
    weights: str | None,
    distinct: Sequence[tuple[str, str]],
) -> list[str]:
    """Return the warnings of a report.

    Args:
        computed: the result of :func:`compute_metrics`.
        split: the evaluated split.
        seen: ids of evaluated videos that were used in training or selection.
        weights: weights of the features, from their configuration.
        distinct: pairs of equal file names that are different videos according to the user.
    """
    warnings = []
    if is_untrained(weights):
        warnings.append("The features come from an untrained network: use these metrics only to test the pipeline.")
    if split != "test":
        what = f"{len(seen)} of these videos were used in training or selection" if seen else "not the test split"
        warnings.append(f"These are metrics on split {split!r} ({what}), not on a test set.")
    if distinct:
        pairs = ", ".join(f"{a} / {b}" for a, b in distinct[:5])
        warnings.append(
            f"{len(distinct)} videos share a file name with training videos, but are different according to the user: "
            f"{pairs}."
        )
    counts = computed["videos"]
    few = [f"{counts[kind]} {kind}" for kind in ("anomalous", "normal") if counts[kind] < FEW_VIDEOS]
    if few:
        warnings.append(
            f"Small sample: {' and '.join(few)} videos. Metrics may differ a lot on other videos; see the intervals."
        )
    return warnings


def _meaning(name: str) -> dict[str, Any]:
    definition = DEFINITIONS[name]
    return {
        "title": definition.title,
        "definition": definition.text,
        "one_means": definition.one_means,
        "source": definition.source,
        "range": [0, 1],
        "higher_is_better": definition.higher_is_better,
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
