"""Events in a report: the choice of the operating point, and compatibility with reports of earlier versions."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.data import record
from tests.evaluation.test_job import QUICK, make_inputs
from tests.scoring.factories import CONFIG, make_scores, write_scores
from wsvad.cli import main
from wsvad.errors import UsageError
from wsvad.evaluation.events import NO_NORMAL, OperatingPoint, choose_operating_point
from wsvad.events.calibration import Calibration, Threshold
from wsvad.events.config import EventSettings
from wsvad.events.thresholds import PostProcessing, Thresholds
from wsvad.manifest.records import VideoRecord, read_records, write_records
from wsvad.metrics.event_definitions import EVENT_DEFINITIONS, POINT_DEFINITIONS
from wsvad.metrics.event_options import EventOptions
from wsvad.metrics.options import MetricOptions

HOUR = 5625
"""Clips of 0.64 s."""


def chosen(
    records: list[VideoRecord], scores: dict[str, np.ndarray], options: EventOptions | None = None, split: str = "test"
) -> OperatingPoint:
    """Return the operating point of these scores; loading any but a normal validation video fails."""
    allowed = {r.video_id for r in records if r.split == "val" and r.label == 0}

    def load(video_id: str):
        assert video_id in allowed, f"{video_id} must not decide the threshold"
        return make_scores(video_id, scores[video_id])

    return choose_operating_point(options or EventOptions(), None, records, [*scores], load, split)  # type: ignore[arg-type]


RECORDS = [
    record("test normal", label=0),
    record("test", [(0, 9)], label=1),
    record("val anomalous", [(0, 9)], label=1, split="val"),
    record("val", label=0, split="val"),
    record("train", label=0, split="train"),
]


def quiet(hours: float, *peaks: float) -> np.ndarray:
    """Return scores of 0.1 with distant peaks of 8 clips."""
    made = np.full(round(HOUR * hours), 0.1)
    for n, peak in enumerate(peaks):
        made[100 + 300 * n : 108 + 300 * n] = peak
    return made


def test_the_threshold_comes_from_normal_validation_videos_only() -> None:
    """7 hours, one event per hour: 2 events prove a rate below 0.9 per hour, 3 would give 1.1."""
    every = {r.video_id: np.ones(50) for r in RECORDS} | {"val": quiet(7, 0.9, 0.8, 0.7, 0.6)}
    found = chosen(RECORDS, every)
    assert found.source == "validation"
    assert found.settings is not None
    assert 0.7 < found.settings.high <= np.float32(0.8)
    assert found.settings.low_level == pytest.approx(0.8 * found.settings.high)
    assert found.statement == (
        "from 1 normal validation video (7.0 hours) with 2 events: below 0.899 false events per hour with "
        "95% confidence"
    )
    assert chosen(RECORDS, every, split="val").statement.endswith("so metrics at this point are optimistic")


def test_too_little_validation_footage_is_reported() -> None:
    """A quarter of an hour without events proves a rate below 12 per hour."""
    found = chosen(RECORDS, {"val": quiet(0.25, 0.6)})
    assert found.settings is not None
    assert found.settings.high == np.nextafter(np.float64(np.float32(0.6)), 1)
    assert found.statement == (
        "from 1 normal validation video (15.0 minutes) with 0 events: below 12 false events per hour with "
        "95% confidence. This does not prove the requested 1 per hour"
    )


@pytest.mark.parametrize(
    ("records", "scored", "why"),
    [
        (RECORDS, [], "no normal validation video has scores"),
        (RECORDS[:3], ["test", "val anomalous"], NO_NORMAL),
    ],
)
def test_without_normal_validation_videos_there_is_no_operating_point(records: list, scored: list, why: str) -> None:
    """It is never chosen on test videos; the statement describes what to do."""
    found = chosen(records, {name: np.ones(9) for name in scored})
    assert (found.settings, found.source) == (None, "none")
    assert found.statement == (
        f"no operating point: {why}. Set --event-high, or --thresholds to a calibrated thresholds file"
    )


def test_a_given_operating_point_is_used() -> None:
    """Validation videos are not even read."""
    given = chosen(RECORDS, {"val": np.ones(9)}, EventOptions(event_high=0.7, event_low=0.3, event_gap=4))
    assert given.settings == EventSettings(high=0.7, low=0.3, gap_s=4)
    assert given.source == "given"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event_low": 0.3}, "--event-low requires --event-high"),
        ({"event_high": 1.5}, r"--event-high must be in \[0, 1\]"),
        ({"event_high": 0.3, "event_low": 0.4}, "--event-low must be between 0 and --event-high"),
        ({"event_smooth": 1e6}, "--event-smooth must be between 0 and"),
        ({"event_min_length": 1e6}, "--event-min-length must be between 0 and"),
        ({"thresholds": "t.json", "event_high": 0.5}, "not both"),
        ({"thresholds": "t.json", "event_gap": 1.0}, "cannot be used with --thresholds"),
    ],
)
def test_invalid_options_are_rejected(changes: dict, message: str) -> None:
    """The message names the option."""
    with pytest.raises(UsageError, match=message):
        EventOptions(**changes)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Return the options for an evaluation of three small videos and one normal validation video, without frames."""
    scored, manifest = make_inputs(str(tmp_path))
    write_scores(scored, {"val.mp4": ([0.1, 0.3, 0.2], None)}, training_ids=("t.mp4",))
    write_records(manifest, [*read_records(manifest), VideoRecord("val.mp4", "val.mp4", 0, "val")])
    return ["--scores", scored, "--manifest", manifest, "--out", str(tmp_path / "report"), "--no-frames", *QUICK]


