"""Definitions of all metrics, used by the report, its tables and the documentation."""

from __future__ import annotations

from typing import NamedTuple


class Definition(NamedTuple):
    """Definition of one metric. Values are in [0, 1]."""

    title: str
    text: str
    one_means: str
    source: str
    higher_is_better: bool = True


DEFINITIONS = {
    "frame_auc": Definition(
        "Frame AUC",
        "Area under the ROC curve over the frames of all videos, pooled. A frame has the score of its clip (for cuboid "
        "models, the maximum over its cuboids). It is anomalous if it lies within a span of the ground truth or, if "
        "only boxes are known, if it has a box.",
        "every anomalous frame scores above every normal one; 0.5 is chance",
        "Sultani et al. 2018",
    ),
    "frame_ap": Definition(
        "Frame AP",
        "Average precision over the frames of all videos, pooled: mean precision weighted by the increase in recall, "
        "without interpolation.",
        "every anomalous frame scores above every normal one; chance is the fraction of anomalous frames",
        "Wu et al. 2020 (XD-Violence)",
    ),
    "anomalous_auc": Definition(
        "Frame AUC, anomalous videos",
        "Frame AUC over the frames of anomalous videos only. It is not affected by normal videos, which are easily "
        "told apart by their scene, and so measures temporal localisation.",
        "every anomalous frame of these videos, pooled, scores above every normal one; 0.5 is chance",
        "Feng et al. 2021 (MIST)",
    ),
    "video_auc": Definition(
        "Video AUC",
        "Area under the ROC curve over videos; a video has the score of its highest clip. Requires video labels only.",
        "every anomalous video scores above every normal one; 0.5 is chance",
        "the selection criterion of this project",
    ),
    "temporal_iou": Definition(
        "Temporal IoU",
        "Intersection over union of the frames that score at least the threshold and the anomalous frames; mean over "
        "videos with an anomalous frame.",
        "exactly the anomalous frames are flagged",
        "common practice of temporal action localisation",
    ),
    "false_alarm_rate": Definition(
        "False alarm rate",
        "Fraction of the frames of normal videos that score at least the threshold.",
        "every frame of every normal video raises an alarm; 0 is best",
        "Sultani et al. 2018",
        higher_is_better=False,
    ),
    "threshold_at_far": Definition(
        "Threshold at the false alarm rate",
        "The lowest occurring score that at most the given fraction of the frames of normal videos reaches.",
        "only the maximum score meets the rate; neither high nor low is better",
        "an operating point",
    ),
    "detection_at_far": Definition(
        "Detection at the false alarm rate",
        "Fraction of the anomalous frames that score at least that threshold.",
        "all anomalous frames are flagged; chance is the false alarm rate itself",
        "an operating point",
    ),
    "region_auc": Definition(
        "Region AUC",
        "Area under the ROC curve over every cuboid of every clip of all videos with known boxes. A cuboid is "
        "anomalous if, in any frame of its clip, a ground-truth box overlaps its cell by at least the minimum overlap.",
        "every anomalous cuboid scores above every normal one; 0.5 is chance",
        "Gianchandani et al. 2026; the overlap rule is our own",
    ),
    "region_ap": Definition(
        "Region AP",
        "Average precision over the same cuboids.",
        "every anomalous cuboid scores above every normal one; chance is the fraction of anomalous cuboids",
        "as region AUC",
    ),
    "pointing_peak": Definition(
        "Pointing, peak of the video",
        "Whether the strongest cuboid of a whole video is anomalous; mean over videos with boxes. If several cuboids "
        "are equally strong, the fraction of them that is anomalous counts.",
        "it is in every video; chance is the mean fraction of anomalous cuboids",
        "pointing game: Zhang et al. 2016 (Excitation Backprop), on cells",
    ),
    "pointing_clips": Definition(
        "Pointing, anomalous clips",
        "The same for the strongest cuboid of each clip with a box: localisation at known times. Mean over these "
        "clips.",
        "it is in every such clip; chance is the fraction of anomalous cuboids in them",
        "pointing game: Zhang et al. 2016 (Excitation Backprop), on cells",
    ),
    "box_iou": Definition(
        "Box IoU at the threshold",
        "Intersection over union of the bounding box of all cells that score at least the threshold and the bounding "
        "box of the ground truth; mean over clips with a box, 0 if no cell reaches the threshold.",
        "the same box in every clip",
        "common practice of weakly supervised localisation",
    ),
    "box_iou_half_peak": Definition(
        "Box IoU at half the peak",
        "The same with cells that score at least half of the clip's maximum: independent of the scale of scores.",
        "the same box in every clip",
        "after Zhou et al. 2016 (CAM)",
    ),
    "rbdc": Definition(
        "RBDC",
        "Region-based detection criterion: area under the fraction of true regions (a box in a frame) with which a "
        "flagged region has an IoU of at least beta, over false positive regions per frame, from 0 to 1. A flagged "
        "region is the bounding box of adjacent cells; the rate at x is the best of all thresholds with at most x.",
        "every true region is found without a false positive",
        "Ramachandra & Jones 2020 (Street Scene)",
    ),
    "tbdc": Definition(
        "TBDC",
        "Track-based detection criterion: as RBDC, over tracks; a track is detected if at least the fraction alpha of "
        "its regions is.",
        "every track is found without a false positive",
        "Ramachandra & Jones 2020 (Street Scene)",
    ),
}
"""Definitions by name, in the order of the report."""
