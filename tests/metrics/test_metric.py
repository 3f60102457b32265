"""All metrics of a report: planted signal, single metrics by hand, and reasons of undefined metrics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk

from tests.evaluation.data import gathered, planted, record, scores
from wsvad.errors import UsageError
from wsvad.evaluation.document import compute_metrics, warnings_of
from wsvad.manifest.records import Box
from wsvad.metrics.definitions import DEFINITIONS
from wsvad.metrics.metric import Metric, Resamples
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.temporal import temporal_metrics

FEW = MetricOptions(resamples=100)


def values(found: dict) -> dict[str, float | None]:
    """Return the value of each metric."""
    return {name: metric["value"] for name, metric in found["metrics"].items()}


def test_planted_signal_is_found_and_noise_is_at_chance_level() -> None:
    """In time and in space; shuffled positions give chance level in space."""
    plain = values(compute_metrics(gathered(planted(1.0)), FEW))
    none = values(compute_metrics(gathered(planted(0.0, videos=20)), FEW))
    for name in (
        "frame_auc",
        "anomalous_auc",
        "video_auc",
        "region_auc",
        "region_ap",
        "pointing_peak",
        "pointing_clips",
    ):
        assert plain[name] == pytest.approx(1.0), name
    assert plain["rbdc"] == pytest.approx(1.0, abs=0.01)
    assert plain["tbdc"] == pytest.approx(1.0, abs=0.01)
    for name in ("frame_auc", "anomalous_auc", "region_auc"):
        assert none[name] == pytest.approx(0.5, abs=0.12), name
    assert none["pointing_clips"] < 0.2
    assert none["rbdc"] < 0.3


def test_values_equal_scikit_learn_over_frames_and_cuboids() -> None:
    """Pooled from the same videos."""
    videos = planted(0.5, videos=8)
    found = values(compute_metrics(gathered(videos), FEW))
    truth, frames, cuboids, regions = [], [], [], []
    for made, given in videos:
        anomalous = np.zeros(given.num_frames, bool)
        hold = np.zeros((len(given.score_T), 49), bool)
        for box in made.boxes or ():
            anomalous[box.start_frame : box.end_frame] = True
            cell = 7 * int(box.y1 // 10) + int(box.x1 // 10)
            hold[box.start_frame // 16 : box.end_frame // 16, cell] = True
        truth.append(anomalous)
        frames.append(np.repeat(given.score_T, 16))
        regions.append(hold.ravel())
        cuboids.append(given.cuboid_scores_TK.ravel())
    every = np.concatenate(truth), np.concatenate(frames)
    assert found["frame_auc"] == pytest.approx(sk.roc_auc_score(*every))
    assert found["frame_ap"] == pytest.approx(sk.average_precision_score(*every))
    only = np.concatenate(truth[1::2]), np.concatenate(frames[1::2])
    assert found["anomalous_auc"] == pytest.approx(sk.roc_auc_score(*only))
    parts = np.concatenate(regions), np.concatenate(cuboids)
    assert found["region_auc"] == pytest.approx(sk.roc_auc_score(*parts))
    assert found["region_ap"] == pytest.approx(sk.average_precision_score(*parts))


def test_metrics_by_hand() -> None:
    """Two videos of 48 and 32 frames, threshold 0.5."""
    videos = [
        (record("a", [(16, 40)], label=1, category="Arson"), scores([0.2, 0.9, 0.6])),
        (record("n", label=0), scores([0.1, 0.7])),
    ]
    found = compute_metrics(gathered(videos), MetricOptions(resamples=0, false_alarm_rate=0.5))
    got = values(found)
    # positives: 16 frames at 0.9 and 8 at 0.6; negatives: 16 at 0.2, 8 at 0.6, 16 at 0.1, 16 at 0.7
    assert got["frame_auc"] == pytest.approx((16 * 56 + 8 * (16 + 16 + 8 / 2)) / (24 * 56))
    assert got["video_auc"] == 1.0
    assert got["temporal_iou"] == pytest.approx(24 / 32)
    assert got["false_alarm_rate"] == 0.5
    assert (got["threshold_at_far"], got["detection_at_far"]) == (pytest.approx(0.6), 1.0)
    assert found["metrics"]["frame_auc"]["counts"] == {"videos": 2, "frames": 80, "anomalous_frames": 24}
    assert found["metrics"]["frame_auc"]["reason"] == "no interval was requested"
    assert found["metrics"]["frame_ap"]["chance"] == pytest.approx(24 / 80)
    assert found["videos"] == {"evaluated": 2, "anomalous": 1, "normal": 1, "missing": [], "without_truth": []}


def test_a_category_is_compared_with_all_normal_videos() -> None:
    """In addition, there is an AUC within its own videos."""
    videos = [
        (record("a", [(0, 16)], label=1, category="Arson"), scores([0.9, 0.1])),
        (record("b", [(0, 16)], label=1, category="Abuse"), scores([0.2, 0.4])),
        (record("n", label=0, category="Normal"), scores([0.3, 0.3])),
        (record("m", label=0), scores([0.5, 0.0])),
    ]
    rows = {row["category"]: row for row in compute_metrics(gathered(videos), FEW)["categories"]}
    assert set(rows) == {"Arson", "Abuse"}
    assert rows["Arson"]["normal_videos"] == 2
    assert rows["Arson"]["frame_auc"]["value"] == 1.0
    assert rows["Abuse"]["frame_auc"]["value"] == pytest.approx(1 / 5)  # 0.2 is above 0.0 only, of 0.4 0.3 0.3 0.5 0.0
    assert rows["Abuse"]["anomalous_auc"]["value"] == 0.0


@pytest.mark.parametrize(
    ("videos", "reasons"),
    [
        (
            [(record("n", label=0), scores([0.1, 0.2])), (record("m", label=0), scores([0.3]))],
            {
                "frame_auc": "nothing is anomalous: only one class",
                "frame_ap": "nothing is anomalous: only one class",
                "anomalous_auc": "no video has frame truth (spans or boxes) in the manifest",
                "video_auc": "nothing is anomalous: only one class",
                "temporal_iou": "no video has known anomalous frames",
                "region_auc": "the scores have no cuboids: the model has no spatial output",
                "rbdc": "the scores have no cuboids: the model has no spatial output",
                "detection_at_far": "no video has known anomalous frames",
            },
        ),
        (
            [(record("a", [(0, 32)], label=1), scores([0.1, 0.2])), (record("b", [(0, 9)], label=1), scores([0.3]))],
            {
                "video_auc": "everything is anomalous: only one class",
                "false_alarm_rate": "there are no frames of normal videos",
            },
        ),
        (
            [(record("a", label=1), scores([0.1, 0.2])), (record("b", label=0), scores([0.3]))],
            {
                "frame_auc": "nothing is anomalous: only one class",
                "temporal_iou": "no video has known anomalous frames",
            },
        ),
        (
            [
                (record("a", [(0, 9)], label=1), scores([0.5], np.zeros((1, 49)))),
                (record("b", label=0), scores([0.3], np.zeros((1, 49)))),
            ],
            {
                "region_auc": "nothing is anomalous: only one class",
                "pointing_peak": "no ground-truth box lies within the scored clips",
            },
        ),
        (
            [
                (record("a", None, [Box(0, 9, 0, 0, 9, 9)], label=1), scores([0.5], np.eye(1, 49))),
                (record("b", label=0), scores([0.3])),
            ],
            {"tbdc": "ground-truth boxes have no track numbers"},
        ),
    ],
)
def test_undefined_metrics_are_null_with_the_reason(videos: list, reasons: dict[str, str]) -> None:
    """They are not NaN or 0.5; the report is strict JSON."""
    found = compute_metrics(gathered(videos), FEW)
    json.dumps(found, allow_nan=False)
    for name, reason in reasons.items():
        metric = found["metrics"][name]
        assert (metric["value"], metric["interval"], metric["reason"]) == (None, None, reason), name


def test_truth_modes_change_the_number_of_frames() -> None:
    """Frames 36 to 39 of 40 are anomalous: floor16 keeps 32 normal frames, pad16 gives 48 frames."""
    videos = [
        (record("a", [(36, 40)], label=1), scores([0.1, 0.2, 0.9], num_frames=40)),
        (record("n", label=0), scores([0.3])),
    ]
    modes = ("true", "floor16", "pad16")
    found = {mode: compute_metrics(gathered(videos, mode=mode), FEW)["metrics"]["frame_auc"] for mode in modes}
    assert [found[m]["counts"]["frames"] for m in found] == [56, 48, 64]
    assert [found[m]["counts"]["anomalous_frames"] for m in found] == [4, 0, 4]
    assert found["true"]["value"] == pytest.approx((48 + 4 / 2) / 52)
    assert found["floor16"]["value"] is None
    assert found["pad16"]["value"] == pytest.approx((48 + 12 / 2) / 60)


def test_intervals_contain_the_value_and_shrink_with_more_videos() -> None:
    """The same seed gives the same interval."""

    def frame_auc(videos: int) -> Metric:
        results = gathered(planted(0.45, videos=videos)).results
        return temporal_metrics(results, Resamples.of(results, FEW), FEW)["frame_auc"]

    few, many = frame_auc(8), frame_auc(60)
    for metric in (few, many):
        assert metric.low <= metric.value <= metric.high
    assert few.high - few.low > many.high - many.low
    assert frame_auc(8) == few


def test_every_metric_is_defined_and_documented() -> None:
    """The report has exactly the metrics in ``definitions``."""
    found = compute_metrics(gathered(planted(0.5)), FEW)
    assert list(found["metrics"]) == list(DEFINITIONS)
    assert all(m["definition"] and m["source"] and m["one_means"] for m in found["metrics"].values())
    assert all(m["value"] is not None and m["interval"] for m in found["metrics"].values())


def test_warnings_of_a_report() -> None:
    """Untrained features, other splits, equal names, few videos."""
    found = compute_metrics(gathered(planted(0.5)), FEW)
    text = " ".join(warnings_of(found, "train", ["v00"], "random:0:x", [("a/1", "b/1")]))
    for words in (
        "untrained network",
        "split 'train' (1 of these videos were used",
        "a/1 / b/1",
        "6 anomalous and 6 normal",
    ):
        assert words in text
    assert warnings_of({"videos": {"anomalous": 20, "normal": 20}}, "test", [], "sha256:x", []) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 1.1}, r"threshold must be in \[0, 1\]"),
        ({"threshold": float("nan")}, "threshold must be"),
        ({"min_overlap": -0.1}, "min_overlap must be"),
        ({"beta": 0}, "beta must be above 0"),
        ({"false_alarm_rate": 1}, "false_alarm_rate must be above 0 and below 1"),
        ({"resamples": 5}, "at least 100"),
    ],
)
def test_invalid_options_are_rejected(changes: dict, message: str) -> None:
    """The message contains the bound."""
    with pytest.raises(UsageError, match=message):
        MetricOptions(**changes)


def test_the_documentation_contains_the_definitions() -> None:
    """Title, definition, meaning of 1 and source of every metric, verbatim."""
    docs = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name, what in DEFINITIONS.items():
        assert f"### `{name}`: {what.title}\n" in docs
        assert f"{what.text} *1 means:* {what.one_means}. *Source:* {what.source}." in docs