def report(tmp_path: Path) -> dict:
    """Return the written report."""
    found: dict = json.loads((tmp_path / "report" / "report.json").read_text())
    return found


def test_events_are_in_the_report_the_page_and_the_summary(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With title, unit and source; the summary omits the curve."""
    assert (
        main(["evaluate", *words, "--event-high", "0.5", "--event-smooth", "0", "--event-min-length", "0", "--json"])
        == 0
    )
    summary, written = json.loads(capsys.readouterr().out), report(tmp_path)["events"]
    assert summary["events"] == {name: part for name, part in written.items() if name != "curve"}
    assert list(written["figures"]) == list(EVENT_DEFINITIONS)
    assert all(f["title"] and f["definition"] and f["unit"] and f["source"] for f in written["figures"].values())
    assert written["true_events"] == 1
    assert written["hours"] == pytest.approx(3 * 40 / 25 / 3600)
    assert written["figures"]["event_f1@0.5iou"]["value"] == 1.0
    assert written["figures"]["false_events_per_hour"]["value"] == 0.0
    assert written["figures"]["event_recall@1/hour"]["false_events"]["per_hour_below"] > 1
    assert any("which proves only a rate below" in note for note in written["notes"])
    html = (tmp_path / "report" / "report.html").read_text()
    for shown in ("<h2>Events</h2>", "Missed events", "open", "event_f1@0.5iou", "1 true event in", "optimistic"):
        assert shown in html, shown
    assert main(["evaluate", *words, "--event-high", "0.5", "--event-smooth", "0", "--event-min-length", "0"]) == 0
    printed = capsys.readouterr().out
    assert "event_f1@0.5iou" in printed
    assert "open at 0.5, close below 0.4 (as given)" in printed


def test_without_an_operating_point_only_its_metrics_are_undefined(words: list[str], tmp_path: Path) -> None:
    """They are null with the reason; metrics over all thresholds are defined."""
    manifest = words[words.index("--manifest") + 1]
    write_records(manifest, [r for r in read_records(manifest) if r.split != "val"])
    assert main(["evaluate", *words]) == 0
    written = report(tmp_path)["events"]
    assert written["point"]["high"] is written["point"]["low"] is None
    for name, figure in written["figures"].items():
        assert (figure["value"] is None) == (name in POINT_DEFINITIONS), name
        assert figure["reason"] if name in POINT_DEFINITIONS else True
    assert "no operating point" in (tmp_path / "report" / "report.html").read_text()


def test_a_thresholds_file_gives_the_operating_point(words: list[str], tmp_path: Path) -> None:
    """With its post-processing, and its digest among the inputs. A missing file or one of another model is rejected."""
    pooled = Threshold(0.5, 0.25, 2, 12.5, 3, 1.0, 0.504)
    file = Thresholds(CONFIG.checkpoint, PostProcessing(0.0, 0.0, 0.0), Calibration(pooled, {}))
    place = tmp_path / "thresholds.json"
    place.write_bytes(file.to_bytes())
    assert main(["evaluate", *words, "--thresholds", str(place)]) == 0
    written = report(tmp_path)
    assert written["events"]["point"] == {
        "source": "thresholds", "statement": pooled.statement, "high": 0.5, "low": 0.25
    }  # fmt: skip
    assert written["events"]["post_processing"] == {
        "low_share": 0.5, "gap_s": 0.0, "smooth_s": 0.0, "min_length_s": 0.0
    }  # fmt: skip
    assert written["inputs"]["thresholds"]["digest"].startswith("sha256:")
    place.write_bytes(replace(file, checkpoint="sha256:other").to_bytes())
    assert main(["evaluate", *words, "--thresholds", str(place), "--replace"]) == 2
    assert main(["evaluate", *words, "--thresholds", str(tmp_path / "none.json"), "--replace"]) == 2
    assert report(tmp_path) == written


def test_a_report_of_an_earlier_version_keeps_its_identity(words: list[str], tmp_path: Path) -> None:
    """Event options at their defaults are not part of the identity, so such a report is replaced by one with events.

    Other options of events are another report.
    """
    assert main(["evaluate", *words]) == 0
    written = report(tmp_path)
    assert {*written["options"]} == {
        *("split", "truth_mode", "allow_missing", "distinct_names"),
        *(f.name for f in fields(MetricOptions)),
    }
    del written["events"]
    (tmp_path / "report" / "report.json").write_text(json.dumps(written))
    assert main(["evaluate", *words, "--event-high", "0.7"]) == 5
    assert main(["evaluate", *words]) == 0
    assert report(tmp_path)["identity"] == written["identity"]
    assert report(tmp_path)["metrics"] == written["metrics"]
    assert "events" in report(tmp_path)
