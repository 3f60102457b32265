"""Metrics of a trial in bootstrap resamples of the videos, for comparisons over seeds and videos."""

from __future__ import annotations

from collections.abc import Mapping

from wsvad.evaluation.gather import gather, records_of_split
from wsvad.experiments.trial import Trial
from wsvad.manifest.names import Split
from wsvad.manifest.records import VideoRecord
from wsvad.metrics.metric import Resamples
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.ranking import Floats
from wsvad.metrics.spatial import spatial_metrics
from wsvad.metrics.temporal import temporal_metrics
from wsvad.scores.reading import ScoreSet


def resampled_figures(
    trial: Trial, records: list[VideoRecord], split: Split, options: MetricOptions
) -> Mapping[str, Floats]:
    """Return metrics by name, each ``[R]``, NaN where undefined in a resample; omits undefined metrics.

    Trials on the same videos use the same resamples, so that their metrics are paired.

    Args:
        trial: a finished trial.
        records: the manifest.
        split: split to evaluate.
        options: number of resamples, their seed, and options of the metrics.

    Raises:
        UsageError, DamagedError, StorageError: the scores cannot be read.
    """
    scores = ScoreSet.open(f"{trial.out}/scores", trial.store)
    features = scores.config.get("features", {})
    evaluated = records_of_split(records, split)
    found = gather(evaluated, scores.video_ids, scores.load, features, allow_missing=trial.allow_missing)
    resamples = Resamples.of(found.results, options, keep=True)
    temporal = temporal_metrics(found.results, resamples, options)
    metrics = temporal | spatial_metrics(found.results, resamples, options).metrics
    return {name: m.resampled_R for name, m in metrics.items() if m.resampled_R is not None}
