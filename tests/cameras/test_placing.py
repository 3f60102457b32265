"""Placement of videos in time: around clock changes no footage is lost, duplicated or reordered."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.cameras.config import Camera, Cameras
from wsvad.cameras.placing import Placement, RecordedVideo, cameras_of, place, place_all
from wsvad.cameras.reading import parse_cameras
from wsvad.errors import UsageError

PATTERN = "{camera}/{year}{month}{day}T{hour}{minute}{second}*.mp4"
NIGHTS = {
    "Europe/Berlin": ["2026-03-28 22:00", "2026-10-24 22:00"],
    "America/New_York": ["2026-03-08 04:00", "2026-11-01 03:00"],
    "Australia/Sydney": ["2026-04-04 12:00", "2026-10-03 13:00"],
}
"""UTC times some hours before the clocks change."""


def cameras(zone="Europe/Berlin", **more):
    """Return cameras with one pattern for the camera's name and a local time."""
    return parse_cameras({"camera": [{"pattern": PATTERN, "time_zone": zone, **more}]})


def recorded(zone, begin, lengths, holes=None):
    """Return consecutive files of one camera, named in local time as recorders do, with their true start and length."""
    start, made, names = datetime.fromisoformat(begin).replace(tzinfo=UTC), {}, []
    for n, minutes in enumerate(lengths):
        name = f"cam/{start.astimezone(ZoneInfo(zone)):%Y%m%dT%H%M%S}"
        name += f"_{names.count(name)}" * (name in names)
        names.append(name.partition("_")[0])
        if not holes or n not in holes:
            made[f"{name}.mp4"] = (start, 60.0 * minutes)
        start += timedelta(minutes=minutes)
    return made


@pytest.mark.parametrize(("zone", "begin"), [(zone, begin) for zone, nights in NIGHTS.items() for begin in nights])
@given(st.lists(st.integers(5, 90), min_size=10, max_size=40))
def test_continuous_footage_keeps_its_times(zone, begin, lengths):
    """Files of any lengths through a clock change: their order resolves every ambiguous local time."""
    files = recorded(zone, begin, lengths)
    placed = place_all([RecordedVideo(i, "", seconds) for i, (_, seconds) in files.items()], cameras(zone))
    wrong = {i: (placed[i].start_utc, start) for i, (start, _) in files.items() if placed[i].start_utc != start}
    spans = sorted((p.start_utc, p.start_utc + timedelta(seconds=files[i][1])) for i, p in placed.items())
    assert not wrong
    assert all(start < end for start, end in spans)
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    assert not any(note.startswith("overlap") for p in placed.values() for note in p.notes)


@pytest.mark.parametrize(("zone", "begin"), [(zone, begin) for zone, nights in NIGHTS.items() for begin in nights])
@given(st.lists(st.sampled_from([10, 20, 30, 60]), min_size=10, max_size=30), st.sets(st.integers(0, 29), max_size=8))
def test_footage_with_gaps_never_overlaps(zone, begin, lengths, holes):
    """If other files do not decide, the earlier time is used and noted; two files never get the same time."""
    files = recorded(zone, begin, lengths, holes)
    placed = place_all([RecordedVideo(i, "", seconds) for i, (_, seconds) in files.items()], cameras(zone))
    assert placed.keys() == files.keys()
    starts = [p.start_utc for p in placed.values()]
    assert len(set(starts)) == len(starts)
    for video_id, (start, _) in files.items():
        found = placed[video_id]
        if found.start_utc != start:
            assert abs(found.start_utc - start) == timedelta(hours=1)
            assert any(note.startswith("ambiguous_time") for note in found.notes)


def test_rules_for_ambiguous_times():
    """Berlin, 25 October 2026: 02:00 to 03:00 occurs twice, from 00:00 UTC and from 01:00 UTC."""

    def at(zone_cameras, *files):
        placed = place_all([RecordedVideo(f"cam/20261025T{name}.mp4", "", 60.0 * m) for name, m in files], zone_cameras)
        return [f"{p.start_utc:%H:%M}" for p in placed.values()]

    order = cameras()
    assert at(order, ("023000", 10)) == ["00:30"]  # nothing decides: the earlier time
    assert at(order, ("020000", 60), ("020000_1", 60)) == ["00:00", "01:00"]
    assert at(order, ("020000_1", 60), ("020000", 60)) == ["01:00", "00:00"]
    assert at(order, ("020000(1)", 60), ("020000", 60)) == ["01:00", "00:00"]
    assert at(order, ("023000", 30), ("030000", 60)) == ["01:30", "02:00"]  # followed by another file
    assert at(order, ("013000", 60), ("023000", 60)) == ["23:30", "00:30"]  # follows another file
    assert at(order, ("013000", 90), ("023000", 30)) == ["23:30", "01:30"]  # another file covers the earlier time
    assert at(cameras(fold="second"), ("013000", 60), ("023000", 60)) == ["23:30", "01:30"]
    assert at(cameras(fold="first"), ("023000", 30), ("030000", 60)) == ["00:30", "02:00"]


