"""The verb: thresholds from scores of normal footage, and events at them."""

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
from wsvad.events.calibrating import covered_s
from wsvad.events.thresholds import load_thresholds

CAMERAS = """
[[camera]]
pattern = "{camera}/{year}{month}{day}T{hour}{minute}{second}.mp4"
time_zone = "UTC"
"""
CLIPS = 938
"""Of a video of 600.32 s."""


def noise(seed: int, low: float = 0.0) -> np.ndarray:
    """Scores of normal footage, with a tail."""
    return np.minimum(low + np.random.default_rng(seed).exponential(0.08, CLIPS), 1.0)


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Half an hour of two cameras over midnight, a quarter of an hour of a third; 20 minutes are much footage here."""
    monkeypatch.setattr(calibration, "OWN_DAYS", 20 / 1440)
    days = ("20260601T234000", "20260601T235000", "20260602T000000")
    videos: dict[str, Any] = {f"gate/{day}.mp4": (noise(n), None) for n, day in enumerate(days)}
    videos |= {f"yard/{day}.mp4": (noise(10 + n, 0.2), None) for n, day in enumerate(days)}
    videos["loose/x.mp4"] = (noise(20), None)
    scores = write_scores(tmp_path / "scores", videos)
    (tmp_path / "cameras.toml").write_text(CAMERAS)
    return ["events", "--scores", scores, "--cameras", str(tmp_path / "cameras.toml")]


def counted(words: list[str], tmp_path: Path, name: str = "events") -> Counter[str]:
    """Events of each camera, as the verb makes them."""
    assert main([*words, "--out", str(tmp_path / name), "--text", str(tmp_path / name / "text")]) == 0
    with (tmp_path / name / "text" / "events.csv").open(newline="") as file:
        return Counter(row["camera"] for row in csv.DictReader(file) if row["kind"] == "event")


def test_events_at_the_thresholds_are_as_many_as_were_counted(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each camera with its own threshold; of the others together, at the pooled one, over all cameras.

    So what is calibrated is what the verb makes: across files and midnight, after all post-processing.
    """
    place = str(tmp_path / "thresholds.json")
    assert main([*words, "--calibrate", place, "--budget", "1000", "--smooth", "1.5", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    found, _ = load_thresholds(place)
    assert said["pooled"] == found.calibration.pooled.to_dict()
    assert {*found.calibration.cameras} == {"gate", "yard"}
    assert found.post_processing.smooth_s == 1.5
    assert found.calibration.of("yard").high > found.calibration.of("gate").high
    gate = found.calibration.of("gate")
    assert gate.events > 3
    assert gate.proven
    assert gate.days == pytest.approx((2 * 600 + CLIPS * 0.64) / 86400)  # files overlap by 0.32 s
    events = counted([*words, "--thresholds", place], tmp_path)
    assert {camera: events[camera] for camera in ("gate", "yard")} == {
        camera: found.calibration.of(camera).events for camera in ("gate", "yard")
    }
    pooled = found.settings_of(None)
    everywhere = ["--high", repr(pooled.high), "--low", repr(pooled.low), "--smooth", "1.5"]
    assert counted([*words, *everywhere], tmp_path, "pooled").total() == found.calibration.pooled.events


def test_a_budget_that_is_not_proven_is_said_loudly(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An hour proves nothing of one a day; exit code 0, thresholds without an event, a banner."""
    place = str(tmp_path / "thresholds.json")
    assert main([*words, "--calibrate", place]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "THRESHOLDS OF AN UNTRAINED NETWORK'S FEATURES" in shown  # as the scores of these tests say
    assert "THE FOOTAGE DOES NOT PROVE THE BUDGET OF pooled, gate, yard" in shown
    assert "at least 3.0 days without an event are needed" in shown
    assert counted([*words, "--thresholds", place], tmp_path).total() == 0


def test_budgets_come_from_the_file_of_cameras(words: list[str], tmp_path: Path) -> None:
    """Of all cameras, and of one; --budget wins over both, and a budget of 0 is none."""
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


def test_a_threshold_that_a_person_gave_stays(words: list[str], tmp_path: Path) -> None:
    """In the file of cameras, over the calibrated one."""
    place = str(tmp_path / "thresholds.json")
    assert main([*words, "--calibrate", place, "--budget", "1000"]) == 0
    (tmp_path / "cameras.toml").write_text(CAMERAS + '[[camera]]\nname = "gate"\nhigh = 1.0\n')
    events = counted([*words, "--thresholds", place], tmp_path)
    assert events["gate"] == 0
    assert events["yard"] == load_thresholds(place)[0].calibration.of("yard").events > 0


def test_nothing_is_overwritten(words: list[str], tmp_path: Path) -> None:
    """The same thresholds again are fine; others are a conflict. A dry run writes nothing."""
    place = tmp_path / "thresholds.json"
    assert main([*words, "--calibrate", str(place), "--dry-run"]) == 0
    assert not place.exists()
    assert main([*words, "--calibrate", str(place)]) == 0
    before = place.read_bytes()
    assert main([*words, "--calibrate", str(place)]) == 0
    assert main([*words, "--calibrate", str(place), "--budget", "1000"]) == 5
    assert place.read_bytes() == before


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
def test_what_does_not_go_together_ends_before_any_work(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """Exit code 2, and no file."""
    monkeypatch.chdir(tmp_path)
    assert main([*words, *more]) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"scores", "cameras.toml"}


def test_thresholds_of_another_model_are_refused(words: list[str], tmp_path: Path) -> None:
    """Exit code 2; nothing is written."""
    place = tmp_path / "thresholds.json"
    assert main([*words, "--calibrate", str(place)]) == 0
    found, _ = load_thresholds(str(place))
    place.write_bytes(replace(found, checkpoint="sha256:other").to_bytes())
    assert main([*words, "--out", str(tmp_path / "o"), "--thresholds", str(place)]) == 2
    assert not (tmp_path / "o").exists()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6)), max_size=8))
def test_covered_time_counts_every_second_once(pairs: list) -> None:
    """Clips with holes, and clips that overlap or lie within others."""
    spans = sorted((start, start + length) for start, length in pairs)
    seconds = {second for start, end in spans for second in range(start, end)}
    assert covered_s(np.array(spans, float).reshape(-1, 2)) == len(seconds)
