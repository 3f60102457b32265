"""The table of a night: counts that add up, lengths, thresholds and where each comes from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.nightly.footage import CAMERAS, bright_is_anomalous
from wsvad.events.calibration import Calibration, Threshold
from wsvad.events.config import EventSettings
from wsvad.events.thresholds import PostProcessing, Thresholds
from wsvad.nightly.summary import RescoreSummary


def lines(**more: Any) -> dict[str, str]:
    """Return the lines of a night's table."""
    counts = dict.fromkeys(("listed", "scored", "short", "failed", "waiting", "gone", "purged"), 0)
    values = {"models": 1, "cameras": 1, "footage_s": 12.0, "missing_s": 0.0} | counts | more
    return dict(RescoreSummary("a", "r", "sha256:a", **values).lines())


def test_counts_add_up():
    """Purged videos are not listed, so they have a line of their own."""
    shown = lines(listed=7, scored=6, failed=1, purged=1)
    assert shown["videos"] == "7 (6 scored, 1 failed)"
    assert shown["purged"] == "1 other video of the archive, skipped"
    assert "purged" not in lines(listed=7, scored=7)


@pytest.mark.parametrize(
    ("missing_s", "unknown", "text"),
    [
        (0.0, 0, "12 s with scores, 0 s without"),
        (0.0, 1, "12 s with scores, 1 video of unknown length without"),
        (8.0, 2, "12 s with scores, 8 s and 2 videos of unknown length without"),
    ],
)
def test_unknown_lengths(missing_s, unknown, text):
    """A failed video often has no known length; that is not 0 s."""
    assert lines(missing_s=missing_s, unknown_length=unknown)["footage"] == text


def test_thresholds_as_text():
    """One if all are equal, one per camera if few, else a range."""
    point = {"high": 0.5, "low": 0.4, "source": "default"}
    own = {"high": 0.7, "low": 0.6, "source": "cameras file"}
    assert lines(thresholds={"gate": point, "yard": point})["thresholds"] == "0.5 (default)"
    assert lines(thresholds={"gate": point, "yard": own})["thresholds"] == "gate 0.5 (default), yard 0.7 (cameras file)"
    many = {f"c{n}": point for n in range(9)} | {"yard": own}
    assert lines(thresholds=many)["thresholds"] == "0.5 to 0.7 over 10 cameras (1 cameras file, 9 default)"
    assert "thresholds" not in lines()


def test_thresholds_of_a_night(night, tmp_path):
    """Of the options, of a calibrated file, of the cameras file, which has precedence; also if nothing is to do."""
    _, summary = night()
    default = {"high": 0.5, "low": 0.4, "source": "default"}
    assert summary["thresholds"] == dict.fromkeys(("door", "front", "yard"), default)
    assert summary["cameras_file"] == str(tmp_path / "cameras.toml")
    assert summary["ran"] == dict.fromkeys(("extraction", "scoring"), "in this process (requested by --no-ray)")
    _, again = night()
    assert (again["nothing_to_do"], again["thresholds"], again["ran"]) == (True, summary["thresholds"], {})

    _, given = night("--high", "0.6")
    assert given["thresholds"]["yard"] == {"high": 0.6, "low": pytest.approx(0.48), "source": "--high"}

    pooled, own = (Threshold(high, 0.4, 0, 1.0, 1, 1.0, 3.0) for high in (0.7, 0.8))
    after = PostProcessing.of(EventSettings(smooth_s=0.0, gap_s=1.0))
    calibrated = Thresholds(bright_is_anomalous().digest, after, Calibration(pooled, {"yard": own, "door": own}))
    (tmp_path / "thresholds.json").write_bytes(calibrated.to_bytes())
    (tmp_path / "cameras.toml").write_text(f"{CAMERAS}[[camera]]\nname = 'door'\nhigh = 0.9\nlow = 0.1\n")
    _, mixed = night("--thresholds", str(tmp_path / "thresholds.json"))
    assert {name: (point["high"], point["source"]) for name, point in mixed["thresholds"].items()} == {
        "door": (0.9, "cameras file"), "front": (0.7, "calibrated, all cameras"), "yard": (0.8, "calibrated"),
    }  # fmt: skip
