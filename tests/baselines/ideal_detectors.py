"""What the spatial figures would be of detectors that are right about the moment, and know more or less of the place.

Run ``python -m tests.baselines.ideal_detectors --features URI --manifest M --split val``. It bounds what a table can
say: where the truth's boxes fill the picture, a detector that marks one right cuboid a clip has a region AUC of little
more than half.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from wsvad.evaluation.gather import gather, records_of_split
from wsvad.features.reading import FeatureSet
from wsvad.manifest.records import VideoRecord, read_records
from wsvad.metrics.grids import pointing, region_truth
from wsvad.metrics.ranking import roc_auc
from wsvad.scores.table import VideoScores

Truth = np.ndarray
"""Which cuboids of which clips are anomalous, ``[T, 49]`` boolean."""

DETECTORS: dict[str, Callable[[Truth], np.ndarray]] = {
    "moment only, all cuboids alike": lambda truth_TK: np.repeat(truth_TK.any(1)[:, None], truth_TK.shape[1], 1),
    "moment and one right cuboid": lambda truth_TK: truth_TK & (np.cumsum(truth_TK, 1) == 1),
    "moment and place": lambda truth_TK: truth_TK,
}


def grids(features: FeatureSet, records: Sequence[VideoRecord]) -> list[Truth]:
    """Return the spatial truth of the videos that have one, whatever the features are."""

    def load(video_id: str) -> VideoScores:
        video = features.load(video_id)
        clips = len(video.clip)
        return VideoScores(
            *(video_id, video.clip, video.start_frame, video.end_frame, video.start_s, video.end_s),
            *(np.zeros(clips, np.float32), np.zeros((clips, 49), np.float32)),
            *(video.num_frames, video.width, video.height),
        )

    found = gather(records, features.video_ids, load, features.config).results
    return [region_truth(result.grid) for result in found if result.grid is not None]


def spatial_figures(truths: Sequence[Truth], detector: Callable[[Truth], np.ndarray]) -> tuple[float | None, float]:
    """Return region AUC and pointing of one detector."""
    scores = [detector(truth_TK).astype(np.float64) for truth_TK in truths]
    auc = roc_auc(np.concatenate([t.ravel() for t in truths]), np.concatenate([s.ravel() for s in scores]))
    pairs = [pair for s, t in zip(scores, truths, strict=True) for pair in zip(s, t, strict=True) if pair[1].any()]
    return auc, float(np.mean([pointing(s, t) for s, t in pairs]))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, metavar="URI", help="any data set of the videos")
    parser.add_argument("--manifest", required=True, metavar="URI", help="with truth and splits")
    parser.add_argument("--split", choices=("test", "val"), default="test")
    args = parser.parse_args()
    truths = grids(FeatureSet.open(args.features), records_of_split(read_records(args.manifest), args.split))
    share = np.concatenate([truth_TK.ravel() for truth_TK in truths]).mean()
    print(f"{share:.3f} of the cuboids are anomalous\n\n| it knows | region AUC | pointing |\n|---|---|---|")
    for name, detector in DETECTORS.items():
        auc, hits = spatial_figures(truths, detector)
        print(f"| {name} | {'–' if auc is None else f'{auc:.3f}'} | {hits:.3f} |")


if __name__ == "__main__":
    main()
