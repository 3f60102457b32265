"""What each number of a features data set is worth as a score, without any training.

Run ``python -m tests.baselines.raw_scores --features URI --manifest M [--channels "fight,fall"] [--smooth 5]``. A
cuboid scores the channel itself, a clip its mean, maximum or standard deviation over the cuboids; higher is more
anomalous. The channels are those that a data set of ``tests.baselines`` names, or the 28 answers of ``i3d-compact``.
``--smooth N`` takes the mean of N clips first.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from wsvad.backbones.compact import LABELS, MEASURES
from wsvad.errors import UsageError
from wsvad.evaluation.gather import gather, records_of_split
from wsvad.features.reading import FeatureSet, VideoFeatures
from wsvad.manifest.records import VideoRecord, read_records
from wsvad.metrics.grids import pointing, region_truth
from wsvad.metrics.ranking import roc_auc
from wsvad.metrics.results import VideoResult
from wsvad.scores.table import VideoScores

POOLINGS = ("mean", "maximum", "deviation")
_POOL: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda cells_TK: cells_TK.mean(1),
    lambda cells_TK: cells_TK.max(1),
    lambda cells_TK: cells_TK.std(1),
)
COLUMNS = ("frame AUC", "AUC within anomalous videos", "video AUC", "region AUC", "pointing")

Figures = dict[str, float | None]


def channels_of(features: FeatureSet) -> list[str]:
    """Return the names of the channels, in the order of a cuboid's first values.

    Raises:
        UsageError: the features have no names.
    """
    if named := features.config.get("channels"):
        return list(named)
    if features.config.get("backbone") == "i3d-compact":
        return [*LABELS, *MEASURES]
    raise UsageError(f"features of backbone {features.config.get('backbone')!r} have no named channels")


def raw_figures(
    features: FeatureSet, records: Sequence[VideoRecord], channel: int, pooling: int, smooth: int = 1
) -> Figures:
    """Evaluate one channel as it is on some videos.

    Args:
        features: with cuboids.
        records: the videos, with their truth.
        channel: number of the channel.
        pooling: 0, 1 or 2, of ``POOLINGS``.
        smooth: clips, an odd number, of which each value is the mean.
    """
    loaded = {record.video_id: features.load(record.video_id) for record in records}
    cells = {name: smoothed(_cells(video)[:, 0, :, channel], smooth) for name, video in loaded.items()}
    clip_rank = _ranks({name: _POOL[pooling](values) for name, values in cells.items()})
    cell_rank = _ranks(cells)

    def load(video_id: str) -> VideoScores:
        video = loaded[video_id]
        return VideoScores(
            *(video_id, video.clip, video.start_frame, video.end_frame, video.start_s, video.end_s),
            *(clip_rank[video_id], cell_rank[video_id]),
            *(video.num_frames, video.width, video.height),
        )

    return figures_of(gather(records, features.video_ids, load, features.config).results)


def smoothed(values_TK: np.ndarray, clips: int) -> np.ndarray:
    """Return the mean over ``clips`` clips around each one; fewer at the ends."""

    def means(column_T: np.ndarray) -> np.ndarray:
        sums = np.convolve(column_T, np.ones(clips))[clips // 2 :][: len(column_T)]
        counts = np.convolve(np.ones(len(column_T)), np.ones(clips))[clips // 2 :][: len(column_T)]
        return np.asarray(sums / counts)

    return np.apply_along_axis(means, 0, values_TK.astype(np.float64))


def _cells(video: VideoFeatures) -> np.ndarray:
    assert video.cuboids_TVKC is not None
    return video.cuboids_TVKC


def _ranks(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores must lie in [0, 1]: each value becomes the share of distinct values that are at most as high."""
    levels = np.unique(np.concatenate([v.ravel() for v in values.values()]))
    return {name: (np.searchsorted(levels, v) + 1).astype(np.float32) / len(levels) for name, v in values.items()}


def figures_of(found: Sequence[VideoResult]) -> Figures:
    """Return the figures of some videos, by name of ``COLUMNS``; None where one is undefined."""

    def frames(results: Sequence[VideoResult]) -> float | None:
        known = [(r.frame_truth_N, r.frame_scores_N) for r in results if r.frame_truth_N is not None]
        return roc_auc(np.concatenate([t for t, _ in known]), np.concatenate([s for _, s in known])) if known else None

    labels = np.array([r.anomalous for r in found])
    peaks = np.array([float(r.scores.score_T.max()) for r in found])
    figures = {
        "frame AUC": frames(found),
        "AUC within anomalous videos": frames([r for r in found if r.anomalous]),
        "video AUC": roc_auc(labels, peaks),
    }
    grids = [(r.grid, region_truth(r.grid)) for r in found if r.grid is not None]
    if grids:
        truth = np.concatenate([t.ravel() for _, t in grids])
        figures["region AUC"] = roc_auc(truth, np.concatenate([g.scores_TK.ravel() for g, _ in grids]))
        hits = [pointing(s, t) for g, truth_TK in grids for s, t in zip(g.scores_TK, truth_TK, strict=True) if t.any()]
        figures["pointing"] = float(np.mean(hits)) if hits else None
    return figures


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, metavar="URI", help="features data set with cuboids")
    parser.add_argument("--manifest", required=True, metavar="URI", help="with truth and splits")
    parser.add_argument("--split", choices=("test", "val"), default="test")
    parser.add_argument("--channels", metavar="LIST", help="names, with commas; default: all")
    parser.add_argument("--smooth", type=int, default=1, metavar="N", help="clips to average, odd (default: 1)")
    args = parser.parse_args()
    features = FeatureSet.open(args.features)
    names = channels_of(features)
    chosen = [name.strip() for name in args.channels.split(",")] if args.channels else names
    records = records_of_split(read_records(args.manifest), args.split)
    print(f"| channel | over cells | {' | '.join(COLUMNS)} |\n{'|---' * (len(COLUMNS) + 2)}|")
    for name in chosen:
        for pooling, title in enumerate(POOLINGS):
            figures = raw_figures(features, records, names.index(name), pooling, args.smooth)
            cells = ["–" if (value := figures.get(c)) is None else f"{value:.3f}" for c in COLUMNS]
            print(f"| {name} | {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
