"""Conversion of local time to UTC at clock changes, on both hemispheres."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.cameras.clock import moments, zone_problem

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "America/Santiago", "UTC")


def shown_at(local, zone):
    """Return every UTC time at which a clock of the zone shows a local time, by search over all minutes around it."""
    start = local.replace(tzinfo=UTC) - timedelta(hours=16)
    minutes = (start + timedelta(minutes=m) for m in range(32 * 60))
    return [m for m in minutes if m.astimezone(zone).replace(tzinfo=None, fold=0) == local]


@given(
    st.sampled_from(ZONES),
    st.one_of(
        st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
        st.sampled_from(
            [(2026, 3, 29), (2026, 10, 25), (2026, 3, 8), (2026, 11, 1), (2026, 4, 5), (2026, 10, 4)]
        ).flatmap(lambda day: st.integers(0, 24 * 60 - 1).map(lambda m: datetime(*day) + timedelta(minutes=m))),
    ),
)
def test_utc_times_are_those_at_which_a_clock_shows_the_local_time(zone, local):
    """Zero, one or two, compared with a search over all minutes."""
    local = local.replace(second=0, microsecond=0)
    moment = moments(local, ZoneInfo(zone))
    found = shown_at(local, ZoneInfo(zone))
    if found:
        assert list(moment.utc) == found
        assert moment.kind == ("ambiguous" if len(found) == 2 else "plain")
    else:
        assert moment.kind == "missing"


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("Europe/Berlin", "2026-03-29 02:30", "01:30"),  # read with the offset before the change
        ("America/New_York", "2026-03-08 02:30", "07:30"),
        ("Australia/Sydney", "2026-10-04 02:30", "16:30"),
    ],
)
def test_a_missing_time_is_read_with_the_offset_before_the_change(zone, local, utc):
    """So files of a clock that was set late keep their order and distances."""
    moment = moments(datetime.fromisoformat(local), ZoneInfo(zone))
    assert (moment.kind, [f"{m:%H:%M}" for m in moment.utc]) == ("missing", [utc])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("", ""),
        ("../../etc/passwd", ""),
        ("/etc/localtime", ""),
        ("localtime", ""),
        ("Europe", ""),
        ("a\0b", ""),
    ],
)
def test_invalid_zone_names(name, meant):
    """The message suggests the intended zone. No file is opened by such a name."""
    problem = zone_problem(name)
    assert "IANA" in problem
    assert (f"did you mean {meant!r}" in problem) == bool(meant)


def test_valid_zone_names():
    """Including the names in the documentation."""
    assert [zone_problem(name) for name in ZONES] == [""] * len(ZONES)
