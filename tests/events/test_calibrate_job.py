"""``wsvad events --calibrate``: thresholds from scores of normal footage, and events at these thresholds."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.factories import write_scores
from wsvad.cli import main
from wsvad.events import calibration
from wsvad.events.calibrate_job import covered_s
from wsvad.events.thresholds import load_thresholds

CAMERAS = """
[[camera]]
pattern = "{camera}/{year}{month}{day}T{hour}{minute}{second}.mp4"
time_zone = "UTC"
"""
CLIPS = 938
"""Clips of a video of 600.32 s."""


def noise(seed: int, low: float = 0.0) -> np.ndarray:
    """Return scores of normal footage, with an exponential tail."""
    return np.minimum(low + np.random.default_rng(seed).exponential(0.08, CLIPS), 1.0)


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options for half an hour of two cameras over midnight and ten minutes of a third; ``OWN_DAYS`` is 20 minutes."""
    monkeypatch.setattr(calibration, "OWN_DAYS", 20 / 1440)
    days = ("20260601T234000", "20260601T235000", "20260602T000000")
    videos: dict[str, Any] = {f"gate/{day}.mp4": (noise(n), None) for n, day in enumerate(days)}
    videos |= {f"yard/{day}.mp4": (noise(10 + n, 0.2), None) for n, day in enumerate(days)}
    videos["loose/x.mp4"] = (noise(20), None)
    scores = write_scores(tmp_path / "scores", videos)
    (tmp_path / "cameras.toml").write_text(CAMERAS)
    return ["events", "--scores", scores, "--cameras", str(tmp_path / "cameras.toml")]


def counted(words: list[str], tmp_path: Path, name: str = "events") -> Counter[str]:
    """Return the number of events of each camera that ``wsvad events`` finds."""
    assert main([*words, "--out", str(tmp_path / name), "--text", str(tmp_path / name / "text")]) == 0
    with (tmp_path / name / "text" / "events.csv").open(newline="") as file:
        return Counter(row["camera"] for row in csv.DictReader(file) if row["kind"] == "event")


