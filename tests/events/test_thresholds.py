"""The thresholds file: it round-trips, and invalid files are rejected."""

from __future__ import annotations

import json

import pytest

from wsvad.dataset.sealed import seal
from wsvad.errors import DamagedError, UsageError
from wsvad.events.calibration import Calibration, Threshold
from wsvad.events.config import EventSettings
from wsvad.events.thresholds import PostProcessing, Thresholds, read_thresholds

POOLED = Threshold(0.75, 0.6, 2, 12.5, 3, 1.0, 0.504)
OWN = Threshold(0.875, 0.5, 0, 9.0, 1, 1.0, 0.333)
FILE = Thresholds("sha256:abc", PostProcessing(5.0, 0.0, 2.0), Calibration(POOLED, {"gate": OWN}), {"uri": "scores"})


def test_thresholds_round_trip() -> None:
    """Exactly, and the same thresholds give the same bytes."""
    data = FILE.to_bytes()
    assert read_thresholds(data, "t.json") == FILE
    assert FILE.to_bytes() == data
    plain = json.loads(data)
    assert plain["cameras"]["gate"]["high"] == 0.875
    assert plain["pooled"]["statement"] == POOLED.statement
    assert plain["pooled"]["proven"] is True


def test_a_camera_has_its_own_operating_point_or_the_pooled_one() -> None:
    """With the post-processing of the file."""
    assert FILE.settings_of("gate") == EventSettings(high=0.875, low=0.5, gap_s=5, smooth_s=0, min_length_s=2)
    for other in (None, "yard", ""):
        assert FILE.settings_of(other) == EventSettings(high=0.75, low=0.6, gap_s=5, smooth_s=0, min_length_s=2)


def test_thresholds_of_another_model_are_rejected() -> None:
    """Scores of two models are not comparable."""
    FILE.check_model("sha256:abc")
    with pytest.raises(UsageError, match="calibrate thresholds on scores of this checkpoint"):
        FILE.check_model("sha256:abd")


@pytest.mark.parametrize("place", range(0, len(FILE.to_bytes()), 61))
def test_one_changed_byte_is_detected(place: int) -> None:
    """No byte can change without an error."""
    data = bytearray(FILE.to_bytes())
    data[place] ^= 1
    with pytest.raises((DamagedError, UsageError)):
        read_thresholds(bytes(data), "t.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds_version": 2}, "has version 2, expected 1"),
        ({"pooled": {}}, "'high' is missing"),
        ({"pooled": POOLED.to_dict() | {"high": 1.5}}, r"must be in \[0, 1\]"),
        ({"pooled": POOLED.to_dict() | {"low": 0.9}}, "must be between 0 and"),
        ({"pooled": POOLED.to_dict() | {"events": "2"}}, "'events' should be int"),
        ({"cameras": []}, "should be objects"),
        ({"cameras": {"gate": 1}}, "expected an object"),
        ({"post_processing": {"gap_s": -1, "smooth_s": 0, "min_length_s": 0}}, "must be between 0 and"),
    ],
)
def test_a_document_with_a_valid_checksum_and_invalid_content_is_rejected(change: dict, message: str) -> None:
    """The message begins with the name of the file."""
    plain = json.loads(FILE.to_bytes())
    del plain["digest"]
    with pytest.raises(UsageError, match=f"t.json .*{message}"):
        read_thresholds(seal(plain | change), "t.json")


@pytest.mark.parametrize("data", [b"", b"{}", b"not json", b"\xff\xfe"])
def test_another_file_is_rejected(data: bytes) -> None:
    """The message names the command that creates one."""
    with pytest.raises(UsageError, match="is not a thresholds file; create one with"):
        read_thresholds(data, "t.json")
