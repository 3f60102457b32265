"""Temporal metrics over frames and whole videos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from wsvad.metrics.bootstrap import Ratio, ScoreCounts
from wsvad.metrics.metric import Metric, Resamples, undefined
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.ranking import Floats, average_precision, false_alarm_rate, roc_auc, threshold_at
from wsvad.metrics.results import VideoResult
from wsvad.metrics.truth import Bools, temporal_iou

NO_FRAME_TRUTH = "no video has frame truth (spans or boxes) in the manifest"


class Items:
    """Ground truth and scores of items (frames, cuboids) of several videos, and ranking metrics over all items."""

    def __init__(
        self,
        videos: Iterable[tuple[int, Bools | None, Floats]],
        resamples: Resamples,
        noun: str,
        none: str = NO_FRAME_TRUTH,
    ) -> None:
        kept = [(n, truth, scores) for n, truth, scores in videos if truth is not None and scores.size]
        self.members = [n for n, _, _ in kept]
        self.truth: list[Bools] = [truth for _, truth, _ in kept]
        self.scores: list[Floats] = [scores for _, _, scores in kept]
        self.all_truth: Bools = np.concatenate([*self.truth, np.empty(0, np.bool_)])
        self.all_scores: Floats = np.concatenate([*self.scores, np.empty(0)])
        self.counts = {
            "videos": len(kept),
            noun: int(self.all_truth.size),
            f"anomalous_{noun}": int(self.all_truth.sum()),
        }
        self.resamples = resamples
        self._none = none
        self._bins: ScoreCounts | None = None

    @property
    def bins(self) -> ScoreCounts:
        """Score counts for the intervals, computed on first use."""
        if self._bins is None:
            self._bins = ScoreCounts.of(self.truth, self.scores)
        return self._bins

    def auc(self) -> Metric:
        """Return the area under the ROC curve."""
        if not self.members:
            return undefined(self._none, **self.counts)
        return self.resamples.metric(
            lambda: roc_auc(self.all_truth, self.all_scores), lambda: self.bins.auc, self.members, self.counts, 0.5
        )

    def ap(self) -> Metric:
        """Return the average precision; chance is the fraction of anomalous items."""
        if not self.members:
            return undefined(self._none, **self.counts)
        return self.resamples.metric(
            lambda: average_precision(self.all_truth, self.all_scores),
            lambda: self.bins.ap,
            self.members,
            self.counts,
            float(self.all_truth.mean()),
        )


def frames_of(results: Sequence[VideoResult], members: Iterable[int], resamples: Resamples) -> Items:
    """Return the frames of some of the videos."""
    return Items(((n, results[n].frame_truth_N, results[n].frame_scores_N) for n in members), resamples, "frames")


def temporal_metrics(results: Sequence[VideoResult], resamples: Resamples, options: MetricOptions) -> dict[str, Metric]:
    """Compute the metrics over frames and videos; ``wsvad.metrics.definitions`` defines them."""
    everything = frames_of(results, range(len(results)), resamples)
    anomalous = frames_of(results, [n for n, r in enumerate(results) if r.anomalous], resamples)
    return {
        "frame_auc": everything.auc(),
        "frame_ap": everything.ap(),
        "anomalous_auc": anomalous.auc(),
        "video_auc": _video_auc(results, resamples),
        "temporal_iou": _temporal_iou(results, resamples, options),
        "false_alarm_rate": _false_alarm_rate(results, resamples, options),
        **_at_false_alarm_rate(results, everything, resamples, options),
    }


def _video_auc(results: Sequence[VideoResult], resamples: Resamples) -> Metric:
    truth = [np.array([bool(r.anomalous)]) for r in results]
    scores = [np.array([r.scores.score_T.max()], dtype=np.float64) for r in results]
    counts = {"videos": len(results), "anomalous_videos": int(sum(t[0] for t in truth))}
    return resamples.metric(
        lambda: roc_auc(np.concatenate(truth), np.concatenate(scores)),
        lambda: ScoreCounts.of(truth, scores).auc,
        range(len(results)),
        counts,
        0.5,
    )


def _temporal_iou(results: Sequence[VideoResult], resamples: Resamples, options: MetricOptions) -> Metric:
    pairs = [(n, r.frame_truth_N, r.frame_scores_N) for n, r in enumerate(results)]
    kept = [(n, truth, scores) for n, truth, scores in pairs if truth is not None and truth.any()]
    if not kept:
        return undefined("no video has known anomalous frames", videos=0)
    values = np.array([temporal_iou(truth, scores >= options.threshold) for _, truth, scores in kept])
    return resamples.metric(
        lambda: float(values.mean()),
        lambda: Ratio(values, np.ones_like(values)).value,
        [n for n, _, _ in kept],
        {"videos": len(kept)},
    )


def _normal(results: Sequence[VideoResult]) -> list[int]:
    return [n for n, r in enumerate(results) if not r.anomalous and r.frame_scores_N.size]


def _false_alarm_rate(results: Sequence[VideoResult], resamples: Resamples, options: MetricOptions) -> Metric:
    normal = _normal(results)
    scores = [results[n].frame_scores_N for n in normal]
    flagged = np.array([np.count_nonzero(s >= options.threshold) for s in scores], dtype=np.float64)
    frames = np.array([s.size for s in scores], dtype=np.float64)
    return resamples.metric(
        lambda: false_alarm_rate(np.concatenate([*scores, np.empty(0)]), options.threshold),
        lambda: Ratio(flagged, frames).value,
        normal,
        {"videos": len(normal), "frames": int(frames.sum()), "flagged_frames": int(flagged.sum())},
    )


def _at_false_alarm_rate(
    results: Sequence[VideoResult], everything: Items, resamples: Resamples, options: MetricOptions
) -> dict[str, Metric]:
    """Return the threshold at a false alarm rate over frames of normal videos, and the detection rate at it."""
    rate = options.false_alarm_rate
    normal = _normal(results)
    videos = sorted({*normal, *everything.members})
    empty, never = np.empty(0), np.empty(0, np.bool_)
    truth, scores = [], []
    for n in videos:
        result = results[n]
        if not result.anomalous:
            truth.append(np.zeros(result.frame_scores_N.size, np.bool_))
            scores.append(result.frame_scores_N)
        else:
            known = never if result.frame_truth_N is None else result.frame_truth_N
            truth.append(known[known])
            scores.append(result.frame_scores_N[known] if known.size else empty)
    all_truth = np.concatenate([*truth, never])
    all_scores = np.concatenate([*scores, empty])
    counts = {"videos": len(videos), "normal_videos": len(normal), "anomalous_frames": int(all_truth.sum())}
    if not normal:
        return dict.fromkeys(
            ("threshold_at_far", "detection_at_far"), undefined("there are no frames of normal videos", **counts)
        )
    point = threshold_at(all_scores[~all_truth], rate, all_scores[all_truth])
    bins = ScoreCounts.of(truth, scores)
    detection = undefined("no video has known anomalous frames", **counts)
    if point.detection_rate is not None:
        found = point.detection_rate
        detection = resamples.metric(lambda: found, lambda: lambda w: bins.detection_at(w, rate), videos, counts, rate)
    return {
        "threshold_at_far": resamples.metric(
            lambda: point.threshold, lambda: lambda w: bins.threshold_at(w, rate), videos, counts
        ),
        "detection_at_far": detection,
    }
