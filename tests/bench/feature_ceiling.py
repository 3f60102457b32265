"""What the truth itself could learn from features: the most that weak labels can hope for.

Run ``python -m tests.bench.feature_ceiling --features URI --manifest M [--split val]``. Classifiers are trained with
the truth of clips (pooled features) and of cuboids, and predict videos that they have not seen: folds are over videos.
The figures are those of ``wsvad evaluate``, over all videos of the split. So features are compared without the luck of
one weakly supervised training. A logistic regression shows what is linear in them, a small network what else.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.baselines.raw_scores import COLUMNS, Figures, figures_of
from wsvad.evaluation.gather import gather, records_of_split
from wsvad.features.reading import FeatureSet, VideoFeatures
from wsvad.manifest.records import VideoRecord, read_records
from wsvad.metrics.grids import region_truth
from wsvad.metrics.results import VideoResult
from wsvad.scores.table import VideoScores

FOLDS = 5
STEPS, BATCH = 3000, 200
"""Of the network's training, whatever the number of rows."""
CLASSIFIERS: Mapping[str, Callable[[int, int], Pipeline]] = {
    "logistic regression": lambda rows, seed: make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=500, random_state=seed)
    ),
    "network of 64 units": lambda rows, seed: make_pipeline(
        StandardScaler(),
        MLPClassifier(
            (64,), alpha=1.0, batch_size=min(BATCH, rows), max_iter=max(10, STEPS * BATCH // rows), random_state=seed
        ),
    ),
}
"""By name, from the number of rows and a seed."""


def ceiling(features: FeatureSet, records: Sequence[VideoRecord], classifier: str, seed: int) -> dict[str, Figures]:
    """Return the figures by input, ``clips`` and ``cuboids``, of one way to cut the videos into folds.

    Args:
        features: a data set; of several crops the mean is taken.
        records: videos with truth of both classes.
        classifier: one of ``CLASSIFIERS``.
        seed: of the folds and the classifier.
    """
    loaded = {record.video_id: features.load(record.video_id) for record in records}
    results = gather(records, features.video_ids, lambda v: _scores(loaded[v]), features.config).results
    truth: dict[str, list[np.ndarray]] = {"clips": [_clip_truth(r) for r in results]}
    inputs = {"clips": [loaded[r.record.video_id].pooled_TVD.mean(1) for r in results]}
    if all(r.grid is not None for r in results):
        truth["cuboids"] = [region_truth(r.grid) for r in results if r.grid is not None]
        inputs["cuboids"] = [_cuboids(loaded[r.record.video_id]) for r in results]
    found = {}
    for kind, rows in inputs.items():
        scores = _predict(rows, truth[kind], classifier, seed)
        by_id = {r.record.video_id: score for r, score in zip(results, scores, strict=True)}
        evaluated = gather(
            records, features.video_ids, lambda v, by=by_id: _scores(loaded[v], by[v]), features.config
        ).results
        found[kind] = figures_of(evaluated)
    found["clips"] |= {"region AUC": None, "pointing": None}  # all cuboids of a clip alike
    return found


def _predict(inputs: Sequence[np.ndarray], truth: Sequence[np.ndarray], classifier: str, seed: int) -> list[np.ndarray]:
    """Return the probability of each instance, by a classifier that has not seen its video."""
    rows = np.concatenate([x.reshape(-1, x.shape[-1]) for x in inputs]).astype(np.float32)
    labels = np.concatenate([t.ravel() for t in truth])
    groups = np.concatenate([np.full(t.size, video) for video, t in enumerate(truth)])
    scores = np.zeros(len(rows))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(rows, labels, groups):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the network is stopped early on purpose
            model = CLASSIFIERS[classifier](len(train), seed).fit(rows[train], labels[train])
        scores[test] = model.predict_proba(rows[test])[:, 1]
    borders = np.cumsum([t.size for t in truth])[:-1]
    return [part.reshape(t.shape) for part, t in zip(np.split(scores, borders), truth, strict=True)]


def _clip_truth(result: VideoResult) -> np.ndarray:
    """Whether a clip has an anomalous frame."""
    assert result.frame_truth_N is not None, f"{result.record.video_id}: no frame truth"
    spans = zip(result.scores.start_frame, result.scores.end_frame, strict=True)
    return np.array([bool(result.frame_truth_N[start:end].any()) for start, end in spans])


def _cuboids(video: VideoFeatures) -> np.ndarray:
    assert video.cuboids_TVKC is not None
    return video.cuboids_TVKC.mean(1)


def _scores(video: VideoFeatures, score_TX: np.ndarray | None = None) -> VideoScores:
    clips = len(video.clip)
    cells = 1 if video.cuboids_TVKC is None else video.cuboids_TVKC.shape[2]
    score = np.zeros((clips, cells), np.float32) if score_TX is None else score_TX.astype(np.float32)
    of_cuboids = None if video.cuboids_TVKC is None else np.broadcast_to(score.reshape(clips, -1), (clips, cells))
    return VideoScores(
        *(video.video_id, video.clip, video.start_frame, video.end_frame, video.start_s, video.end_s),
        *(score.reshape(clips, -1).max(1), of_cuboids),
        *(video.num_frames, video.width, video.height),
    )


def main() -> None:
    """Print a table: mean and sample standard deviation over ways to cut the videos into folds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, metavar="URI")
    parser.add_argument("--manifest", required=True, metavar="URI", help="with truth and splits")
    parser.add_argument("--split", choices=("test", "val"), default="val")
    parser.add_argument("--repeats", type=int, default=3, help="ways to cut the videos into folds (default: 3)")
    args = parser.parse_args()
    features = FeatureSet.open(args.features)
    records = records_of_split(read_records(args.manifest), args.split)
    print(f"| classifier | of | {' | '.join(COLUMNS)} |\n{'|---' * (len(COLUMNS) + 2)}|")
    for classifier in CLASSIFIERS:
        runs = [ceiling(features, records, classifier, seed) for seed in range(args.repeats)]
        for kind in runs[0]:
            cells = []
            for column in COLUMNS:
                values = [value for run in runs if (value := run[kind].get(column)) is not None]
                spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
                cells.append(f"{np.mean(values):.3f}{spread}" if values else "–")
            print(f"| {classifier} | {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
