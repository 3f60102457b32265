"""All figures of a report together: planted signal, single metrics by hand, and reasons instead of numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk

from tests.evaluation.making import gathered, planted, record, scores
from wsvad.errors import UsageError
from wsvad.evaluation.document import figures, warnings_of
from wsvad.manifest.records import Box
from wsvad.metrics.definitions import DEFINITIONS
from wsvad.metrics.figures import Draws, Metric
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.temporal import temporal_metrics

FEW = MetricOptions(resamples=100)


def values(found: dict) -> dict[str, float | None]:
    """The value of each metric."""
    return {name: metric["value"] for name, metric in found["metrics"].items()}


def test_plain_signal_is_found_and_none_is_chance() -> None:
    """In time and in space; shuffled places give chance in space."""
    plain = values(figures(gathered(planted(1.0)), FEW))
    none = values(figures(gathered(planted(0.0, videos=20)), FEW))
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


def test_values_are_those_of_scikit_learn_over_frames_and_cuboids() -> None:
    """Pooled by hand from the same videos."""
    videos = planted(0.5, videos=8)
    found = values(figures(gathered(videos), FEW))
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


def test_figures_by_hand() -> None:
    """Two videos of 48 and 32 frames, threshold 0.5."""
    videos = [
        (record("a", [(16, 40)], label=1, category="Arson"), scores([0.2, 0.9, 0.6])),
        (record("n", label=0), scores([0.1, 0.7])),
    ]
    found = figures(gathered(videos), MetricOptions(resamples=0, false_alarm_rate=0.5))
    got = values(found)
    # positives: 16 frames at 0.9 and 8 at 0.6; negatives: 16 at 0.2, 8 at 0.6, 16 at 0.1, 16 at 0.7
    assert got["frame_auc"] == pytest.approx((16 * 56 + 8 * (16 + 16 + 8 / 2)) / (24 * 56))
    assert got["video_auc"] == 1.0
    assert got["temporal_iou"] == pytest.approx(24 / 32)
    assert got["false_alarm_rate"] == 0.5
    assert (got["threshold_at_far"], got["detection_at_far"]) == (pytest.approx(0.6), 1.0)
    assert found["metrics"]["frame_auc"]["counts"] == {"videos": 2, "frames": 80, "anomalous_frames": 24}
    assert found["metrics"]["frame_auc"]["reason"] == "no interval was asked for"
    assert found["metrics"]["frame_ap"]["chance"] == pytest.approx(24 / 80)
    assert found["videos"] == {"evaluated": 2, "anomalous": 1, "normal": 1, "missing": [], "without_truth": []}


def test_a_category_is_held_against_all_normal_videos() -> None:
    """And alone, beside it."""
    videos = [
        (record("a", [(0, 16)], label=1, category="Arson"), scores([0.9, 0.1])),
        (record("b", [(0, 16)], label=1, category="Abuse"), scores([0.2, 0.4])),
        (record("n", label=0, category="Normal"), scores([0.3, 0.3])),
        (record("m", label=0), scores([0.5, 0.0])),
    ]
    rows = {row["category"]: row for row in figures(gathered(videos), FEW)["categories"]}
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
                "frame_auc": "nothing is anomalous: one class only",
                "frame_ap": "nothing is anomalous: one class only",
                "anomalous_auc": "no video has frame truth (spans or boxes) in the manifest",
                "video_auc": "nothing is anomalous: one class only",
                "temporal_iou": "no video has an anomalous frame that is known",
                "region_auc": "the scores have no cuboids: the model does not say where",
                "rbdc": "the scores have no cuboids: the model does not say where",
                "detection_at_far": "no video has an anomalous frame that is known",
            },
        ),
        (
            [(record("a", [(0, 32)], label=1), scores([0.1, 0.2])), (record("b", [(0, 9)], label=1), scores([0.3]))],
            {
                "video_auc": "everything is anomalous: one class only",
                "false_alarm_rate": "there is no frame of a normal video",
            },
        ),
        (
            [(record("a", label=1), scores([0.1, 0.2])), (record("b", label=0), scores([0.3]))],
            {
                "frame_auc": "nothing is anomalous: one class only",
                "temporal_iou": "no video has an anomalous frame that is known",
            },
        ),
        (
            [
                (record("a", [(0, 9)], label=1), scores([0.5], np.zeros((1, 49)))),
                (record("b", label=0), scores([0.3], np.zeros((1, 49)))),
            ],
            {
                "region_auc": "nothing is anomalous: one class only",
                "pointing_peak": "no box of the truth lies within the clips that were scored",
            },
        ),
        (
            [
                (record("a", None, [Box(0, 9, 0, 0, 9, 9)], label=1), scores([0.5], np.eye(1, 49))),
                (record("b", label=0), scores([0.3])),
            ],
            {"tbdc": "boxes of the truth have no track numbers"},
        ),
    ],
)
def test_what_is_undefined_is_null_with_the_reason(videos: list, reasons: dict[str, str]) -> None:
    """Never NaN, never one half; the report can be written as strict JSON."""
    found = figures(gathered(videos), FEW)
    json.dumps(found, allow_nan=False)
    for name, reason in reasons.items():
        metric = found["metrics"][name]
        assert (metric["value"], metric["interval"], metric["reason"]) == (None, None, reason), name


def test_truth_modes_change_the_frames_and_their_number() -> None:
    """Frames 36 to 39 are anomalous, of 40: floor16 keeps 32 frames without any, pad16 makes 48."""
    videos = [
        (record("a", [(36, 40)], label=1), scores([0.1, 0.2, 0.9], num_frames=40)),
        (record("n", label=0), scores([0.3])),
    ]
    found = {
        mode: figures(gathered(videos, mode=mode), FEW)["metrics"]["frame_auc"] for mode in ("true", "floor16", "pad16")
    }
    assert [found[m]["counts"]["frames"] for m in found] == [56, 48, 64]
    assert [found[m]["counts"]["anomalous_frames"] for m in found] == [4, 0, 4]
    assert found["true"]["value"] == pytest.approx((48 + 4 / 2) / 52)
    assert found["floor16"]["value"] is None
    assert found["pad16"]["value"] == pytest.approx((48 + 12 / 2) / 60)


def test_intervals_hold_the_value_and_shrink_with_videos() -> None:
    """And the same seed gives the same interval."""

    def frame_auc(videos: int) -> Metric:
        results = gathered(planted(0.45, videos=videos)).results
        return temporal_metrics(results, Draws.of(results, FEW), FEW)["frame_auc"]

    few, many = frame_auc(8), frame_auc(60)
    for metric in (few, many):
        assert metric.low <= metric.value <= metric.high
    assert few.high - few.low > many.high - many.low
    assert frame_auc(8) == few


def test_every_metric_is_defined_and_documented() -> None:
    """The report has exactly the metrics that ``definitions`` explains."""
    found = figures(gathered(planted(0.5)), FEW)
    assert list(found["metrics"]) == list(DEFINITIONS)
    assert all(m["definition"] and m["source"] and m["one_means"] for m in found["metrics"].values())
    assert all(m["value"] is not None and m["interval"] for m in found["metrics"].values())


def test_warnings_say_what_must_not_be_overlooked() -> None:
    """Untrained features, other splits, equal names, few videos."""
    found = figures(gathered(planted(0.5)), FEW)
    said = " ".join(warnings_of(found, "train", ["v00"], "random:0:x", [("a/1", "b/1")]))
    for words in (
        "untrained network",
        "split 'train' (1 of these videos were used",
        "a/1 / b/1",
        "6 anomalous and 6 normal",
    ):
        assert words in said
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
def test_impossible_options_are_refused(changes: dict, message: str) -> None:
    """Each with its bound."""
    with pytest.raises(UsageError, match=message):
        MetricOptions(**changes)


def test_the_docs_say_what_the_report_says() -> None:
    """Title, definition, meaning of 1 and source of every metric, word by word."""
    docs = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name, what in DEFINITIONS.items():
        assert f"### `{name}`: {what.title}\n" in docs
        assert f"{what.text} *1 means:* {what.one_means}. *Source:* {what.source}." in docs
