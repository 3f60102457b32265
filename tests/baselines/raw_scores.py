"""What each number of a hand-made data set is worth as a score, without any training.

Run ``python -m tests.baselines.raw_scores --features URI --manifest M [--channels "curl,coherence"]``. A clip scores
the mean, maximum or standard deviation over cells of one channel, a cuboid the channel itself; the more, the more
anomalous.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from wsvad.evaluation.gather import gather, records_of_split
from wsvad.features.reading import FeatureSet, VideoFeatures
from wsvad.manifest.records import VideoRecord, read_records
from wsvad.metrics.grids import pointing, region_truth
from wsvad.metrics.ranking import roc_auc
from wsvad.metrics.results import VideoResult
from wsvad.scores.table import VideoScores

POOLINGS = ("mean", "maximum", "deviation")
COLUMNS = ("frame AUC", "AUC within anomalous videos", "video AUC", "region AUC", "pointing")

Figures = dict[str, float | None]


def raw_figures(features: FeatureSet, records: Sequence[VideoRecord], channel: int, pooling: int) -> Figures:
    """Evaluate one channel as it is on some videos.

    Args:
        features: of ``tests.baselines``.
        records: the videos, with their truth.
        channel: number of the channel.
        pooling: 0, 1 or 2, of ``POOLINGS``.
    """
    channels = len(features.config["channels"])
    loaded = {record.video_id: features.load(record.video_id) for record in records}
    clip_rank = _ranks(loaded.values(), lambda v: v.pooled_TVD[:, 0, pooling * channels + channel])
    cell_rank = _ranks(loaded.values(), lambda v: _cells(v)[:, 0, :, channel])

    def load(video_id: str) -> VideoScores:
        video = loaded[video_id]
        return VideoScores(
            *(video_id, video.clip, video.start_frame, video.end_frame, video.start_s, video.end_s),
            *(clip_rank[video_id], cell_rank[video_id]),
            *(video.num_frames, video.width, video.height),
        )

    return _figures(gather(records, features.video_ids, load, features.config).results)


def _cells(video: VideoFeatures) -> np.ndarray:
    assert video.cuboids_TVKC is not None
    return video.cuboids_TVKC


def _ranks(videos: Iterable[VideoFeatures], values_of: Callable[[VideoFeatures], np.ndarray]) -> dict[str, np.ndarray]:
    """Scores must lie in [0, 1]: each value becomes the share of distinct values that are at most as high."""
    values = {video.video_id: values_of(video) for video in videos}
    levels = np.unique(np.concatenate([v.ravel() for v in values.values()]))
    return {name: (np.searchsorted(levels, v) + 1).astype(np.float32) / len(levels) for name, v in values.items()}


def _figures(found: Sequence[VideoResult]) -> Figures:
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
    parser.add_argument("--features", required=True, metavar="URI", help="data set of one of the baselines")
    parser.add_argument("--manifest", required=True, metavar="URI", help="with truth and splits")
    parser.add_argument("--split", choices=("test", "val"), default="test")
    parser.add_argument("--channels", metavar="LIST", help="names, with commas; default: all")
    args = parser.parse_args()
    features = FeatureSet.open(args.features)
    names = list(features.config["channels"])
    chosen = [name.strip() for name in args.channels.split(",")] if args.channels else names
    records = records_of_split(read_records(args.manifest), args.split)
    print(f"| channel | over cells | {' | '.join(COLUMNS)} |\n{'|---' * (len(COLUMNS) + 2)}|")
    for name in chosen:
        for pooling, title in enumerate(POOLINGS):
            figures = raw_figures(features, records, names.index(name), pooling)
            cells = ["–" if (value := figures.get(c)) is None else f"{value:.3f}" for c in COLUMNS]
            print(f"| {name} | {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
