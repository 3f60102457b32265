"""What every metric is: one text for the report, its tables and the docs."""

from __future__ import annotations

from typing import NamedTuple


class Definition(NamedTuple):
    """Of one metric. All lie in [0, 1]."""

    title: str
    text: str
    one_means: str
    source: str
    higher_is_better: bool = True


DEFINITIONS = {
    "frame_auc": Definition(
        "Frame AUC",
        "Area under the ROC curve over the frames of all videos pooled. A frame has the score of its clip (of a cuboid "
        "model: the highest of its cuboids); it is anomalous within a span of the truth, or, where only boxes are "
        "known, if it has any box.",
        "every anomalous frame scores above every normal one; 0.5 is chance",
        "Sultani et al. 2018",
    ),
    "frame_ap": Definition(
        "Frame AP",
        "Average precision over the frames of all videos pooled: mean precision over the gains in recall, without "
        "interpolation.",
        "every anomalous frame scores above every normal one; chance is the share of anomalous frames",
        "Wu et al. 2020 (XD-Violence)",
    ),
    "anomalous_auc": Definition(
        "Frame AUC, anomalous videos",
        "Frame AUC over the frames of anomalous videos only. Normal videos, which are easy to tell by their looks, "
        "cannot help: it shows whether the moment is found.",
        "within the pooled anomalous videos every anomalous frame scores above every normal one; 0.5 is chance",
        "Feng et al. 2021 (MIST)",
    ),
    "video_auc": Definition(
        "Video AUC",
        "Area under the ROC curve over videos; a video has the score of its highest clip. Needs labels of videos only.",
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
        "Share of the frames of normal videos that score at least the threshold.",
        "every frame of every normal video raises an alarm; 0 is best",
        "Sultani et al. 2018",
        higher_is_better=False,
    ),
    "threshold_at_far": Definition(
        "Threshold at the false alarm rate",
        "The lowest score that occurs and that at most the given share of frames of normal videos reaches.",
        "nothing below the highest possible score is rare enough; neither high nor low is better",
        "an operating point",
    ),
    "detection_at_far": Definition(
        "Detection at the false alarm rate",
        "Share of the anomalous frames that score at least that threshold.",
        "all anomalous frames are flagged; chance is the false alarm rate itself",
        "an operating point",
    ),
    "region_auc": Definition(
        "Region AUC",
        "Area under the ROC curve over every cuboid of every clip of all videos whose boxes are known. A cuboid is "
        "anomalous if in any frame of its clip a box of the truth overlaps its cell, by at least the minimum overlap.",
        "every anomalous cuboid scores above every normal one; 0.5 is chance",
        "Gianchandani et al. 2026; the rule of overlap is ours",
    ),
    "region_ap": Definition(
        "Region AP",
        "Average precision over the same cuboids.",
        "every anomalous cuboid scores above every normal one; chance is the share of anomalous cuboids",
        "as region AUC",
    ),
    "pointing_peak": Definition(
        "Pointing, peak of the video",
        "Does the strongest cuboid of a whole video hold the anomaly? Mean over videos with boxes; equally strong "
        "cuboids count by the share of them that do.",
        "it does in every video; chance is the mean share of anomalous cuboids",
        "pointing game: Zhang et al. 2016 (Excitation Backprop), on cells",
    ),
    "pointing_clips": Definition(
        "Pointing, anomalous clips",
        "The same for the strongest cuboid of each clip that has a box: where, given when. Mean over these clips.",
        "it does in every such clip; chance is the share of anomalous cuboids in them",
        "pointing game: Zhang et al. 2016 (Excitation Backprop), on cells",
    ),
    "box_iou": Definition(
        "Box IoU at the threshold",
        "Intersection over union of the box around all cells that score at least the threshold and the box around the "
        "truth; mean over clips with a box, 0 where no cell does.",
        "the same box in every clip",
        "common practice of weakly supervised localisation",
    ),
    "box_iou_half_peak": Definition(
        "Box IoU at half the peak",
        "The same with the cells that score at least half of the clip's strongest: independent of the scale of scores.",
        "the same box in every clip",
        "after Zhou et al. 2016 (CAM)",
    ),
    "rbdc": Definition(
        "RBDC",
        "Region-based detection criterion: area under the share of true regions (a box in a frame) that a flagged "
        "region meets with an IoU of at least beta, over false positive regions per frame, from 0 to 1. A flagged "
        "region is the box around touching cells; the rate at x is the best that any threshold reaches with at most x.",
        "every true region is found without a false positive",
        "Ramachandra & Jones 2020 (Street Scene)",
    ),
    "tbdc": Definition(
        "TBDC",
        "Track-based detection criterion: as RBDC, over tracks; a track is found if at least the share alpha of its "
        "regions is.",
        "every track is found without a false positive",
        "Ramachandra & Jones 2020 (Street Scene)",
    ),
}
"""By name, in the order of the report."""