def test_a_missing_time_is_noted():
    """Berlin, 29 March 2026: 02:30 does not exist."""
    found = place("cam/20260329T023000.mp4", cameras())
    assert found.start_utc == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert found.notes == ("missing_time: 2026-03-29 02:30:00 does not exist in Europe/Berlin; read as 01:30:00 UTC",)


def test_without_a_cameras_file_a_folder_is_a_camera():
    """No time is parsed from the name."""
    assert place("site/gate/20260329T023000.mp4", Cameras()) == Placement("site/gate", None, matched=False)
    assert place("x.mp4", Cameras()) == Placement(".", None, matched=False)


def test_a_video_that_matches_no_pattern_is_noted():
    """It is not dropped: its folder is its camera."""
    found = place("elsewhere/x.mp4", cameras())
    assert (found.camera, found.start_utc) == ("elsewhere", None)
    assert found.notes == ("no_pattern: no pattern of the cameras matches this video",)


@pytest.mark.parametrize("name", ["20261325T000000", "00010101T000000", "99991231T235959"])
def test_implausible_times_are_rejected(name):
    """Month 13, the year 1, the last second of the calendar: no time, with a note."""
    found = place(f"cam/{name}.mp4", cameras())
    assert found.start_utc is None
    assert found.notes[0].startswith("no_time: ")


def test_the_path_of_the_uri_is_used_if_no_pattern_matches_the_id():
    """For manifests with arbitrary ids. File URIs are percent-encoded, keys of object storage are literal."""
    one = place("v001", cameras(), "file:///archive/my%20cam/20260601T120000.mp4")
    other = place("v002", cameras(), "s3://bucket/my%20cam/20260601T120000.mp4")
    assert (one.camera, other.camera) == ("my cam", "my%20cam")
    assert one.start_utc == other.start_utc == datetime(2026, 6, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("name", ["a\nb", "..", "x" * 500, "\u202eevil", "=cmd()", "\udcff", " "])
def test_adversarial_camera_names_become_safe_ids(name):
    """Names from URI paths, which are not validated; different names stay different."""
    found = place("v", cameras(), f"s3://bucket/{name}/20260601T120000.mp4")
    other = place("v", cameras(), f"s3://bucket/{name}x/20260601T120000.mp4")
    assert found.camera != other.camera
    assert found.camera.isprintable()
    assert found.camera not in ("..", " ")
    assert len(found.camera.encode()) <= 200


def test_overlapping_files_are_noted():
    """The later of two files of a camera that cover the same time."""
    files = [RecordedVideo("cam/20260601T120000.mp4", "", 600.0), RecordedVideo("cam/20260601T120500.mp4", "", 1e300)]
    placed = place_all(files, cameras())
    assert placed[files[1].video_id].notes == ("overlap: it starts 300 s before the end of cam/20260601T120000.mp4",)


def test_a_file_that_matches_no_pattern_gets_the_settings_of_its_camera():
    """The settings are those of the matching pattern, regardless of the order of files."""
    files = [RecordedVideo("a/readme.mp4"), RecordedVideo("a/20260601T120000.mp4"), RecordedVideo("b/readme.mp4")]
    for order in (files, files[::-1]):
        found = cameras_of(place_all(order, cameras(budget=3)))
        assert {name: camera.budget for name, camera in found.items()} == {"a": 3, "b": 1}


def test_contradictory_settings_are_rejected():
    """Two patterns give one camera two budgets; different time zones are allowed."""
    tables = [{"pattern": PATTERN, "time_zone": "UTC"}, {"pattern": "{camera}/old/{epoch}.mp4"}]
    files = [RecordedVideo("a/20260601T120000.mp4"), RecordedVideo("a/old/17.mp4")]
    two_clocks = parse_cameras({"camera": [tables[0] | {"time_zone": "Europe/Berlin"}, tables[1]]})
    assert cameras_of(place_all(files, two_clocks))["a"] == Camera(name="a", time_zone="Europe/Berlin")
    with pytest.raises(UsageError, match="give camera 'a' different settings"):
        cameras_of(place_all(files, parse_cameras({"camera": [tables[0], tables[1] | {"budget": 3}]})))
