"""Path patterns: camera and time from a path."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.cameras.patterns import FIELDS, Pattern
from wsvad.errors import UsageError

DATED = "{camera}/{year}-{month}-{day}/{hour}-{minute}-{second}.mp4"


@pytest.mark.parametrize(
    ("pattern", "path", "camera", "local"),
    [
        (DATED, "gate/2026-03-29/01-59-58.mp4", "gate", datetime(2026, 3, 29, 1, 59, 58)),
        (DATED, "site/gate/2026-03-29/01-59-58.mp4", "no match", None),
        (f"**/{DATED}", "site/gate/2026-03-29/01-59-58.mp4", "gate", datetime(2026, 3, 29, 1, 59, 58)),
        (f"**/{DATED}", "gate/2026-03-29/01-59-58.mp4", "gate", datetime(2026, 3, 29, 1, 59, 58)),
        ("*_{camera}_{year}{month}{day}{hour}.mkv", "NVR_yard_2026100423.mkv", "yard", datetime(2026, 10, 4, 23)),
        ("{year}/{camera}-{year}{month}{day}T{hour}*", "2026/a-20260102T03.ts", "a", datetime(2026, 1, 2, 3)),
        ("{year}/{camera}-{year}{month}{day}T{hour}*", "2025/a-20260102T03.ts", "no match", None),
        ("x/{epoch}.mp4", "x/1700000000.mp4", None, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("x/{epoch_ms}.mp4", "x/1700000000250.mp4", None, datetime(2023, 11, 14, 22, 13, 20, 250000, tzinfo=UTC)),
        ("{camera}/*.mp4", "lobby/anything.mp4", "lobby", None),
        (
            "a{year}{month}{day}{hour}{minute}{second}.{fraction}",
            "a20260102030405.5",
            None,
            datetime(2026, 1, 2, 3, 4, 5, 500000),
        ),
        ("a.mp4", "aXmp4", "no match", None),  # a point is a point
    ],
)
def test_fields_of_a_path(pattern, path, camera, local):
    """Camera, and time on its clock."""
    found = Pattern(pattern).match(path)
    assert (("no match", None) if found is None else (found.camera, found.local)) == (camera, local)


def test_an_invalid_time_is_reported():
    """Month 13 matches the pattern but is not a valid time."""
    found = Pattern(DATED).match("gate/2026-13-29/01-59-58.mp4")
    assert found
    assert found.local is None
    assert "month must be in 1..12" in found.problem
    assert Pattern("{epoch_ms}").match("9" * 14)


def test_matching_the_end_of_a_longer_path():
    """As many components as the pattern has."""
    found = Pattern(DATED).match_end("/archive/site/gate/2026-03-29/01-59-58.mp4")
    assert found
    assert found.camera == "gate"


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)), st.text(st.characters(exclude_characters="/"), min_size=1)
)
def test_formatted_times_and_names_are_parsed(moment, camera):
    """Any name without a slash, including line breaks."""
    found = Pattern("{camera}/{year}{month}{day}-{hour}{minute}{second}.{fraction}.ts").match(
        f"{camera}/{moment:%Y%m%d-%H%M%S.%f}.ts"
    )
    assert found == (camera, moment, "")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{cam}/x", "unknown field 'cam'; did you mean 'camera'"),
        ("{year}{month}.mp4", r"incomplete time: \{day\}, \{hour\} is missing"),
        ("{year}{month}{day}{hour}{second}", "without {minute}"),
        ("{epoch}-{epoch_ms}", "two times"),
        ("{epoch}-{year}{month}{day}{hour}", "two times"),
        ("a{", "a single '{'"),
        ("", "1 to 500 characters"),
        ("x" * 501, "1 to 500 characters"),
        ("*a" * 4, "4 wildcards"),
    ],
)
def test_invalid_patterns_are_rejected(pattern, message):
    """The message describes the problem."""
    with pytest.raises(UsageError, match=message):
        Pattern(pattern)


@pytest.mark.parametrize("name", ["_" * 250, "/" * 250, "_/" * 125, "1" * 250])
def test_matching_time_of_adversarial_names_is_bounded(name):
    """The maximum number of wildcards and a name of separators only: at most seconds, even on a busy machine."""
    started = time.process_time()
    assert Pattern("**/*_{camera}_*_{year}{month}{day}{hour}.mp4").match(name) is None
    assert Pattern("*_*_{camera}_*{year}{month}{day}{hour}.mp4").match(name) is None
    assert time.process_time() - started < 20


@given(st.text("{}*/abcy" + "".join(FIELDS), max_size=30), st.text(max_size=30))
def test_any_text_is_a_valid_pattern_or_rejected(pattern, path):
    """No other error occurs, for any path."""
    try:
        made = Pattern(pattern)
    except UsageError:
        return
    found = made.match(path)
    assert found is None or found.local is None or found.local.year >= 1