def test_events_at_the_thresholds_match_the_calibrated_counts(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For each camera with its own threshold, and for all cameras together at the pooled one.

    So calibration counts events as ``wsvad events`` does: across files and midnight, after all post-processing.
    """
    path = str(tmp_path / "thresholds.json")
    assert main([*words, "--calibrate", path, "--budget", "1000", "--smooth", "1.5", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    found, _ = load_thresholds(path)
    assert summary["pooled"] == found.calibration.pooled.to_dict()
    assert {*found.calibration.cameras} == {"gate", "yard"}
    assert found.post_processing.smooth_s == 1.5
    assert found.calibration.of("yard").high > found.calibration.of("gate").high
    gate = found.calibration.of("gate")
    assert gate.events > 3
    assert gate.proven
    assert gate.days == pytest.approx((2 * 600 + CLIPS * 0.64) / 86400)  # files overlap by 0.32 s
    events = counted([*words, "--thresholds", path], tmp_path)
    assert {camera: events[camera] for camera in ("gate", "yard")} == {
        camera: found.calibration.of(camera).events for camera in ("gate", "yard")
    }
    pooled = found.settings_of(None)
    everywhere = ["--high", repr(pooled.high), "--low", repr(pooled.low), "--smooth", "1.5"]
    assert counted([*words, *everywhere], tmp_path, "pooled").total() == found.calibration.pooled.events


def test_an_unproven_budget_gives_a_warning(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An hour of footage cannot prove one event per day: exit code 0, thresholds without events, a banner."""
    path = str(tmp_path / "thresholds.json")
    assert main([*words, "--calibrate", path]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "THRESHOLDS OF AN UNTRAINED NETWORK'S FEATURES" in shown  # the test scores come from one
    assert "THE FOOTAGE DOES NOT PROVE THE BUDGET OF pooled, gate, yard" in shown
    assert "at least 3.0 days without an event are needed" in shown
    assert counted([*words, "--thresholds", path], tmp_path).total() == 0


def test_budgets_come_from_the_cameras_file(words: list[str], tmp_path: Path) -> None:
    """For all cameras, and for one; --budget overrides both, and a budget of 0 is rejected."""
    cameras = tmp_path / "cameras.toml"
    cameras.write_text("[defaults]\nbudget = 900\n" + CAMERAS + '[[camera]]\nname = "yard"\nbudget = 2000\n')
    assert main([*words, "--calibrate", str(tmp_path / "a.json")]) == 0
    found = load_thresholds(str(tmp_path / "a.json"))[0].calibration
    assert [found.of(name).budget_per_day for name in ("gate", "yard", "loose")] == [900, 2000, 900]
    assert main([*words, "--calibrate", str(tmp_path / "b.json"), "--budget", "50"]) == 0
    found = load_thresholds(str(tmp_path / "b.json"))[0].calibration
    assert {found.of(name).budget_per_day for name in ("gate", "yard", "loose")} == {50}
    cameras.write_text(CAMERAS + '[[camera]]\nname = "yard"\nbudget = 0\n')
    assert main([*words, "--calibrate", str(tmp_path / "c.json")]) == 2
    assert not (tmp_path / "c.json").exists()


def test_a_threshold_in_the_cameras_file_overrides_the_calibrated_one(words: list[str], tmp_path: Path) -> None:
    """The other camera keeps its calibrated threshold."""
    path = str(tmp_path / "thresholds.json")
    assert main([*words, "--calibrate", path, "--budget", "1000"]) == 0
    (tmp_path / "cameras.toml").write_text(CAMERAS + '[[camera]]\nname = "gate"\nhigh = 1.0\n')
    events = counted([*words, "--thresholds", path], tmp_path)
    assert events["gate"] == 0
    assert events["yard"] == load_thresholds(path)[0].calibration.of("yard").events > 0


def test_nothing_is_overwritten(words: list[str], tmp_path: Path) -> None:
    """Writing the same thresholds again succeeds; others are a conflict. A dry run writes nothing."""
    path = tmp_path / "thresholds.json"
    assert main([*words, "--calibrate", str(path), "--dry-run"]) == 0
    assert not path.exists()
    assert main([*words, "--calibrate", str(path)]) == 0
    before = path.read_bytes()
    assert main([*words, "--calibrate", str(path)]) == 0
    assert main([*words, "--calibrate", str(path), "--budget", "1000"]) == 5
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "more",
    [
        ("--calibrate", "t.json", "--out", "o"),
        ("--calibrate", "t.json", "--text", "o"),
        ("--calibrate", "t.json", "--thresholds", "u.json"),
        ("--out", "o", "--budget", "2"),
        ("--out", "o", "--thresholds", "none.json"),
        ("--out", "o", "--thresholds", "cameras.toml"),
        ("--out", "o", "--thresholds", "t.json", "--high", "0.5"),
        ("--out", "o", "--thresholds", "t.json", "--min-length", "2"),
    ],
)
def test_incompatible_options_are_rejected_before_any_work(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """Exit code 2, and no file is written."""
    monkeypatch.chdir(tmp_path)
    assert main([*words, *more]) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"scores", "cameras.toml"}


def test_thresholds_of_another_model_are_rejected(words: list[str], tmp_path: Path) -> None:
    """Exit code 2; nothing is written."""
    path = tmp_path / "thresholds.json"
    assert main([*words, "--calibrate", str(path)]) == 0
    found, _ = load_thresholds(str(path))
    path.write_bytes(replace(found, checkpoint="sha256:other").to_bytes())
    assert main([*words, "--out", str(tmp_path / "o"), "--thresholds", str(path)]) == 2
    assert not (tmp_path / "o").exists()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6)), max_size=8))
def test_covered_time_counts_every_second_once(pairs: list) -> None:
    """Clips with gaps, overlapping clips and nested clips."""
    spans = sorted((start, start + length) for start, length in pairs)
    seconds = {second for start, end in spans for second in range(start, end)}
    assert covered_s(np.array(spans, float).reshape(-1, 2)) == len(seconds)
