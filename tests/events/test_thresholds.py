"""The file of thresholds: what is written is read, and anything else is refused."""

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


def test_what_is_written_is_read() -> None:
    """To the bit, and the same thresholds are the same bytes."""
    data = FILE.to_bytes()
    assert read_thresholds(data, "t.json") == FILE
    assert FILE.to_bytes() == data
    plain = json.loads(data)
    assert plain["cameras"]["gate"]["high"] == 0.875
    assert plain["pooled"]["statement"] == POOLED.statement
    assert plain["pooled"]["proven"] is True


def test_a_camera_has_its_own_operating_point_else_the_pooled_one() -> None:
    """With the post-processing of the file."""
    assert FILE.settings_of("gate") == EventSettings(high=0.875, low=0.5, gap_s=5, smooth_s=0, min_length_s=2)
    for other in (None, "yard", ""):
        assert FILE.settings_of(other) == EventSettings(high=0.75, low=0.6, gap_s=5, smooth_s=0, min_length_s=2)


def test_thresholds_of_another_model_are_refused() -> None:
    """Because scores of two models do not mean the same."""
    FILE.check_model("sha256:abc")
    with pytest.raises(UsageError, match="calibrate on scores of this one"):
        FILE.check_model("sha256:abd")


@pytest.mark.parametrize("place", range(0, len(FILE.to_bytes()), 61))
def test_one_changed_byte_is_found(place: int) -> None:
    """Never another value."""
    data = bytearray(FILE.to_bytes())
    data[place] ^= 1
    with pytest.raises((DamagedError, UsageError)):
        read_thresholds(bytes(data), "t.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds_version": 2}, "is of version 2; this program reads 1"),
        ({"pooled": {}}, "'high' is missing"),
        ({"pooled": POOLED.to_dict() | {"high": 1.5}}, r"must be in \[0, 1\]"),
        ({"pooled": POOLED.to_dict() | {"low": 0.9}}, "must be between 0 and"),
        ({"pooled": POOLED.to_dict() | {"events": "2"}}, "'events' should be int"),
        ({"cameras": []}, "should be objects"),
        ({"cameras": {"gate": 1}}, "expected an object"),
        ({"post_processing": {"gap_s": -1, "smooth_s": 0, "min_length_s": 0}}, "must be between 0 and"),
    ],
)
def test_a_sealed_document_of_other_content_is_refused(change: dict, message: str) -> None:
    """By whoever wrote it; with the name of the file."""
    plain = json.loads(FILE.to_bytes())
    del plain["digest"]
    with pytest.raises(UsageError, match=f"t.json .*{message}"):
        read_thresholds(seal(plain | change), "t.json")


@pytest.mark.parametrize("data", [b"", b"{}", b"not json", b"\xff\xfe"])
def test_another_file_is_refused(data: bytes) -> None:
    """With what writes one."""
    with pytest.raises(UsageError, match="no file of thresholds"):
        read_thresholds(data, "t.json")
