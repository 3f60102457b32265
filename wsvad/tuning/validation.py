"""Validation videos of a sweep and the metrics of a model on them.

Axes: T clips of a video, N clips of all videos, R resamples, V videos.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from wsvad.errors import TrainingError, UsageError
from wsvad.evaluation.gather import gather
from wsvad.features.clip_cache import ClipCache
from wsvad.features.reading import FeatureSet
from wsvad.manifest.records import VideoRecord
from wsvad.metrics.metric import Metric, Resamples
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.results import VideoResult
from wsvad.metrics.spatial import NAMES as SPATIAL
from wsvad.metrics.spatial import spatial_metrics
from wsvad.metrics.temporal import temporal_metrics
from wsvad.models.contract import Inputs, MilModel
from wsvad.models.inference import score_clips
from wsvad.models.windows import WINDOWS
from wsvad.scores.table import VideoScores
from wsvad.training.held_out import range_reader

TEMPORAL = ("frame_auc", "frame_ap", "anomalous_auc", "video_auc", "temporal_iou", "detection_at_far")
MAXIMISED = (*TEMPORAL, *SPATIAL)
"""Metrics that a sweep can maximise."""
_OPTIONS = MetricOptions(resamples=0)  # its fixed seed gives all trials of all sweeps the same resamples: paired


@dataclass(frozen=True)
class Validation:
    """Validation of trials. Small and picklable: it is sent to every worker."""

    features: FeatureSet = field(repr=False)
    records: tuple[VideoRecord, ...] = field(repr=False)
    """The validation videos of the manifest, or those split off from the training videos."""
    metric: str
    resamples: int

    def scores(self, model: MilModel, kind: Inputs, device: torch.device) -> list[VideoScores]:
        """Score every clip of every video.

        Raises:
            TrainingError: a score is not finite.
        """
        ids = [record.video_id for record in self.records]
        cache = ClipCache.build(self.features, ids, kind=kind)
        values_N, frames_N2 = cache.values_N, cache.frames_N2
        found = []
        model.eval()
        for place, record in enumerate(self.records):
            start, end = cache.edges[place], cache.edges[place + 1]
            clips_T = values_N[start:end]
            score_T, cuboids_TK = score_clips(model, range_reader(clips_T), end - start, WINDOWS[kind], device)
            if not np.isfinite(score_T).all():
                raise TrainingError(f"scores of {record.video_id!r} are not finite")
            row = self.features.videos[record.video_id]
            first, last = frames_N2[start:end].T
            seconds = np.full(end - start, np.nan)
            found.append(
                VideoScores(
                    record.video_id, np.arange(end - start, dtype=np.int32), first, last, seconds, seconds, score_T,
                    cuboids_TK, int(last[-1] if row["num_frames"] is None else row["num_frames"]), row["width"],
                    row["height"],
                )
            )  # fmt: skip
        return found

    def figures(self, scores: Sequence[VideoScores]) -> dict[str, float | None]:
        """Return every metric by name; None: it is undefined."""
        results = self._results(scores)
        resamples = Resamples.of(results, _OPTIONS)
        metrics = temporal_metrics(results, resamples, _OPTIONS) | spatial_metrics(results, resamples, _OPTIONS).metrics
        return {name: metric.value for name, metric in metrics.items()}

    def resampled(self, scores: Sequence[VideoScores]) -> dict[str, tuple[float | None, ...]]:
        """Return the maximised metric on each resample of the videos, and on the videos left out of it."""
        results = self._results(scores)
        options = replace(_OPTIONS, resamples=self.resamples)
        drawn = Resamples.of(results, options, keep=True)
        left_out = replace(drawn, weights_RV=(drawn.weights_RV == 0).astype(np.float64))
        return {
            name: _plain(self._metric(results, resamples, options))
            for name, resamples in (("in_bag", drawn), ("out_of_bag", left_out))
        }

    def check(self, kind: Inputs) -> None:
        """Check that the metric is defined for these videos and this kind of model.

        Raises:
            UsageError: the metric is undefined; the message says why.
        """
        results = self._results(_scores_by_length(self, kind))
        metric = self._metric(results, Resamples.of(results, _OPTIONS), _OPTIONS)
        if metric.value is None:
            raise UsageError(f"{self.metric} is undefined on the validation videos: {metric.reason}")

    def _metric(self, results: Sequence[VideoResult], resamples: Resamples, options: MetricOptions) -> Metric:
        if self.metric in SPATIAL:
            return spatial_metrics(results, resamples, options).metrics[self.metric]
        return temporal_metrics(results, resamples, options)[self.metric]

    def _results(self, scores: Sequence[VideoScores]) -> list[VideoResult]:
        by_id = {one.video_id: one for one in scores}
        return gather(self.records, list(by_id), by_id.__getitem__, self.features.config).results


def default_metric(records: Sequence[VideoRecord]) -> str:
    """Return the default metric: the frame AUC if spans or boxes are annotated, otherwise the video AUC."""
    known = any(record.spans or record.boxes for record in records)
    return "frame_auc" if known else "video_auc"


def _scores_by_length(validation: Validation, kind: Inputs) -> list[VideoScores]:
    """Return artificial scores of the right shape, to find out which metrics are defined."""
    found = []
    cuboids = validation.features.shape_of(kind)[0] if kind == "cuboids" else None
    for record in validation.records:
        clips = validation.features.num_clips(record.video_id)
        row = validation.features.videos[record.video_id]
        frames = max(int(row["num_frames"] or 0), clips)
        edges = np.linspace(0, frames, clips + 1).astype(np.int64)
        seconds = np.full(clips, np.nan)
        ramp_T = np.linspace(0.1, 0.9, clips, dtype=np.float32)
        found.append(
            VideoScores(
                record.video_id, np.arange(clips, dtype=np.int32), edges[:-1], edges[1:], seconds, seconds, ramp_T,
                None if cuboids is None else np.repeat(ramp_T[:, None], cuboids, axis=1), frames, row["width"],
                row["height"],
            )
        )  # fmt: skip
    return found


def encode_scores(scores: Sequence[VideoScores]) -> bytes:
    """Encode clip scores as Parquet: ``video_id``, ``start_frame``, ``end_frame``, ``score``.

    The encoding is deterministic.
    """
    table = pa.table(
        {
            "video_id": pa.array([s.video_id for s in scores for _ in s.clip], pa.string()),
            "start_frame": pa.array(np.concatenate([s.start_frame for s in scores]), pa.int64()),
            "end_frame": pa.array(np.concatenate([s.end_frame for s in scores]), pa.int64()),
            "score": pa.array(np.concatenate([s.score_T for s in scores]), pa.float32()),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", use_dictionary=["video_id"], write_page_checksum=True)
    return sink.getvalue()


def _plain(metric: Metric) -> tuple[float | None, ...]:
    if metric.resampled_R is None:
        return ()
    return tuple(None if not np.isfinite(x) else float(f"{x:.6f}") for x in metric.resampled_R)
